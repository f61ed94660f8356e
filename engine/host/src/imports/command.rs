//! Sends a command to the event's device.

use super::wish;
use crate::failure::Failure;
use crate::guest::{Guest, enter, part, split};
use crate::limits::{CALL_FUEL, COMMAND_NAME_BYTES_MAX};
use crate::wishes::Kind;
use fleetfn_protocol::limits::PAYLOAD_BYTES_MAX;
use fleetfn_protocol::validate_name;
use wasmi::Caller;

pub(super) fn command(
    caller: &mut Caller<'_, Guest>,
    name: u32,
    name_len: u32,
    payload: u32,
    payload_len: u32,
    ttl_s: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(name, name_len), (payload, payload_len)])?;
    let (memory, guest) = split(caller)?;
    let name = part(memory, name, name_len)?;
    let payload = part(memory, payload, payload_len)?;
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Failure::Payload(payload_len));
    }
    if !guest.manifest.command {
        return Err(Failure::CommandGrant);
    }
    if !guest.is_device {
        return Err(Failure::CommandDevice);
    }
    let level = std::str::from_utf8(name).ok().filter(|name| {
        name.len() <= COMMAND_NAME_BYTES_MAX && !name.contains('/') && validate_name(name).is_ok()
    });
    if level.is_none() {
        let shown = name.get(..COMMAND_NAME_BYTES_MAX).unwrap_or(name);
        return Err(Failure::CommandName(String::from_utf8_lossy(shown).into_owned()));
    }
    wish(guest, Kind::Command { ttl_s }, name, payload)
}
