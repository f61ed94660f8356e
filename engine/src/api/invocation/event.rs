//! Events as JSON.

use crate::api::blob::Blob;
use fleetfn_core::event::Purpose;
use fleetfn_core::partition::{BACKFILL, WAITED};
use fleetfn_core::{Entity, Event, EventKind, Given, Offset};
use fleetfn_protocol::Topic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The event of an invocation. Of one that is handled again it is the event that was to be handled then.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct EventView {
    /// Its place in the log.
    pub(crate) offset: u64,
    /// What it is about.
    pub(crate) entity: String,
    /// `telemetry`, `message`, `timer`, ...; absent, with all that follows, if the log has forgotten the event.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) kind: Option<String>,
    /// The name in it: channel, command, message, timer, path, topic, or why a device went.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) detail: String,
    /// The topic on which it came, if it came on one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) topic: Option<String>,
    /// When it was admitted, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) received_at_ms: Option<u64>,
    /// By which its sender knows it.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) message_id: String,
    /// Where it comes from, if it is of the engine's own making.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) origin: Option<OriginView>,
    /// Why it is handled again: `dead-letter`, `waited` or `backfill`; absent if it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) again: Option<String>,
    /// Where the event stands that is handled again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) first_offset: Option<u64>,
    /// What was published.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) payload: Option<Blob>,
}

/// Where an event comes from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct OriginView {
    /// The function that asked for it, or that it is for.
    pub(crate) function: String,
    /// Offset of the event that led to it; absent if none did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) cause: Option<u64>,
    /// How many messages led to it.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub(crate) hops: u8,
    /// Who sent it, the method, or the status that came of it.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) source: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl EventView {
    /// Of an event of which the log has only kept what came of it.
    pub(crate) fn forgotten(offset: Offset, entity: &[u8]) -> Self {
        let entity = Entity::from_canonical(entity);
        Self {
            offset: offset.0,
            entity: entity.map(|entity| entity.to_string()).unwrap_or_default(),
            kind: None,
            detail: String::new(),
            topic: None,
            received_at_ms: None,
            message_id: String::new(),
            origin: None,
            again: None,
            first_offset: None,
            payload: None,
        }
    }

    /// Of what stands in the log at `offset`.
    pub(crate) fn of(offset: Offset, given: &Given) -> Self {
        let Given { logged, event } = given;
        let redrive = logged.origin().filter(|_| matches!(logged.kind(), EventKind::Redrive));
        let again = redrive.map(|origin| match origin.sequence {
            WAITED => "waited",
            BACKFILL => "backfill",
            _ => "dead-letter",
        });
        Self {
            again: again.map(Into::into),
            first_offset: redrive.map(|origin| origin.cause.0),
            ..Self::plain(offset, event)
        }
    }

    /// Of one event as it is.
    pub(crate) fn plain(offset: Offset, event: &Event) -> Self {
        let origin = event.origin().filter(|_| event.kind().has_origin());
        let origin = origin.map(|origin| OriginView {
            function: origin.function.to_string(),
            cause: Some(origin.cause.0).filter(|cause| *cause != u64::MAX),
            hops: origin.hops,
            source: origin.source.into(),
        });
        let firing = event.firing();
        let payload = firing.as_ref().map_or_else(|| event.payload(), |firing| firing.payload.clone());
        let purpose = firing.as_ref().and_then(|firing| Purpose::from_bytes(&firing.purpose));
        Self {
            offset: offset.0,
            entity: event.entity().to_string(),
            kind: Some(event.kind().word().into()),
            detail: purpose.map_or_else(|| event.kind().detail().into(), purpose_in_words),
            topic: topic(event),
            received_at_ms: Some(event.received_at_ms()),
            message_id: event.message_id().into(),
            origin,
            again: None,
            first_offset: None,
            payload: Some(Blob::new(&payload)),
        }
    }
}

/// Which timer, in words.
fn purpose_in_words(purpose: Purpose<'_>) -> String {
    match purpose {
        Purpose::Named(name) => name.into(),
        Purpose::Cron(expression) => format!("cron {expression}"),
        Purpose::Quiet(for_s, filter) => format!("quiet {filter} for {for_s} s"),
        Purpose::Reply(name) => format!("no reply to {name}"),
        Purpose::Expiry(key) => format!("state {} has expired", Blob::new(key)),
        Purpose::Send(offset, index) => format!("delayed message {offset}.{index}"),
    }
}

/// The topic on which an event came.
fn topic(event: &Event) -> Option<String> {
    let on = |topic: Topic<'_>| Some(topic.to_string());
    match (event.kind(), event.device()) {
        (EventKind::Telemetry { channel }, Some(device)) => on(Topic::Telemetry { device, channel }),
        (EventKind::TwinReported, Some(device)) => on(Topic::TwinReported { device }),
        (EventKind::CommandReply { name }, Some(device)) => on(Topic::CommandReply { device, name }),
        (EventKind::UpdateStatus, Some(device)) => on(Topic::UpdateStatus { device }),
        (EventKind::Shared { topic }, _) => on(Topic::Shared(topic)),
        _ => None,
    }
}
