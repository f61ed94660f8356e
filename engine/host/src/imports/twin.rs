//! Reads the twin of the event's device, and changes what is desired.

use super::{payload, wish};
use crate::failure::Failure;
use crate::guest::{Guest, burn, enter, give, part, split};
use crate::limits::{CALL_FUEL, JSON_BYTE_FUEL, READ_FUEL};
use crate::wishes::Kind;
use fleetfn_abi::MISSING;
use fleetfn_core::twin::Twin;
use wasmi::Caller;

pub(super) fn twin_get(caller: &mut Caller<'_, Guest>, out_ptr: u32, out_cap: u32) -> Result<i32, Failure> {
    enter(caller, READ_FUEL, &[])?;
    let (memory, guest) = split(caller)?;
    part(memory, out_ptr, out_cap)?;
    let found = match &guest.state {
        Some(state) if guest.about.device => state.twin()?,
        Some(_) | None => None,
    };
    match found {
        Some(document) => give(caller, &document, out_ptr, out_cap),
        None => Ok(MISSING),
    }
}

pub(super) fn twin_patch(
    caller: &mut Caller<'_, Guest>,
    patch_ptr: u32,
    patch_len: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(patch_ptr, patch_len)])?;
    let (memory, guest) = split(caller)?;
    payload(memory, patch_ptr, patch_len)?;
    if !guest.manifest.twin {
        return Err(Failure::TwinGrant);
    }
    if !guest.about.device {
        return Err(Failure::TwinDevice);
    }
    burn(caller, u64::from(patch_len).saturating_mul(JSON_BYTE_FUEL))?;
    let (memory, guest) = split(caller)?;
    let patch = payload(memory, patch_ptr, patch_len)?;
    // What an empty twin does not take, no twin takes.
    Twin::default().desire(patch).map_err(Failure::TwinPatch)?;
    wish(guest, Kind::TwinPatch, &[patch])
}
