//! A group of the scenario file: devices that do the same.

use super::Device;
use super::kind::{Cadence, Kind};
use super::program::{DeviceClock, Epoch, Program, Replies, Reply, Window};
use super::span::Span;
use super::updates::Updates;
use crate::calendar;
use fleetfn_device::mqtt::Qos;
use fleetfn_device::simulation::{Link, Random};
use fleetfn_protocol::limits::PACKET_BYTES_MAX;
use fleetfn_protocol::{ClassId, DeviceId, ProductId, Topic};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Messages, reports, absences and replies of one group, each: a device has fewer.
const ITEMS_MAX: usize = 64;

/// Longest round trip, in milliseconds: half of what a server waits for CONNECT.
const ROUND_TRIP_MS_MAX: u32 = 2_500;

/// Shortest receive buffer: CONNECT with the longest name and a token fits.
const RECEIVE_BYTES_MIN: usize = 256;

/// Tells the chance of a device's fate from that of its messages.
const FATES: u64 = u64::MAX;

/// Length of the longest payload of a device of which nothing is said.
const PAYLOAD_BYTES_DEFAULT: usize = 128;

/// Devices that do the same.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) devices: Devices,
    /// What the names of counted devices begin with.
    #[serde(default)]
    prefix: Option<String>,
    /// What they are one of.
    #[serde(default)]
    product: Option<String>,
    /// On which hardware they run.
    #[serde(default)]
    class: Option<String>,
    /// The longest packet that they take.
    #[serde(default)]
    receive_bytes: Option<usize>,
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
    #[serde(default)]
    link: Option<SlowLink>,
    #[serde(default)]
    clock: Option<WrongClock>,
    #[serde(default)]
    updates: Option<Updates>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlowLink {
    #[serde(default)]
    bytes_per_s: Option<u32>,
    #[serde(default)]
    round_trip: Span,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrongClock {
    /// Each device is by chance ahead or behind by this at most.
    skew: Span,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "\"devices\" is a number, or a list of names")]
pub(super) enum Devices {
    Count(u32),
    Names(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Telemetry {
    channel: String,
    #[serde(default)]
    every: Option<Span>,
    #[serde(default)]
    jitter: Option<Span>,
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
    jitter: Option<Span>,
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

impl Group {
    /// The devices of the group, `count` of them.
    pub(super) fn devices(
        &self,
        seed: u64,
        epoch: &Epoch,
        path: &str,
        count: usize,
    ) -> Result<Vec<Device>, String> {
        let ids = self.ids(path, count)?;
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
        let product = self.product.as_deref().map(ProductId::parse).transpose();
        let product = product.map_err(|error| format!("{path}.product: {error}"))?;
        let class = self.class.as_deref().map(ClassId::parse).transpose();
        let class = class.map_err(|error| format!("{path}.class: {error}"))?;
        let receives = RECEIVE_BYTES_MIN..=PACKET_BYTES_MAX;
        if self.receive_bytes.is_some_and(|bytes| !receives.contains(&bytes)) {
            let (least, most) = receives.into_inner();
            return Err(format!("{path}.receive_bytes: from {least} to {most}"));
        }
        let link = self.link(path)?;
        let updates = self.updates.as_ref().map(|updates| updates.check(path)).transpose()?;
        let longest = kinds.iter().map(|kind| kind.payload_bytes).max();
        let zones: Vec<Arc<str>> = self.time_zones.iter().map(|zone| zone.as_str().into()).collect();
        let device = |(number, id): (usize, DeviceId)| {
            let name: Arc<str> = id.as_str().into();
            let mut random = Random::new(seed, &name, FATES);
            let clock = DeviceClock { epoch: epoch.clone(), ahead_ms: self.ahead_ms(&mut random) };
            let update = updates.as_ref().map(|updates| updates.of_a_device(&mut random));
            let streams =
                kinds.iter().zip(0_u64..).map(|(kind, place)| kind.stream(&name, number, seed, place));
            Device {
                id,
                time_zone: zones.get(number % zones.len().max(1)).cloned(),
                product,
                class,
                receive_bytes: self.receive_bytes,
                program: Program::new(streams.collect(), windows.clone(), Arc::clone(&replies))
                    .adopting(self.adopts.map(Span::ms))
                    .with_clock(clock),
                link,
                update,
                payload_bytes: longest.unwrap_or_default().max(PAYLOAD_BYTES_DEFAULT),
            }
        };
        Ok(ids.into_iter().enumerate().map(device).collect())
    }

    fn link(&self, path: &str) -> Result<Link, String> {
        let Some(SlowLink { bytes_per_s, round_trip }) = &self.link else { return Ok(Link::FAST) };
        if *bytes_per_s == Some(0) {
            return Err(format!("{path}.link.bytes_per_s: it must be more than 0"));
        }
        let round_trip_ms = u32::try_from(round_trip.ms()).ok().filter(|ms| *ms <= ROUND_TRIP_MS_MAX);
        let round_trip_ms =
            round_trip_ms.ok_or_else(|| format!("{path}.link.round_trip: at most {ROUND_TRIP_MS_MAX}ms"))?;
        Ok(Link { bytes_per_s: bytes_per_s.unwrap_or_default(), round_trip_ms })
    }

    /// By how much the clock of a device is ahead.
    fn ahead_ms(&self, random: &mut Random) -> i64 {
        let Some(WrongClock { skew }) = &self.clock else { return 0 };
        let most = i64::try_from(skew.ms()).unwrap_or(i64::MAX / 4);
        let part = random.below(skew.ms().saturating_mul(2).saturating_add(1));
        i64::try_from(part).unwrap_or_default().saturating_sub(most)
    }

    fn ids(&self, path: &str, count: usize) -> Result<Vec<DeviceId>, String> {
        let parse = |name: &str| DeviceId::parse(name).map_err(|error| format!("{path}: '{name}': {error}"));
        match &self.devices {
            Devices::Count(0) => Err(format!("{path}.devices: at least 1")),
            Devices::Count(_) => {
                let prefix = self.prefix.as_deref().unwrap_or("device");
                (1..=count).map(|number| parse(&format!("{prefix}-{number}"))).collect()
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
            let qos = match message.qos {
                None | Some(1) => Qos::AtLeastOnce,
                Some(0) => Qos::AtMostOnce,
                Some(_) => return Err(format!("{path}.qos: it is 0 or 1")),
            };
            let cadence = Cadence { every: message.every, jitter: message.jitter, after: message.after };
            kinds.push(Kind::new(topic, qos, &message.payload, cadence, (&path, "payload"))?);
        }
        for (number, report) in self.reports.iter().enumerate() {
            let path = format!("{path}.reports[{number}]");
            if !report.twin.is_object() {
                return Err(format!("{path}.twin: it is an object"));
            }
            let cadence = Cadence { every: report.every, jitter: report.jitter, after: report.after };
            let topic = "twin/reported".into();
            kinds.push(Kind::new(topic, Qos::AtLeastOnce, &report.twin, cadence, (&path, "twin"))?);
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
