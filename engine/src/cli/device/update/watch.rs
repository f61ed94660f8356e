//! Watches a job until it has come to its end.

use crate::api::{JobStepView, JobView, UpdateView};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::timestamp::rfc3339;
use fleetfn_protocol::DeviceId;
use std::io::{IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

/// How soon to look again: as soon as a person would see it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Letters of the bar.
const BAR_WIDTH: u64 = 30;

/// How a job ended, if it is not for a person to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is confirmed.
    Confirmed,
    /// The patch by which the image came did not do. The image may do.
    PatchFailed,
}

/// Reasons by which a device says that a patch is not for it. Those of a whole image say something else.
const OF_PATCHES: [&str; 5] = ["format", "size", "base", "digest", "patch"];

/// Prints each step of a job, and returns when it is confirmed, or a patch has failed.
pub(super) fn run(
    client: &Client,
    id: DeviceId,
    job: &JobView,
    timeout: Option<Duration>,
    format: Format,
) -> Result<End, Failure> {
    let (number, name) = (job.number, format!("{}@{}", job.product, job.version));
    let tried = format!("device {id} was not updated to {name}");
    let start = Instant::now();
    let mut printed = Printed { at_ms: 0, count: 0, bar: Bar::new() };
    loop {
        let update: UpdateView = client.get(&tried, &format!("/devices/{id}/update"))?;
        let job = update.job.as_ref().filter(|job| job.number == number);
        let Some(job) = job else {
            let why = format!("job {number} was replaced by another one");
            return Err(Failure::new(tried, why).next(format!("fleetfn device get {id}")));
        };
        printed.bar.clear();
        if format == Format::Table {
            printed.steps(number, &name, &job.steps)?;
        }
        if job.done {
            return end(&tried, id, &update, job, format);
        }
        if timeout.is_some_and(|timeout| start.elapsed() >= timeout) {
            let why = format!("the time is over, and job {number} is {}: it goes on", job.state);
            let next = format!("fleetfn device get {id}, or fleetfn device update {id} --cancel");
            return Err(Failure::timed_out(tried, why).next(next));
        }
        printed.bar.draw(job);
        thread::sleep(LOOK_AGAIN);
    }
}

fn end(
    tried: &str,
    id: DeviceId,
    update: &UpdateView,
    job: &JobView,
    format: Format,
) -> Result<End, Failure> {
    if job.state == "failed" && job.delivery == "patch" && OF_PATCHES.contains(&job.reason.as_str()) {
        return Ok(End::PatchFailed);
    }
    if format == Format::Json {
        output::json(update)?;
    }
    if job.state == "confirmed" {
        return Ok(End::Confirmed);
    }
    let state = job.state.replace('_', " ");
    let why = match &job.detail {
        Some(detail) => format!("{state}: {detail}"),
        None => state,
    };
    Err(Failure::new(tried, why).next(format!("fleetfn device get {id}")))
}

/// What was printed so far.
struct Printed {
    at_ms: u64,
    /// Steps of that time: two may have the same.
    count: usize,
    bar: Bar,
}

impl Printed {
    fn steps(&mut self, number: u32, name: &str, steps: &[JobStepView]) -> Result<(), Failure> {
        let mut skip = self.count;
        for step in steps {
            if step.at_ms < self.at_ms {
                continue;
            }
            if step.at_ms == self.at_ms {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                self.count += 1;
            } else {
                (self.at_ms, self.count, skip) = (step.at_ms, 1, 0);
            }
            let why = if step.reason == "none" { String::new() } else { format!("  {}", step.reason) };
            output::line(&format!("{}  job {number}  {name}  {}{why}", rfc3339(step.at_ms), step.state))?;
        }
        Ok(())
    }
}

/// A bar on stderr, if that is a terminal.
struct Bar {
    is_terminal: bool,
    is_drawn: bool,
}

impl Bar {
    fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), is_drawn: false }
    }

    fn clear(&mut self) {
        if self.is_drawn {
            // Without stderr there is nobody to see it.
            let _ = write!(std::io::stderr(), "\r\x1b[K");
            self.is_drawn = false;
        }
    }

    fn draw(&mut self, job: &JobView) {
        if !self.is_terminal || job.state != "downloading" || job.of == 0 {
            return;
        }
        let (have, of) = (u64::from(job.have), u64::from(job.of));
        let filled = usize::try_from(have * BAR_WIDTH / of).unwrap_or_default();
        let empty = usize::try_from(BAR_WIDTH).unwrap_or_default().saturating_sub(filled);
        let (filled, empty, percent) = ("#".repeat(filled), ".".repeat(empty), have * 100 / of);
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "[{filled}{empty}] {percent:3}%  {have} of {of} bytes");
        let _ = stderr.flush();
        self.is_drawn = true;
    }
}
