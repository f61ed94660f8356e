//! The event as the guest reads it: header, device id, detail, payload.

use crate::failure::Failure;
use crate::host::Call;
use fleetfn_abi::{EventCode, EventHeader};
use fleetfn_core::EventKind;
use fleetfn_core::Offset;
use fleetfn_protocol::{DeviceId, FunctionName};

/// Writes an event into the guest's buffer; its length.
pub(crate) fn write(buffer: &mut [u8], call: &Call<'_>) -> Result<u32, Failure> {
    let (code, detail) = match call.event.kind() {
        EventKind::Telemetry { channel } => (EventCode::Telemetry, channel),
        EventKind::TwinReported
        | EventKind::CommandReply { .. }
        | EventKind::UpdateStatus
        | EventKind::Connected
        | EventKind::Disconnected { .. }
        | EventKind::CommandRequested { .. }
        | EventKind::Shared { .. } => return Err(Failure::EventKind),
    };
    let device = call.event.device();
    let device = device.as_ref().map_or("", DeviceId::as_str);
    let payload = call.event.payload();
    let event_bytes = EventHeader::BYTES + device.len() + detail.len() + payload.len();
    let capacity = buffer.len();
    let too_large = || Failure::Buffer { event_bytes, capacity };
    let (Ok(device_len), Ok(detail_len), Ok(payload_len), Ok(length)) = (
        u16::try_from(device.len()),
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
        device_len,
        detail_len,
        trigger: call.trigger,
        payload_len,
        offset: call.offset.0,
        received_at_ms: call.event.received_at_ms(),
        seed: seed(call.offset, call.function),
    };
    for part in [&header.to_bytes()[..], device.as_bytes(), detail.as_bytes(), &payload] {
        let (now, later) = room.split_at_mut(part.len());
        now.copy_from_slice(part);
        room = later;
    }
    Ok(length)
}

/// The seed of an event for a function: FNV-1a of the name, then the finalizer of splitmix64 over name and offset.
/// Handlers' results depend on it: it never changes.
fn seed(offset: Offset, function: FunctionName) -> u64 {
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
