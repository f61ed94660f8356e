//! Waits until a rollout has ended, and says on the way what changes.

use super::act;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use fleetfn_core::rollout::{State, Status};
use fleetfn_protocol::RolloutName;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often to look.
const EVERY: Duration = Duration::from_millis(500);

/// Prints a line for every change, and ends with the rollout or the time.
pub(super) fn run(
    client: &Client,
    name: RolloutName,
    timeout: Option<Duration>,
    format: Format,
) -> Result<(), Failure> {
    let tried = format!("cannot wait for rollout {name}");
    let start = Instant::now();
    let mut said = String::new();
    loop {
        let status: Status = client.get(&tried, &format!("/rollouts/{name}"))?;
        let line = line(&status);
        if line != said && format == Format::Table {
            output::line(&line)?;
        }
        said = line;
        match status.state {
            State::Completed => return act::show(&status, format),
            State::Aborted => {
                act::show(&status, format)?;
                return Err(Failure::aborted(format!("rollout {name} was aborted"), status.because)
                    .next(format!("fleetfn rollout explain {name} DEVICE")));
            }
            _ => {}
        }
        if timeout.is_some_and(|timeout| start.elapsed() >= timeout) {
            return Err(Failure::timed_out(format!("rollout {name} has not ended"), status.because)
                .next(format!("fleetfn rollout status {name}")));
        }
        sleep(EVERY);
    }
}

/// What is worth a line when it changes.
fn line(status: &Status) -> String {
    let all = status
        .phases
        .iter()
        .fold(fleetfn_core::rollout::Tally::default(), |sum, phase| sum.with(phase.tally));
    let bad = all.ended().saturating_sub(all.updated());
    let (phase, phases) = status.phase;
    format!(
        "phase {phase}/{phases} {}: {} updated, {} at it, {bad} bad: {}",
        status.state,
        all.updated(),
        all.active(),
        status.because
    )
}
