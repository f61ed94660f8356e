//! Sets and cancels timers of the function for the event's entity.

use super::{name, payload, seconds, wish};
use crate::failure::Failure;
use crate::guest::{Guest, enter, split};
use crate::limits::CALL_FUEL;
use crate::wishes::Kind;
use wasmi::Caller;

pub(super) fn timer_set(
    caller: &mut Caller<'_, Guest>,
    name_ptr: u32,
    name_len: u32,
    payload_ptr: u32,
    payload_len: u32,
    delay_s: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(name_ptr, name_len), (payload_ptr, payload_len)])?;
    let delay_s = seconds("the delay of a timer", delay_s, 1..=u32::MAX)?;
    let (memory, guest) = split(caller)?;
    let name = name("timer", memory, name_ptr, name_len)?;
    let payload = payload(memory, payload_ptr, payload_len)?;
    wish(guest, Kind::TimerSet { delay_s }, &[name.as_bytes(), payload])
}

pub(super) fn timer_cancel(
    caller: &mut Caller<'_, Guest>,
    name_ptr: u32,
    name_len: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(name_ptr, name_len)])?;
    let (memory, guest) = split(caller)?;
    let name = name("timer", memory, name_ptr, name_len)?;
    wish(guest, Kind::TimerCancel, &[name.as_bytes()])
}
