//! Sends a command to the event's device, and says when nobody answers.

use super::{payload, seconds, shown, wish};
use crate::failure::Failure;
use crate::guest::{Guest, enter, part, split};
use crate::limits::{CALL_FUEL, COMMAND_NAME_BYTES_MAX};
use crate::wishes::Kind;
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
    ask(caller, (name, name_len), (payload, payload_len), Kind::Command { ttl_s, timeout_s: 0 })
}

pub(super) fn command_await(
    caller: &mut Caller<'_, Guest>,
    name: u32,
    name_len: u32,
    payload: u32,
    payload_len: u32,
    ttl_s: u32,
    timeout_s: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(name, name_len), (payload, payload_len)])?;
    let timeout_s = seconds("the time that a reply may take", timeout_s, 1..=u32::MAX)?;
    ask(caller, (name, name_len), (payload, payload_len), Kind::Command { ttl_s, timeout_s })
}

fn ask(
    caller: &mut Caller<'_, Guest>,
    (name_ptr, name_len): (u32, u32),
    (payload_ptr, payload_len): (u32, u32),
    command: Kind,
) -> Result<i32, Failure> {
    let (memory, guest) = split(caller)?;
    let name = part(memory, name_ptr, name_len)?;
    let payload = payload(memory, payload_ptr, payload_len)?;
    if !guest.manifest.command {
        return Err(Failure::CommandGrant);
    }
    if !guest.about.device {
        return Err(Failure::CommandDevice);
    }
    let level = std::str::from_utf8(name).ok().filter(|name| {
        name.len() <= COMMAND_NAME_BYTES_MAX && !name.contains('/') && validate_name(name).is_ok()
    });
    if level.is_none() {
        return Err(Failure::CommandName(shown(name)));
    }
    wish(guest, command, &[name, payload])
}
