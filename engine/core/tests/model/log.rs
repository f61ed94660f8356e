//! The one log of the model: events of two partitions, commits, and operators' acts, in the order of their offsets.

use crate::handler::ENTITIES;
use crate::step::{Line, Record};
use bytes::Bytes;
use fleetfn_core::commit::{Request, Send};
use fleetfn_core::deployment::{Backfill, Canary, Deployment, Manifest, ModuleHash, Per, Trigger, Version};
use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::{Commit, Entity, Event, EventKind, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};

/// How many partitions there are.
pub(crate) const PARTITIONS: usize = 2;

/// A record.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Event(Event),
    Deploy(FunctionName, Option<Line>),
    /// Hours, in seconds, by which the time zone of a device is ahead.
    Zone(DeviceId, u8),
    /// Fuel that a function may burn in a second.
    Budget(FunctionName, Option<u64>),
    Commit(Commit),
}

pub(crate) fn function(number: u8) -> FunctionName {
    FunctionName::parse(&format!("f{number}")).expect("a name")
}

pub(crate) fn module(version: u8) -> ModuleHash {
    ModuleHash([version; 32])
}

pub(crate) fn device(number: u8) -> DeviceId {
    DeviceId::parse(&format!("d{number}")).expect("a name")
}

/// The partition of an entity: the first two devices share one.
pub(crate) fn place(entity: &[u8]) -> usize {
    let number = ENTITIES.iter().position(|one| one.as_bytes() == entity).expect("one of the model's");
    number / 2
}

pub(crate) fn partition(place: usize) -> PartitionId {
    PartitionId(u16::try_from(place).expect("two"))
}

fn version(name: FunctionName, version: u8) -> Version {
    let any = || "#".to_string();
    let triggers = vec![
        Trigger::Telemetry { filter: any(), schema: None },
        Trigger::Timer { filter: any() },
        Trigger::Message { filter: any() },
        Trigger::Reply { filter: any() },
        Trigger::Twin,
        Trigger::Quiet { filter: any(), for_s: QUIET_S },
    ];
    let cron = Trigger::Cron { expression: EXPRESSION.into(), per: Per::Device };
    let triggers = triggers.into_iter().chain(has_cron(version).then_some(cron)).collect();
    Version {
        hash: module(version),
        manifest: Manifest { triggers, ..Manifest::new(name) },
        deployed_at_ms: 0,
    }
}

/// Place of each trigger in the manifest of every version.
pub(crate) const TELEMETRY: u16 = 0;
pub(crate) const TIMER: u16 = 1;
pub(crate) const MESSAGE: u16 = 2;
pub(crate) const REPLY: u16 = 3;
pub(crate) const TWIN: u16 = 4;
pub(crate) const QUIET: u16 = 5;
pub(crate) const CRON: u16 = 6;

/// What stands in the `cron` trigger of those versions that have one.
pub(crate) const EXPRESSION: &str = "every other second";

/// Whether a version has a `cron` trigger.
pub(crate) fn has_cron(version: u8) -> bool {
    version >= 3
}

/// When the calendar of a device has the next time after one.
pub(crate) fn next_ms(zone: u8, after_ms: u64) -> u64 {
    let ahead_ms = u64::from(zone) * 1_000;
    ((after_ms + ahead_ms) / 2_000 + 1) * 2_000 - ahead_ms
}

/// Seconds after which silence is told.
pub(crate) const QUIET_S: u32 = 3;

/// How many of a hundred entities a canary of the model gets.
pub(crate) const CANARY_PERCENT: u8 = 50;

/// A line as the engine knows it. A dark version begins with the act.
pub(crate) fn deployment(name: FunctionName, line: &Line, at: Offset) -> Deployment {
    Deployment {
        live: Some(version(name, line.live)),
        canary: line.canary.map(|canary| Canary { version: version(name, canary), percent: CANARY_PERCENT }),
        dark: line.dark.map(|dark| version(name, dark)),
        dark_since: at,
        paused: line.paused.then(|| "for now".to_string()),
        backfill: line.backfill.map(|from| Backfill { from: Offset(u64::from(from)), until: at }),
        ..Deployment::default()
    }
}

fn encode(
    entity: Entity<'_>,
    kind: EventKind<'_>,
    received_at_ms: u64,
    message_id: &str,
    origin: Option<Origin<'_>>,
    payload: &[u8],
) -> Event {
    let parts = EventParts { entity, kind, received_at_ms, expiry_s: 1, message_id, origin, payload };
    Event::decode(parts.encode().expect("fits")).expect("decodes")
}

/// The event of a record, if it is one of a device or an operator.
pub(crate) fn event(record: &Record, now_ms: u64) -> Option<Event> {
    let of = |number: u8| Entity::Device(device(number));
    let text = |value: Option<u8>| value.map(|value| value.to_string()).unwrap_or_default();
    Some(match record {
        Record::Reading { device, id, script } => {
            let kind = EventKind::Telemetry { channel: "t" };
            encode(of(*device), kind, now_ms, &text(*id), None, script)
        }
        Record::Reply { device, script } => {
            encode(of(*device), EventKind::CommandReply { name: "c" }, now_ms, "", None, script)
        }
        Record::Report { device, value } => {
            let payload = match value % 4 {
                0 => "[1]".to_string(),
                part => format!(r#"{{"r{part}":{}}}"#, value % 5),
            };
            encode(of(*device), EventKind::TwinReported, now_ms, "", None, payload.as_bytes())
        }
        Record::Desire { device, expected, value } => {
            let expected = text(*expected);
            let payload = format!(r#"{{"r1":{value}}}"#);
            let kind = EventKind::TwinRequested { expected: &expected };
            encode(of(*device), kind, now_ms, "", None, payload.as_bytes())
        }
        Record::Command { device, id } => {
            let kind = EventKind::CommandRequested { name: "c" };
            encode(of(*device), kind, now_ms, &text(*id), None, b"asked")
        }
        Record::Deploy { .. }
        | Record::Remove { .. }
        | Record::Budget { .. }
        | Record::Redrive { .. }
        | Record::Zone { .. } => return None,
    })
}

/// A message as an event of its receiver.
pub(crate) fn message(from: PartitionId, sequence: u64, send: &Send, now_ms: u64) -> Event {
    let source = Entity::from_canonical(&send.from).expect("an entity").to_string();
    let origin = Origin {
        cause: Offset(send.effect.offset),
        function: send.effect.function,
        partition: from,
        sequence,
        hops: send.hops,
        source: &source,
    };
    let entity = Entity::from_canonical(&send.to).expect("an entity");
    let name = std::str::from_utf8(&send.name).expect("a name");
    let id = send.effect.to_string();
    encode(entity, EventKind::Message { name }, now_ms, &id, Some(origin), &send.payload)
}

/// The answer to an HTTP request: the request itself.
pub(crate) fn response(effect: &EffectId, request: &Request, now_ms: u64) -> Event {
    let origin = Origin {
        cause: Offset(effect.offset),
        function: effect.function,
        partition: PartitionId(0),
        sequence: u64::from(effect.index),
        hops: 0,
        source: "200",
    };
    let entity = Entity::from_canonical(&request.entity).expect("an entity");
    let name = format!("response/{}", std::str::from_utf8(&request.tag).expect("a tag"));
    encode(entity, EventKind::Response { name: &name }, now_ms, "", Some(origin), &request.request)
}

/// An event once more, for one function.
pub(crate) fn again(
    function: FunctionName,
    cause: Offset,
    sequence: u64,
    record: Bytes,
    now_ms: u64,
) -> Event {
    let first = Event::decode(record).expect("an event");
    let origin = Origin { cause, function, partition: PartitionId(0), sequence, hops: 0, source: "" };
    encode(first.entity(), EventKind::Redrive, now_ms, "", Some(origin), first.bytes())
}
