//! `fleetfn device get ID`.

use crate::api::{DeviceView, UpdateView};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::timestamp::rfc3339;
use fleetfn_protocol::DeviceId;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The device
    id: DeviceId,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let id = arguments.id;
    let device: DeviceView = Client::open(data)?
        .get(&format!("cannot show device {id}"), &format!("/devices/{id}"))
        .map_err(|failure| failure.or_next("fleetfn device ls"))?;
    show(device, arguments.output)
}

/// Prints a device.
pub(super) fn show(device: DeviceView, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&device);
    }
    let state = if device.online { "online" } else { "offline" };
    let mut rows = vec![["product".into(), device.product.unwrap_or_else(|| "-".into())]];
    rows.extend(device.class.map(|class| ["class".into(), class]));
    rows.extend([
        ["state".into(), state.into()],
        ["time zone".into(), device.time_zone.unwrap_or_else(|| "UTC".into())],
        ["added".into(), rfc3339(device.added_at_ms)],
        ["tags".into(), device.tags.join(",")],
    ]);
    rows.extend(device.update.iter().flat_map(update));
    output::table(["device", &device.id], &rows)
}

/// What is known of the firmware.
fn update(update: &UpdateView) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    if let Some(reported) = &update.reported {
        let since = rfc3339(reported.at_ms);
        let running = format!("{} (sequence {}), reported {since}", reported.version, reported.sequence);
        rows.push(["firmware".into(), running]);
    }
    if let Some(job) = &update.job {
        rows.push([
            format!("job {}", job.number),
            format!("{}@{} (sequence {})", job.product, job.version, job.sequence),
        ]);
        let since =
            job.steps.last().map_or_else(String::new, |step| format!(" since {}", rfc3339(step.at_ms)));
        let have = match job.state.as_str() {
            "downloading" | "paused" => format!(", {} of {} bytes", job.have, job.of),
            _ => String::new(),
        };
        let why = job.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}"));
        rows.push(["phase".into(), format!("{}{have}{why}{since}", job.state)]);
        if let Some(reported) = update.reported.as_ref().filter(|reported| reported.job > job.number) {
            let why =
                format!("knows job {}, which is not of this engine: it takes no older one", reported.job);
            rows.push(["device".into(), why]);
        }
    }
    for (count, what) in [(update.unreadable, "cannot be read"), (update.unfitting, "did not fit its job")] {
        if count > 0 {
            rows.push(["status".into(), format!("{count} {what}")]);
        }
    }
    rows
}
