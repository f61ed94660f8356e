//! The scenario file: which devices there are, and what they do. The format is in `docs/reference/emulator.md`.

pub(super) mod suggested;

use super::generator::{Generator, Template};
use super::program::{Program, Replies, Reply, Stream, Window};
use super::random::Random;
use super::span::Span;
use crate::calendar;
use fleetfn_protocol::limits::PAYLOAD_BYTES_MAX;
use fleetfn_protocol::{DeviceId, Topic};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Devices of all groups: each is a real connection with two files of this process.
pub(super) const DEVICES_MAX: usize = 10_000;

/// Largest file in bytes: more than anybody writes by hand, with ten thousand names.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;

/// Messages, reports, absences and replies of one group, each: a device has fewer.
const ITEMS_MAX: usize = 64;

/// Shortest pause between two messages: at the fastest speed nobody could tell less apart.
const EVERY_MS_MIN: u64 = 10;

/// A device to be simulated.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) id: DeviceId,
    /// Name in the IANA database; `None` for UTC.
    pub(super) time_zone: Option<String>,
    pub(super) program: Program,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    seed: u64,
    groups: Vec<Group>,
}

/// Devices that do the same.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    devices: Devices,
    /// What the names of counted devices begin with.
    #[serde(default)]
    prefix: Option<String>,
    /// Taken in turn.
    #[serde(default)]
    time_zones: Vec<String>,
    #[serde(default)]
    messages: Vec<Telemetry>,
    #[serde(default)]
    reports: Vec<Report>,
    #[serde(default)]
    offline: Vec<Offline>,
    #[serde(default)]
    replies: BTreeMap<String, Answer>,
    /// After this time they report what is desired of their twin.
    #[serde(default)]
    adopts: Option<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "\"devices\" is a number, or a list of names")]
enum Devices {
    Count(u16),
    Names(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Telemetry {
    channel: String,
    #[serde(default)]
    every: Option<Span>,
    #[serde(default)]
    after: Option<Span>,
    #[serde(default)]
    qos: Option<u8>,
    payload: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    twin: Value,
    #[serde(default)]
    every: Option<Span>,
    #[serde(default)]
    after: Option<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Offline {
    after: Span,
    #[serde(rename = "for")]
    lasts: Span,
    #[serde(default)]
    every: Option<Span>,
    #[serde(default)]
    abruptly: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    after: Span,
    #[serde(default)]
    payload: Option<Value>,
}

/// Reads a scenario, or says what is wrong with it and where.
pub(super) fn parse(text: &str) -> Result<Vec<Device>, String> {
    let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if file.groups.is_empty() {
        return Err("groups: there is none".into());
    }
    let (mut devices, mut seen) = (Vec::new(), BTreeSet::new());
    for (number, group) in file.groups.iter().enumerate() {
        let path = format!("groups[{number}]");
        for device in group.devices(file.seed, &path, devices.len())? {
            if !seen.insert(device.id) {
                return Err(format!(
                    "{path}: device {} is there twice: give its group another \"prefix\"",
                    device.id
                ));
            }
            devices.push(device);
        }
    }
    Ok(devices)
}

impl Group {
    /// The devices of the group; `before` stand in groups before it.
    fn devices(&self, seed: u64, path: &str, before: usize) -> Result<Vec<Device>, String> {
        let ids = self.ids(path)?;
        if before + ids.len() > DEVICES_MAX {
            return Err(format!("{path}: there are at most {DEVICES_MAX} devices"));
        }
        for (what, count) in [
            ("messages", self.messages.len()),
            ("reports", self.reports.len()),
            ("offline", self.offline.len()),
            ("replies", self.replies.len()),
        ] {
            if count > ITEMS_MAX {
                return Err(format!("{path}.{what}: at most {ITEMS_MAX}"));
            }
        }
        for (number, zone) in self.time_zones.iter().enumerate() {
            if !calendar::is_zone(zone) {
                return Err(format!(
                    "{path}.time_zones[{number}]: '{zone}' is no time zone of the IANA database: write it as in \
                     Europe/Berlin"
                ));
            }
        }
        let kinds = self.kinds(path)?;
        let windows = self.windows(path)?;
        let replies = self.replies(path)?;
        let device = |(number, id): (usize, DeviceId)| {
            let name = id.to_string();
            let streams = kinds
                .iter()
                .zip(0_u64..)
                .map(|(kind, place)| kind.stream(&name, Random::new(seed, &name, place), number));
            Device {
                id,
                time_zone: self.time_zones.get(number % self.time_zones.len().max(1)).cloned(),
                program: Program::new(streams.collect(), windows.clone(), Arc::clone(&replies))
                    .adopting(self.adopts.map(Span::ms)),
            }
        };
        Ok(ids.into_iter().enumerate().map(device).collect())
    }

    fn ids(&self, path: &str) -> Result<Vec<DeviceId>, String> {
        let parse = |name: &str| DeviceId::parse(name).map_err(|error| format!("{path}: '{name}': {error}"));
        match &self.devices {
            Devices::Count(0) => Err(format!("{path}.devices: at least 1")),
            Devices::Count(count) => {
                let prefix = self.prefix.as_deref().unwrap_or("device");
                (1..=*count).map(|number| parse(&format!("{prefix}-{number}"))).collect()
            }
            Devices::Names(names) if names.is_empty() => Err(format!("{path}.devices: there is no name")),
            Devices::Names(_) if self.prefix.is_some() => {
                Err(format!("{path}.prefix: it goes with a number of devices, not with their names"))
            }
            Devices::Names(names) => names.iter().map(|name| parse(name)).collect(),
        }
    }

    /// What is sent, telemetry first.
    fn kinds(&self, path: &str) -> Result<Vec<Kind>, String> {
        let mut kinds = Vec::with_capacity(self.messages.len() + self.reports.len());
        for (number, message) in self.messages.iter().enumerate() {
            let path = format!("{path}.messages[{number}]");
            let topic = format!("telemetry/{}", message.channel);
            Topic::parse(&format!("devices/d/{topic}"))
                .map_err(|error| format!("{path}.channel: '{}': {error}", message.channel))?;
            let at_least_once = match message.qos {
                None | Some(1) => true,
                Some(0) => false,
                Some(_) => return Err(format!("{path}.qos: it is 0 or 1")),
            };
            let (every, after) = (message.every, message.after);
            kinds.push(Kind::new(topic, at_least_once, &message.payload, every, after, (&path, "payload"))?);
        }
        for (number, report) in self.reports.iter().enumerate() {
            let path = format!("{path}.reports[{number}]");
            if !report.twin.is_object() {
                return Err(format!("{path}.twin: it is an object"));
            }
            let (topic, every, after) = ("twin/reported".into(), report.every, report.after);
            kinds.push(Kind::new(topic, true, &report.twin, every, after, (&path, "twin"))?);
        }
        Ok(kinds)
    }

    fn windows(&self, path: &str) -> Result<Vec<Window>, String> {
        let window = |(number, offline): (usize, &Offline)| {
            let Offline { after, lasts, every, abruptly } = offline;
            if lasts.ms() == 0 {
                return Err(format!("{path}.offline[{number}].for: it must be more than 0"));
            }
            if every.is_some_and(|every| every <= *lasts) {
                return Err(format!("{path}.offline[{number}].every: it must be more than \"for\""));
            }
            Ok(Window {
                from_ms: after.ms(),
                for_ms: lasts.ms(),
                every_ms: every.map(Span::ms),
                is_abrupt: *abruptly,
            })
        };
        self.offline.iter().enumerate().map(window).collect()
    }

    fn replies(&self, path: &str) -> Result<Replies, String> {
        let mut replies = BTreeMap::new();
        for (name, answer) in &self.replies {
            if name != "+" && Topic::parse(&format!("devices/d/commands/{name}")).is_err() {
                return Err(format!("{path}.replies: '{name}' is no name of a command"));
            }
            let payload = answer.payload.as_ref().map(|payload| match payload {
                Value::String(text) => text.clone().into_bytes(),
                other => other.to_string().into_bytes(),
            });
            replies.insert(name.clone(), Reply { after_ms: answer.after.ms(), payload });
        }
        Ok(Arc::new(replies))
    }
}

/// Messages of one kind, before they are a device's.
struct Kind {
    topic: Arc<str>,
    at_least_once: bool,
    template: Arc<Template>,
    every_ms: Option<u64>,
    after_ms: Option<u64>,
}

impl Kind {
    fn new(
        topic: String,
        at_least_once: bool,
        payload: &Value,
        every: Option<Span>,
        after: Option<Span>,
        (path, member): (&str, &str),
    ) -> Result<Self, String> {
        if every.is_some_and(|every| every.ms() < EVERY_MS_MIN) {
            return Err(format!("{path}.every: at least {EVERY_MS_MIN}ms"));
        }
        if payload.to_string().len() > PAYLOAD_BYTES_MAX {
            return Err(format!("{path}.{member}: a payload has at most {PAYLOAD_BYTES_MAX} bytes"));
        }
        let template = Template::parse(payload, &format!("{path}.{member}"))?;
        Ok(Self {
            topic: topic.into(),
            at_least_once,
            template: Arc::new(template),
            every_ms: every.map(Span::ms),
            after_ms: after.map(Span::ms),
        })
    }

    /// The messages of the device with this number in its group. Devices begin at different moments, spread over one pause.
    fn stream(&self, device: &str, random: Random, number: usize) -> Stream {
        let share = u64::try_from(number * 37 % 100).unwrap_or_default();
        let spread = self.every_ms.unwrap_or_default() * share / 100;
        Stream {
            topic: Arc::clone(&self.topic),
            at_least_once: self.at_least_once,
            generator: Generator::new(Arc::clone(&self.template), random, device),
            next_ms: Some(self.after_ms.unwrap_or(spread)),
            every_ms: self.every_ms,
        }
    }
}

#[cfg(test)]
mod tests;
