//! `fleetfn device update ID RELEASE`, and `fleetfn device update ID --cancel`.

mod watch;

use crate::api::{DeviceView, JobView, UpdateOrder, UpdateView};
use crate::cli::client::Client;
use crate::cli::duration;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::Trial;
use fleetfn_protocol::DeviceId;
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};
use watch::End;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The device
    id: DeviceId,
    /// PRODUCT@VERSION, or the beginning of the release's id
    #[arg(required_unless_present = "cancel")]
    release: Option<String>,
    /// Withdraw the device's open job
    #[arg(long, conflicts_with_all = ["release", "wait", "detach", "timeout"])]
    cancel: bool,
    /// Send the image whole, even if there is a patch from what the device runs
    #[arg(long, conflicts_with = "cancel")]
    whole: bool,
    /// Wait until the device has confirmed or failed: the default on a terminal
    #[arg(long, conflicts_with = "detach")]
    wait: bool,
    /// Do not wait: the default otherwise
    #[arg(long)]
    detach: bool,
    /// How long to wait, as in 10m [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = duration::parse, conflicts_with = "detach")]
    timeout: Option<Duration>,
    #[command(flatten)]
    trial: Trial,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { id, release, whole, wait, detach, timeout, trial, output, .. } = arguments;
    let client = Client::open(data)?;
    let Some(release) = release else {
        return cancel(&client, *id, *trial, *output);
    };
    let tried = format!("cannot update device {id} to {release}");
    let order = |whole: bool| -> Result<UpdateView, Failure> {
        let order = UpdateOrder { release: release.clone(), whole };
        client
            .post(&tried, &trial.at(&format!("/devices/{id}/update")), &order)
            .map_err(|failure| failure.or_next(format!("fleetfn device get {id}, and fleetfn release ls")))
    };
    let ordered = order(*whole)?;
    let job = job_of(&tried, &ordered)?;
    if trial.is_dry_run() {
        trial.tell("the device would get this job");
    }
    let waits = *wait || timeout.is_some() || (!*detach && std::io::stdout().is_terminal());
    let waits = waits && !trial.is_dry_run();
    if !waits {
        return match output {
            Format::Json => output::json(&ordered),
            Format::Table => output::line(&line(job)),
        };
    }
    let device: DeviceView = client.get(&tried, &format!("/devices/{id}"))?;
    if !device.online {
        eprintln!("Device {id} is offline: the job waits for it.");
    }
    let start = Instant::now();
    if watch::run(&client, *id, job, *timeout, *output)? == End::Confirmed {
        return Ok(());
    }
    eprintln!("The patch did not do: the image is sent whole.");
    let left = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
    watch::run(&client, *id, job_of(&tried, &order(true)?)?, left, *output).map(drop)
}

fn cancel(client: &Client, id: DeviceId, trial: Trial, output: Format) -> Result<(), Failure> {
    let tried = format!("cannot withdraw the job of device {id}");
    let withdrawn: UpdateView = client
        .delete_for(&tried, &trial.at(&format!("/devices/{id}/update")))
        .map_err(|failure| failure.or_next(format!("fleetfn device get {id}")))?;
    if trial.is_dry_run() {
        trial.tell("the job would be withdrawn");
    }
    match output {
        Format::Json => output::json(&withdrawn),
        Format::Table => output::line(&line(job_of(&tried, &withdrawn)?)),
    }
}

fn job_of<'a>(tried: &str, update: &'a UpdateView) -> Result<&'a JobView, Failure> {
    update.job.as_ref().ok_or_else(|| Failure::new(tried, "the answer holds no job"))
}

/// A job in one line.
fn line(job: &JobView) -> String {
    format!("job {}  {}@{}  {}", job.number, job.product, job.version, job.state)
}
