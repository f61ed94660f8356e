//! An event of every kind.

use fleetfn_core::event::{EventParts, Firing, Origin, Purpose};
use fleetfn_core::{Entity, Event, EventKind, Offset, PartitionId};
use fleetfn_protocol::FunctionName;

/// An event about an entity; those kinds that have an origin come from `source`.
pub(crate) fn event(entity: &str, kind: EventKind<'_>, source: &str, payload: &[u8]) -> Event {
    let origin = Origin {
        cause: Offset(3),
        function: FunctionName::parse("f").expect("a name"),
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

/// A timer of device `d-1` that was set with the payload `set`.
pub(crate) fn firing(purpose: Purpose<'_>) -> Event {
    let firing = Firing { next_ms: 0, purpose: purpose.to_bytes(), payload: b"set"[..].into() };
    event("devices/d-1", EventKind::TimerFired, "", &firing.encode())
}

/// An event by the word that names its kind in a case.
pub(crate) fn of(word: &str) -> Event {
    let device = "devices/d-1";
    match word {
        "telemetry" => event(device, EventKind::Telemetry { channel: "climate" }, "", b"31.5"),
        "request" => event("hooks", EventKind::Request { path: "hooks/a" }, "POST", b"body"),
        "message" => event("site/berlin", EventKind::Message { name: "reading" }, "devices/d-7", b"31.5"),
        "timer" => firing(Purpose::Named("check")),
        _ => unreachable!("no event '{word}'"),
    }
}
