//! `fleetfn rollout explain NAME [DEVICE]`.

use crate::api::DeviceRow;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use fleetfn_core::rollout::{Devices, Explanation, JobState};
use fleetfn_protocol::{DeviceId, RolloutName};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Devices that are named for each reason.
const NAMED_MAX: usize = 5;

/// Reasons that are listed: what nobody reads to its end says nothing. `-o json` has all devices.
const REASONS_MAX: usize = 50;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name of the rollout
    name: RolloutName,
    /// One device, with times; without it: all of them, by reason
    device: Option<DeviceId>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let name = arguments.name;
    let client = Client::open(data)?;
    let Some(device) = arguments.device else {
        let tried = format!("cannot read the devices of rollout '{name}'");
        let devices: Vec<DeviceRow> = client
            .list(&tried, &format!("/rollouts/{name}/devices"))
            .map_err(|failure| failure.or_next("fleetfn rollout ls"))?;
        return match arguments.output {
            Format::Table => output::write(reasons(name, &devices).as_bytes()),
            Format::Json => output::json(&devices),
        };
    };
    let tried = format!("cannot explain device '{device}' in rollout '{name}'");
    let path = format!("/rollouts/{name}/devices/{device}");
    let explanation: Explanation = client
        .get(&tried, &path)
        .map_err(|failure| failure.or_next(format!("fleetfn rollout explain {name}")))?;
    match arguments.output {
        Format::Table => output::write(one(&explanation).as_bytes()),
        Format::Json => output::json(&explanation),
    }
}

/// Why one device is where it is.
fn one(explanation: &Explanation) -> String {
    super::clean(&explanation.to_string())
}

/// All devices by what became of them and why: the most common first.
fn reasons(name: RolloutName, devices: &[DeviceRow]) -> String {
    let mut groups: BTreeMap<(JobState, &String), Vec<&String>> = BTreeMap::new();
    for device in devices {
        groups.entry((device.state, &device.because)).or_default().push(&device.device);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(a, left), (b, right)| right.len().cmp(&left.len()).then_with(|| a.cmp(b)));
    let count = u64::try_from(devices.len()).unwrap_or(u64::MAX);
    let mut text = format!("{} in rollout {name}\n", Devices(count));
    for ((state, why), ids) in groups.iter().take(REASONS_MAX) {
        let some: Vec<&str> = ids.iter().take(NAMED_MAX).map(|id| id.as_str()).collect();
        let more = if ids.len() > NAMED_MAX { ", ..." } else { "" };
        let state = state.to_string();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:>7}  {state:<11}  {why}  ({}{more})", ids.len(), some.join(", "));
    }
    if groups.len() > REASONS_MAX {
        let others = groups.iter().skip(REASONS_MAX);
        let devices: usize = others.map(|(_, ids)| ids.len()).sum();
        let _ = writeln!(text, "{devices:>7}  for {} other reasons", groups.len() - REASONS_MAX);
    }
    super::clean(&text)
}

#[cfg(test)]
mod tests;
