//! Counts or measures something.

use super::{shown, wish};
use crate::failure::Failure;
use crate::guest::{Guest, enter, part, split};
use crate::limits::CALL_FUEL;
use crate::wishes::Kind;
use fleetfn_abi::limits::NAME_BYTES_MAX;
use fleetfn_core::effect::MetricKind;
use wasmi::Caller;

/// Bytes of a value: an IEEE 754 double.
const VALUE_BYTES: u32 = 8;

pub(super) fn metric(
    caller: &mut Caller<'_, Guest>,
    kind: u32,
    name_ptr: u32,
    name_len: u32,
    value_ptr: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(name_ptr, name_len), (value_ptr, VALUE_BYTES)])?;
    let kind = match kind {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        _ => return Err(Failure::MetricKind(kind)),
    };
    let (memory, guest) = split(caller)?;
    let name = part(memory, name_ptr, name_len)?;
    let outside = Failure::Pointer { pointer: value_ptr, length: VALUE_BYTES };
    let bytes = part(memory, value_ptr, VALUE_BYTES)?.first_chunk().ok_or(outside)?;
    if !is_name(name) {
        return Err(Failure::MetricName(shown(name)));
    }
    let value = f64::from_le_bytes(*bytes);
    // A counter that falls is none.
    if !value.is_finite() || (kind == MetricKind::Counter && value < 0.0) {
        return Err(Failure::MetricValue { name: shown(name), value });
    }
    wish(guest, Kind::Metric { kind, value_bits: value.to_bits() }, &[name])
}

/// Names as they go into the page of metrics: `[a-z][a-z0-9_]*`.
fn is_name(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.first().is_some_and(u8::is_ascii_lowercase)
        && name.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_')
}
