//! `fleetfn rollout explain NAME [DEVICE]`.

use crate::api::DeviceRow;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::output;
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
    /// How to print it: of all devices, the table has a line for each reason, and all other forms have each device
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
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
            ListFormat::Table => output::write(reasons(name, &devices).as_bytes()),
            format => list::print(format, &devices, ["DEVICE", "STATE", "PHASE", "OFFER", "WHY"], row),
        };
    };
    let tried = format!("cannot explain device '{device}' in rollout '{name}'");
    let path = format!("/rollouts/{name}/devices/{device}");
    let explanation: Explanation = client
        .get(&tried, &path)
        .map_err(|failure| failure.or_next(format!("fleetfn rollout explain {name}")))?;
    list::one(arguments.output, &explanation, &one(&explanation))
}

/// A device in a line.
fn row(device: &DeviceRow) -> [String; 5] {
    [
        device.device.clone(),
        device.state.to_string(),
        device.phase.clone().unwrap_or_else(|| "-".into()),
        device.row.generation.to_string(),
        device.because.clone(),
    ]
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
    let mut text = format!("{} in rollout {name}{}\n", Devices(count), states(devices));
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

/// How many devices are in each state, the most common first.
fn states(devices: &[DeviceRow]) -> String {
    let mut counts: BTreeMap<JobState, usize> = BTreeMap::new();
    devices.iter().for_each(|device| *counts.entry(device.state).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(a, left), (b, right)| right.cmp(left).then_with(|| a.cmp(b)));
    let words: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}

#[cfg(test)]
mod tests;
