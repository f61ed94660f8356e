//! A step of a case as the event that the engine would have made of it.

use super::case::Step;
use super::value::bytes;
use bytes::Bytes;
use fleetfn_core::builtin::Builtin;
use fleetfn_core::deployment::{Manifest, Trigger};
use fleetfn_core::event::{EventParts, Firing, Origin, Purpose};
use fleetfn_core::rollout::GATE_PREFIX;
use fleetfn_core::update::{NEWS, QUESTION};
use fleetfn_core::{Entity, Event, EventKind, Offset, PartitionId};
use fleetfn_protocol::FunctionName;
use serde_json::Value;

/// Where and when an event happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// What it is about.
    pub(super) entity: Entity<'a>,
    /// Its place in the log.
    pub(super) offset: Offset,
    /// In milliseconds since 1970.
    pub(super) received_at_ms: u64,
}

/// What a step is called in messages: `telemetry climate`.
pub(super) fn title(step: &Step) -> String {
    let (word, name) = match kind(step) {
        Ok(Kind::Telemetry(name)) => ("telemetry", name),
        Ok(Kind::Presence(name)) => ("presence", name),
        Ok(Kind::Quiet(name)) => ("quiet", name),
        Ok(Kind::Twin(_)) => ("twin", ""),
        Ok(Kind::Timer(name)) => ("timer", name),
        Ok(Kind::Cron(name)) => ("cron", name),
        Ok(Kind::Message(name)) => ("message", name),
        Ok(Kind::Reply(name)) => ("reply", name),
        Ok(Kind::Http(name)) => ("http", name),
        Ok(Kind::Response(name)) => ("response", name),
        Err(_) => ("event", ""),
    };
    format!("{word} {name}").trim_end().into()
}

/// The event, or why there is none.
pub(super) fn event(step: &Step, manifest: &Manifest, place: Place<'_>) -> Result<Event, String> {
    let payload = step.payload.as_ref().map(bytes).transpose()?.unwrap_or_default();
    let source = step.source.as_deref();
    let from = |default: &'static str| Origin {
        cause: Offset(0),
        function: manifest.name,
        partition: PartitionId(0),
        sequence: place.offset.0,
        hops: 1,
        source: source.unwrap_or(default),
    };
    let due =
        |purpose: Purpose<'_>| Firing { next_ms: 0, purpose: purpose.to_bytes(), payload: payload.clone() };
    let fired = |purpose| Made {
        kind: EventKind::TimerFired,
        origin: Some(from("")),
        payload: due(purpose).encode().into(),
    };
    let plain = |kind| Made { kind, origin: None, payload: payload.clone() };
    let response;
    let made = match kind(step)? {
        Kind::Telemetry(channel) => plain(EventKind::Telemetry { channel }),
        Kind::Presence("connected") => plain(EventKind::Connected),
        Kind::Presence("disconnected") => {
            plain(EventKind::Disconnected { reason: source.unwrap_or("client disconnected") })
        }
        Kind::Presence(other) => return Err(format!("'{other}' is neither connected nor disconnected")),
        Kind::Quiet(filter) => fired(Purpose::Quiet(quiet_for_s(manifest, filter)?, filter)),
        Kind::Twin(report) => Made {
            kind: EventKind::TwinReported,
            origin: None,
            payload: Bytes::from(Value::Object(report.clone()).to_string()),
        },
        Kind::Timer(name) => fired(Purpose::Named(name)),
        Kind::Cron(expression) => fired(Purpose::Cron(expression)),
        Kind::Message(name) => Made {
            kind: EventKind::Message { name },
            origin: Some(Origin {
                function: sender(name).unwrap_or(manifest.name),
                ..from(if name.starts_with(GATE_PREFIX) { "rollout/test" } else { "functions/test" })
            }),
            payload: payload.clone(),
        },
        Kind::Reply(name) => match source {
            None | Some("device") => plain(EventKind::CommandReply { name }),
            Some("timeout") => fired(Purpose::Reply(name)),
            Some(other) => return Err(format!("the source '{other}' is neither device nor timeout")),
        },
        Kind::Http(path) => {
            Made { kind: EventKind::Request { path }, origin: Some(from("POST")), payload: payload.clone() }
        }
        Kind::Response(tag) => {
            response = format!("response/{tag}");
            Made {
                kind: EventKind::Response { name: &response },
                origin: Some(from("200")),
                payload: payload.clone(),
            }
        }
    };
    let parts = EventParts {
        entity: place.entity,
        kind: made.kind,
        received_at_ms: place.received_at_ms,
        expiry_s: 0,
        message_id: "",
        origin: made.origin,
        payload: &made.payload,
    };
    let encoded = parts.encode().map_err(|error| error.to_string())?;
    Event::decode(encoded).map_err(|error| error.to_string())
}

struct Made<'a> {
    kind: EventKind<'a>,
    origin: Option<Origin<'a>>,
    payload: Bytes,
}

/// Which kind of event a step is.
enum Kind<'a> {
    Telemetry(&'a str),
    Presence(&'a str),
    Quiet(&'a str),
    Twin(&'a serde_json::Map<String, Value>),
    Timer(&'a str),
    Cron(&'a str),
    Message(&'a str),
    Reply(&'a str),
    Http(&'a str),
    Response(&'a str),
}

fn kind(step: &Step) -> Result<Kind<'_>, String> {
    let kinds = [
        step.telemetry.as_deref().map(Kind::Telemetry),
        step.presence.as_deref().map(Kind::Presence),
        step.quiet.as_deref().map(Kind::Quiet),
        step.twin.as_ref().map(Kind::Twin),
        step.timer.as_deref().map(Kind::Timer),
        step.cron.as_deref().map(Kind::Cron),
        step.message.as_deref().map(Kind::Message),
        step.reply.as_deref().map(Kind::Reply),
        step.http.as_deref().map(Kind::Http),
        step.response.as_deref().map(Kind::Response),
    ];
    let mut kinds = kinds.into_iter().flatten();
    match (kinds.next(), kinds.next()) {
        (Some(kind), None) => Ok(kind),
        (None, _) => {
            Err("it does not say what happens: \"telemetry\", \"presence\", \"quiet\", \"twin\", \"timer\", \
                          \"cron\", \"message\", \"reply\", \"http\" or \"response\""
                .into())
        }
        (Some(_), Some(_)) => Err("it says twice what happens".into()),
    }
}

/// The function of the engine's own that sends a message of this name, if one does.
fn sender(name: &str) -> Option<FunctionName> {
    let builtin = match name {
        QUESTION | NEWS => Builtin::Update,
        _ if name.starts_with(GATE_PREFIX) => Builtin::Rollout,
        _ => return None,
    };
    FunctionName::parse(builtin.name()).ok()
}

/// The seconds of the `quiet` trigger of a filter.
fn quiet_for_s(manifest: &Manifest, wanted: &str) -> Result<u32, String> {
    let is_it = |trigger: &Trigger| match trigger {
        Trigger::Quiet { filter, for_s } if filter == wanted => Some(*for_s),
        _ => None,
    };
    manifest
        .triggers
        .iter()
        .find_map(is_it)
        .ok_or_else(|| format!("the manifest has no trigger {{\"quiet\": \"{wanted}\"}}"))
}
