//! The event as the guest reads it: header, entity, detail, payload, source.

use crate::failure::Failure;
use crate::host::Call;
use bytes::Bytes;
use fleetfn_abi::{EventCode, EventHeader};
use fleetfn_core::builtin::Builtin;
use fleetfn_core::event::{Firing, Purpose};
use fleetfn_core::update::{NEWS, QUESTION};
use fleetfn_core::{Event, EventKind, Offset};
use fleetfn_protocol::FunctionName;

/// An event in the words of the interface.
pub(crate) struct Told<'a> {
    pub(crate) code: EventCode,
    pub(crate) detail: &'a str,
    pub(crate) source: &'a str,
    pub(crate) payload: Bytes,
}

/// Writes an event into the guest's buffer; its length.
pub(crate) fn write(buffer: &mut [u8], call: &Call<'_>) -> Result<u32, Failure> {
    let firing = call.event.firing();
    let Told { code, detail, source, payload } = tell(call.event, firing.as_ref())?;
    let entity = call.event.entity();
    let name = entity.name();
    let event_bytes = EventHeader::BYTES + name.len() + detail.len() + payload.len() + source.len();
    let capacity = buffer.len();
    let too_large = || Failure::Buffer { event_bytes, capacity };
    let (Ok(entity_len), Ok(detail_len), Ok(payload_len), Ok(length)) = (
        u16::try_from(name.len()),
        u16::try_from(detail.len()),
        u32::try_from(payload.len()),
        u32::try_from(event_bytes),
    ) else {
        return Err(too_large());
    };
    let Some(mut room) = buffer.get_mut(..event_bytes) else {
        return Err(too_large());
    };
    let header = EventHeader {
        code: code as u16,
        entity_len,
        detail_len,
        trigger: call.trigger,
        payload_len,
        offset: call.offset.0,
        received_at_ms: call.event.received_at_ms(),
        is_device: call.event.device().is_some(),
        seed: seed(call.offset, call.function),
    };
    let parts = [&header.to_bytes()[..], name.as_bytes(), detail.as_bytes(), &payload, source.as_bytes()];
    for part in parts {
        let (now, later) = room.split_at_mut(part.len());
        now.copy_from_slice(part);
        room = later;
    }
    Ok(length)
}

/// Which words an event has for a guest; an error for events that are none of a function's business.
pub(crate) fn tell<'a>(event: &'a Event, firing: Option<&'a Firing>) -> Result<Told<'a>, Failure> {
    let origin = || event.origin().map_or("", |origin| origin.source);
    let (code, detail, source) = match event.kind() {
        EventKind::Telemetry { channel } => (EventCode::Telemetry, channel, ""),
        EventKind::Connected => (EventCode::Presence, "connected", ""),
        EventKind::Disconnected { reason } => (EventCode::Presence, "disconnected", reason),
        EventKind::TwinReported => (EventCode::Twin, "", ""),
        EventKind::CommandReply { name } => (EventCode::Reply, name, "device"),
        EventKind::Message { name } => (message_code(event, name), name, origin()),
        EventKind::Response { name } => (EventCode::Response, name, origin()),
        EventKind::Request { path } => (EventCode::Http, path, origin()),
        EventKind::TimerFired => return tell_timer(firing.ok_or(Failure::EventKind)?),
        // Unwrapped before it comes here, or for the engine alone.
        EventKind::Redrive
        | EventKind::UpdateStatus
        | EventKind::CommandRequested { .. }
        | EventKind::TwinRequested { .. }
        | EventKind::UpdateRequested
        | EventKind::UpdateUndelivered
        | EventKind::Shared { .. } => return Err(Failure::EventKind),
    };
    Ok(Told { code, detail, source, payload: event.payload() })
}

/// Messages of the engine's own functions are events of their own.
fn message_code(event: &Event, name: &str) -> EventCode {
    let sender = event.origin().map(|origin| origin.function);
    let is_of = |builtin: Builtin| sender.is_some_and(|sender| sender.as_str() == builtin.name());
    match name {
        QUESTION if is_of(Builtin::Update) => EventCode::UpdateOffer,
        NEWS if is_of(Builtin::Update) => EventCode::UpdateReport,
        _ if is_of(Builtin::Rollout) => EventCode::Gate,
        _ => EventCode::Message,
    }
}

fn tell_timer(firing: &Firing) -> Result<Told<'_>, Failure> {
    let without = |code, detail, source| Told { code, detail, source, payload: Bytes::new() };
    match Purpose::from_bytes(&firing.purpose) {
        Some(Purpose::Named(name)) => {
            let payload = firing.payload.clone();
            Ok(Told { code: EventCode::Timer, detail: name, source: "", payload })
        }
        Some(Purpose::Cron(expression)) => Ok(without(EventCode::Cron, expression, "")),
        Some(Purpose::Quiet(..)) => Ok(without(EventCode::Quiet, "quiet", "")),
        Some(Purpose::Reply(name)) => Ok(without(EventCode::Reply, name, "timeout")),
        // The engine's own.
        Some(Purpose::Expiry(_) | Purpose::Send(..)) | None => Err(Failure::EventKind),
    }
}

/// The seed of an event for a function: FNV-1a of the name, then the finalizer of splitmix64 over name and offset.
/// Handlers' results depend on it: it never changes.
pub(crate) fn seed(offset: Offset, function: FunctionName) -> u64 {
    let name = function.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut mixed = name ^ offset.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_never_changes_and_tells_neighbours_apart() {
        let climate = FunctionName::parse("climate").expect("a name");
        let other = FunctionName::parse("geofence").expect("a name");
        assert_ne!(seed(Offset(7), climate), seed(Offset(8), climate));
        assert_ne!(seed(Offset(7), climate), seed(Offset(7), other));
        assert_eq!(seed(Offset(7), climate), 1_415_219_017_846_998_358);
    }
}
