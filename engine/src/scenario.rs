//! The scenario file: which devices there are, and what they do. The emulator, the simulation and whoever else plays
//! devices read the same language; it is described in `docs/reference/emulator.md`.

mod actor;
mod generator;
mod group;
mod kind;
mod place;
mod program;
mod span;
mod updates;

pub(crate) use actor::{Observer, members};
pub(crate) use program::{Epoch, Program, Replies};

use fleetfn_device::simulation::{Link, UpdatePlan};
use fleetfn_protocol::{ClassId, DeviceId, ProductId};
use group::{Devices, Group};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use updates::Installed;

/// Where the format is described.
pub(crate) const PAGE: &str = "docs/reference/emulator.md";

/// Largest file in bytes: more than anybody writes by hand, with ten thousand names.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A device to be simulated.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    /// Name in the IANA database; `None` for UTC.
    pub(crate) time_zone: Option<Arc<str>>,
    /// What it is one of.
    pub(crate) product: Option<ProductId>,
    /// On which hardware it runs.
    pub(crate) class: Option<ClassId>,
    pub(crate) program: Program,
    link: Link,
    /// How it updates, and what it runs before.
    update: Option<(UpdatePlan, Arc<Installed>)>,
    /// About the length of its longest payload.
    payload_bytes: usize,
    /// The longest packet that it takes, if that is said.
    receive_bytes: Option<usize>,
}

impl Device {
    /// A device with a program and a good connection.
    pub(crate) fn new(id: DeviceId, program: Program) -> Self {
        let payload_bytes = fleetfn_protocol::limits::PAYLOAD_BYTES_MAX;
        Self {
            id,
            time_zone: None,
            product: None,
            class: None,
            program,
            link: Link::FAST,
            update: None,
            payload_bytes,
            receive_bytes: None,
        }
    }
}

/// What a scenario is played with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Casting {
    /// Devices of all groups, at most.
    pub(crate) devices_max: usize,
    /// So many devices instead of those that the file counts, in the same shares.
    pub(crate) devices: Option<usize>,
    /// Instead of the file's.
    pub(crate) seed: Option<u64>,
}

/// What a file says.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) devices: Vec<Device>,
    /// To be told when it begins.
    pub(crate) epoch: Epoch,
    /// Of everything random in it.
    pub(crate) seed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    seed: u64,
    groups: Vec<Group>,
}

/// Reads a file; without a limit of its own a process would take whatever is there.
pub(crate) fn read(file: &Path) -> std::io::Result<String> {
    if std::fs::metadata(file)?.len() > FILE_BYTES_MAX {
        let why = format!("it is larger than {FILE_BYTES_MAX} bytes");
        return Err(std::io::Error::new(ErrorKind::InvalidData, why));
    }
    std::fs::read_to_string(file)
}

/// Reads a scenario, or says what is wrong with it and where.
pub(crate) fn parse(text: &str, casting: Casting) -> Result<Scenario, String> {
    let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
    // What is wrong with a value begins with its path.
    cast(&file, casting).map_err(|why| match place::line(text, &why) {
        Some(line) => format!("{why}, at line {line}"),
        None => why,
    })
}

fn cast(file: &File, casting: Casting) -> Result<Scenario, String> {
    if file.groups.is_empty() {
        return Err("groups: there is none".into());
    }
    let counts = counts(&file.groups, casting)?;
    let seed = casting.seed.unwrap_or(file.seed);
    let epoch = Epoch::default();
    let (mut devices, mut seen) = (Vec::new(), BTreeSet::new());
    for (number, (group, count)) in file.groups.iter().zip(counts).enumerate() {
        let path = format!("groups[{number}]");
        for device in group.devices(seed, &epoch, &path, count)? {
            if !seen.insert(device.id) {
                return Err(format!(
                    "{path}: device {} is there twice: give its group another \"prefix\"",
                    device.id
                ));
            }
            devices.push(device);
        }
    }
    Ok(Scenario { devices, epoch, seed })
}

/// How many devices each group has. If another number is wanted, groups that count their devices share it as they share those
/// of the file, and each has at least one.
fn counts(groups: &[Group], casting: Casting) -> Result<Vec<usize>, String> {
    let Casting { devices_max, devices, .. } = casting;
    let said = |group: &Group| match &group.devices {
        Devices::Count(count) => usize::try_from(*count).unwrap_or(usize::MAX),
        Devices::Names(names) => names.len(),
    };
    let mut counts: Vec<usize> = groups.iter().map(said).collect();
    if let Some(wanted) = devices {
        let is_counted = |group: &Group| matches!(group.devices, Devices::Count(_));
        let (mut named, mut counted) = (0_usize, 0_usize);
        for (group, count) in groups.iter().zip(&counts) {
            let sum = if is_counted(group) { &mut counted } else { &mut named };
            *sum = sum.saturating_add(*count);
        }
        let Some(mut left) = wanted.checked_sub(named).filter(|left| *left > 0 && counted > 0) else {
            return Err(format!("groups: they name {named} devices, which cannot become {wanted}"));
        };
        let mut groups_left = groups.iter().filter(|group| is_counted(group)).count();
        if left < groups_left {
            return Err(format!("groups: {wanted} devices are too few for {} groups", groups.len()));
        }
        for (_, count) in groups.iter().zip(&mut counts).filter(|(group, _)| is_counted(group)) {
            let before = *count;
            groups_left -= 1;
            *count = share(left, before, counted).max(1).min(left - groups_left);
            (left, counted) = (left - *count, counted - before);
        }
    }
    let mut sum = 0_usize;
    for (number, count) in counts.iter().enumerate() {
        sum = sum.saturating_add(*count);
        if sum > devices_max {
            return Err(format!("groups[{number}]: there are at most {devices_max} devices"));
        }
    }
    Ok(counts)
}

/// The part of `whole` that `part` is of `all`, rounded.
fn share(whole: usize, part: usize, all: usize) -> usize {
    let [whole, part, all] = [whole, part, all.max(1)].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
    let share = (u128::from(whole) * u128::from(part) + u128::from(all / 2)) / u128::from(all);
    usize::try_from(share).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
