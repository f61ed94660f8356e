//! What the host holds for one instance while its code runs: the store's data of that instance.

use crate::Limits;
use crate::adapter::Session;
use crate::failure::Failure;
use crate::limits::BYTES_PER_FUEL;
use crate::wishes::Wishes;
use fleetfn_core::deployment::Manifest;
use fleetfn_core::invocation::{LogLevel, LogLine, StateReader};
use std::sync::Arc;
use wasmi::{Caller, Memory, ResourceLimiter};

/// A log line counts as many bytes more than its text, so that empty lines are bounded too.
const LINE_BYTES: usize = 16;

/// What an event allows to ask for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About {
    /// Whether it is about a device: commands and the twin.
    pub(crate) device: bool,
    /// Whether it is an HTTP request: a response.
    pub(crate) request: bool,
}

/// The data of one instance.
pub(crate) struct Guest {
    /// Known once the instance is made.
    pub(crate) memory: Option<Memory>,
    pub(crate) limits: Limits,
    pub(crate) manifest: Arc<Manifest>,
    /// There while an event is handled, and only then.
    pub(crate) state: Option<Box<dyn StateReader>>,
    /// What the event allows to ask for.
    pub(crate) about: About,
    /// Fuel of the budget that is not in the engine's current slice.
    pub(crate) fuel_left: u64,
    pub(crate) wishes: Wishes,
    pub(crate) logs: Vec<LogLine>,
    /// Functions that have begun and not ended, where they say so: see `trace.rs`.
    pub(crate) frames: Vec<u32>,
    /// What guests that were built for other hosts work with.
    pub(crate) session: Session,
    log_bytes: usize,
    calls: u32,
}

impl Guest {
    pub(crate) fn new(limits: Limits, manifest: Arc<Manifest>) -> Self {
        Self {
            memory: None,
            limits,
            manifest,
            state: None,
            about: About::default(),
            fuel_left: 0,
            wishes: Wishes::default(),
            logs: Vec::new(),
            frames: Vec::new(),
            session: Session::default(),
            log_bytes: 0,
            calls: 0,
        }
    }

    /// Forgets the invocation before, and takes what the next one reads.
    pub(crate) fn begin(&mut self, state: Box<dyn StateReader>, about: About) {
        self.state = Some(state);
        self.about = about;
        self.wishes.clear();
        self.logs.clear();
        self.frames.clear();
        self.log_bytes = 0;
        self.calls = 0;
    }

    /// Keeps a log line.
    pub(crate) fn log(&mut self, level: LogLevel, text: &[u8]) -> Result<(), Failure> {
        let bytes = self.log_bytes.saturating_add(text.len()).saturating_add(LINE_BYTES);
        if bytes > self.limits.log_bytes {
            return Err(Failure::LogBytes(self.limits.log_bytes));
        }
        self.log_bytes = bytes;
        self.logs.push(LogLine { level, text: String::from_utf8_lossy(text).into_owned() });
        Ok(())
    }
}

impl ResourceLimiter for Guest {
    // No totals are kept: a grow that ran out of fuel asks again.
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, wasmi_core::LimiterError> {
        Ok(desired <= self.limits.memory_bytes && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, wasmi_core::LimiterError> {
        Ok(desired <= self.limits.table_elements && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// Bytes in units of fuel.
pub(crate) fn fuel_of(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_FUEL
}

/// Fuel that is left to the invocation, however it is sliced.
pub(crate) fn fuel_left(caller: &Caller<'_, Guest>) -> u64 {
    caller.data().fuel_left.saturating_add(caller.get_fuel().unwrap_or(0))
}

/// Takes fuel for host work: first from what is outside of the slice, so that the sum does not depend on slices.
pub(crate) fn burn(caller: &mut Caller<'_, Guest>, fuel: u64) -> Result<(), Failure> {
    let guest = caller.data_mut();
    if let Some(left) = guest.fuel_left.checked_sub(fuel) {
        guest.fuel_left = left;
        return Ok(());
    }
    let short = fuel - guest.fuel_left;
    let limit = guest.limits.fuel;
    guest.fuel_left = 0;
    let slice = caller.get_fuel().unwrap_or(0);
    match slice.checked_sub(short) {
        Some(rest) if caller.set_fuel(rest).is_ok() => Ok(()),
        _ => Err(Failure::Fuel(limit)),
    }
}

/// Begins a host call: counts it, checks that what it reads lies in memory, and takes its fuel, which grows with
/// what it reads.
pub(crate) fn enter(caller: &mut Caller<'_, Guest>, fuel: u64, reads: &[(u32, u32)]) -> Result<(), Failure> {
    let guest = caller.data_mut();
    if guest.state.is_none() {
        return Err(Failure::TooEarly);
    }
    guest.calls = guest.calls.saturating_add(1);
    if guest.calls > guest.limits.host_calls {
        return Err(Failure::HostCalls(guest.limits.host_calls));
    }
    let memory = split(caller)?.0;
    let mut bytes = 0_u64;
    for (pointer, length) in reads {
        part(memory, *pointer, *length)?;
        bytes += u64::from(*length);
    }
    burn(caller, fuel + bytes / BYTES_PER_FUEL)
}

/// The guest's memory beside its data.
pub(crate) fn split<'a>(caller: &'a mut Caller<'_, Guest>) -> Result<(&'a mut [u8], &'a mut Guest), Failure> {
    match caller.data().memory {
        Some(memory) => Ok(memory.data_and_store_mut(caller)),
        None => Err(Failure::TooEarly),
    }
}

/// A part of the guest's memory.
pub(crate) fn part(memory: &[u8], pointer: u32, length: u32) -> Result<&[u8], Failure> {
    match memory.get(range(pointer, length)?) {
        Some(part) => Ok(part),
        None => Err(Failure::Pointer { pointer, length }),
    }
}

/// A part of the guest's memory, to be written.
pub(crate) fn part_mut(memory: &mut [u8], pointer: u32, length: u32) -> Result<&mut [u8], Failure> {
    match memory.get_mut(range(pointer, length)?) {
        Some(part) => Ok(part),
        None => Err(Failure::Pointer { pointer, length }),
    }
}

fn range(pointer: u32, length: u32) -> Result<std::ops::Range<usize>, Failure> {
    let start = usize::try_from(pointer).ok();
    let end = start.zip(usize::try_from(length).ok()).and_then(|(start, count)| start.checked_add(count));
    match (start, end) {
        (Some(start), Some(end)) => Ok(start..end),
        _ => Err(Failure::Pointer { pointer, length }),
    }
}

/// Gives bytes of the host to the guest: as many as fit, and their full length.
pub(crate) fn give(
    caller: &mut Caller<'_, Guest>,
    value: &[u8],
    out_ptr: u32,
    out_cap: u32,
) -> Result<i32, Failure> {
    burn(caller, fuel_of(value.len()))?;
    fill(split(caller)?.0, value, out_ptr, out_cap)
}

/// Copies as much of a value as fits; its full length.
pub(crate) fn fill(memory: &mut [u8], value: &[u8], out_ptr: u32, out_cap: u32) -> Result<i32, Failure> {
    let out = part_mut(memory, out_ptr, out_cap)?;
    let fits = out.len().min(value.len());
    if let (Some(to), Some(from)) = (out.get_mut(..fits), value.get(..fits)) {
        to.copy_from_slice(from);
    }
    Ok(length(value.len()))
}

/// A length as the guest sees it.
pub(crate) fn length(bytes: usize) -> i32 {
    // Values and pages are far smaller.
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
