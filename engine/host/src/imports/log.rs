//! Writes a log line.

use crate::failure::Failure;
use crate::guest::{Guest, enter, part, split};
use crate::limits::CALL_FUEL;
use fleetfn_core::invocation::LogLevel;
use wasmi::Caller;

pub(super) fn log(
    caller: &mut Caller<'_, Guest>,
    level: u32,
    text: u32,
    text_len: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(text, text_len)])?;
    let level = match level {
        0 => LogLevel::Debug,
        1 => LogLevel::Info,
        2 => LogLevel::Warn,
        3 => LogLevel::Error,
        _ => return Err(Failure::LogLevel(level)),
    };
    let (memory, guest) = split(caller)?;
    guest.log(level, part(memory, text, text_len)?)?;
    Ok(0)
}
