//! Reads the function's configuration.

use super::name;
use crate::failure::Failure;
use crate::guest::{Guest, enter, give, part, split};
use crate::limits::READ_FUEL;
use fleetfn_abi::MISSING;
use wasmi::Caller;

pub(super) fn config_get(
    caller: &mut Caller<'_, Guest>,
    key_ptr: u32,
    key_len: u32,
    out_ptr: u32,
    out_cap: u32,
) -> Result<i32, Failure> {
    enter(caller, READ_FUEL, &[(key_ptr, key_len)])?;
    let (memory, guest) = split(caller)?;
    part(memory, out_ptr, out_cap)?;
    let key = name("key of the configuration", memory, key_ptr, key_len)?;
    let found = match &guest.state {
        Some(state) => state.config(key)?,
        None => None,
    };
    match found {
        Some(value) => give(caller, &value, out_ptr, out_cap),
        None => Ok(MISSING),
    }
}
