//! Every entry into guest code: fuel in slices, the limit, the backstop.
//!
//! The sum that is burnt does not depend on the size of a slice. Between slices the native stack is back where it
//! was, the clock is looked at, and fuel that host calls took from outside of the slice is already gone.

use crate::failure::Failure;
use crate::guest::Guest;
use std::time::Instant;
use wasmi::{Error, Store, TrapCode, TypedFunc, TypedResumableCall, WasmParams, WasmResults};

/// Runs a function of the guest to its end, on at most `budget` of fuel. Also the fuel that it burnt, whatever came
/// of it.
pub(crate) fn run<P: WasmParams, R: WasmResults>(
    store: &mut Store<Guest>,
    function: TypedFunc<P, R>,
    params: P,
    budget: u64,
) -> (Result<R, Failure>, u64) {
    let result = run_in_slices(store, function, params, budget);
    let burnt = match &result {
        Err(Failure::Fuel(_)) => budget,
        _ => {
            let left = store.data().fuel_left.saturating_add(store.get_fuel().unwrap_or(0));
            budget.saturating_sub(left)
        }
    };
    (result, burnt)
}

fn run_in_slices<P: WasmParams, R: WasmResults>(
    store: &mut Store<Guest>,
    function: TypedFunc<P, R>,
    params: P,
    budget: u64,
) -> Result<R, Failure> {
    let limits = store.data().limits;
    let slice = limits.fuel_slice.min(budget);
    grant(store, slice, budget - slice)?;
    // The clock is not read by what ends within its first slice.
    let mut since: Option<Instant> = None;
    let mut call = function.call_resumable(&mut *store, params);
    loop {
        match call {
            Ok(TypedResumableCall::Finished(result)) => return Ok(result),
            Ok(TypedResumableCall::HostTrap(trap)) => return Err(failure(store, trap.host_error())),
            Ok(TypedResumableCall::OutOfFuel(stopped)) => {
                let left = store.data().fuel_left.saturating_add(store.get_fuel().unwrap_or(0));
                let slice = limits.fuel_slice.min(left).max(stopped.required_fuel());
                let Some(rest) = left.checked_sub(slice) else {
                    return Err(Failure::Fuel(limits.fuel));
                };
                if since.get_or_insert_with(Instant::now).elapsed() > limits.wall_clock {
                    return Err(Failure::WallClock(limits.wall_clock.as_millis()));
                }
                grant(store, slice, rest)?;
                call = stopped.resume(&mut *store);
            }
            Err(error) => return Err(failure(store, &error)),
        }
    }
}

fn grant(store: &mut Store<Guest>, slice: u64, left: u64) -> Result<(), Failure> {
    store.data_mut().fuel_left = left;
    store.set_fuel(slice).map_err(|error| Failure::Instance(error.to_string()))
}

/// What an error of the engine means.
pub(crate) fn failure(store: &Store<Guest>, error: &Error) -> Failure {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.clone();
    }
    let limits = store.data().limits;
    match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => Failure::Fuel(limits.fuel),
        Some(TrapCode::StackOverflow) => {
            Failure::Stack { bytes: limits.stack_bytes, depth: limits.recursion_depth }
        }
        Some(TrapCode::OutOfSystemMemory) => Failure::OutOfSystemMemory,
        Some(code) => Failure::Trap(code),
        None => Failure::Instance(error.to_string()),
    }
}
