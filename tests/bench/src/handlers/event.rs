//! The reading that every contender handles.

use anyhow::Result;
use fleetfn_abi::EventHeader;
use fleetfn_core::event::EventParts;
use fleetfn_core::{Entity, Event, EventKind};
use fleetfn_protocol::DeviceId;

/// The device that publishes it.
pub(super) const DEVICE: &str = "lamp-7";

const CHANNEL: &str = "climate";

/// As it stands in the log.
pub(super) fn reading(payload: &[u8]) -> Result<Event> {
    let parts = EventParts {
        entity: Entity::Device(DeviceId::parse(DEVICE)?),
        kind: EventKind::Telemetry { channel: CHANNEL },
        received_at_ms: 1_700_000_000_000,
        expiry_s: 0,
        message_id: "",
        origin: None,
        payload,
    };
    Ok(Event::decode(parts.encode()?)?)
}

/// As a guest gets it.
pub(super) fn encoded(payload: &[u8], offset: u64, into: &mut Vec<u8>) -> Result<()> {
    let header = EventHeader {
        code: 1,
        entity_len: u16::try_from(DEVICE.len())?,
        detail_len: u16::try_from(CHANNEL.len())?,
        trigger: 0,
        payload_len: u32::try_from(payload.len())?,
        offset,
        received_at_ms: 1_700_000_000_000,
        is_device: true,
        seed: offset,
    };
    into.clear();
    into.extend_from_slice(&header.to_bytes());
    for part in [DEVICE.as_bytes(), CHANNEL.as_bytes(), payload] {
        into.extend_from_slice(part);
    }
    Ok(())
}
