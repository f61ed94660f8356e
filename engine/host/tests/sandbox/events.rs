//! Events of any kind.

use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::{Entity, Event, EventKind, Offset, PartitionId};
use fleetfn_protocol::FunctionName;

/// An event about an entity; those kinds that have an origin come from `source`.
pub(crate) fn event(entity: &str, kind: EventKind<'_>, source: &str, payload: &[u8]) -> Event {
    told("f", entity, kind, source, payload)
}

/// The same of another function.
pub(crate) fn told(function: &str, entity: &str, kind: EventKind<'_>, source: &str, payload: &[u8]) -> Event {
    let origin = Origin {
        cause: Offset(3),
        function: FunctionName::parse(function).expect("a name"),
        partition: PartitionId(0),
        sequence: 1,
        hops: 1,
        source,
    };
    let parts = EventParts {
        entity: Entity::parse(entity).expect("an entity"),
        kind,
        received_at_ms: 1_700_000_000_000,
        expiry_s: 0,
        message_id: "",
        origin: kind.has_origin().then_some(origin),
        payload,
    };
    Event::decode(parts.encode().expect("fits")).expect("an event")
}
