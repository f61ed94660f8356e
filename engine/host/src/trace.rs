//! Where in the guest an invocation failed.
//!
//! The engine keeps no names and gives no backtrace, and what could give one would cost every event. So an invocation that
//! failed is run once more: the same event on the same reads ends the same way. That run is of a module in which
//! every function says that it begins and that it ended ([`instrument`]); those that never ended are the backtrace.
//! The second run has no effects, and is not counted.

mod instrument;
mod names;

use crate::admission::Module;
use crate::failure::Failure;
use crate::guest::Guest;
use crate::host::Call;
use crate::instance::Instance;
use crate::limits::{TRACE_FRAMES_MAX, TRACE_FUEL_MAX};
use crate::{Limits, version};
use fleetfn_core::invocation::StateReader;
use std::fmt::Write;
use wasmi::{Caller, EnforcedLimits, Engine, Linker};

/// Fuel that the second run has for each unit of the first: what functions say costs some.
const FUEL_FACTOR: u64 = 16;

/// Frames that are noted: deeper than calls can nest.
const DEPTH_MAX: usize = 4_096;

/// A version that says where it is.
pub(crate) struct Tracer {
    compiled: wasmi::Module,
    linker: Linker<Guest>,
    limits: Limits,
}

/// Whether it is worth to look where an invocation failed that burnt so much fuel: not the node's doing, in guest code,
/// and soon enough.
pub(crate) fn is_worth(failure: &Failure, fuel: u64) -> bool {
    let is_elsewhere = matches!(
        failure,
        Failure::Fuel(_)
            | Failure::Buffer { .. }
            | Failure::BufferOutside { .. }
            | Failure::BufferSmall(_)
            | Failure::EventKind
            | Failure::Instance(_)
            | Failure::Panic(_)
    );
    !is_elsewhere && !failure.is_interruption() && fuel <= TRACE_FUEL_MAX
}

impl Tracer {
    /// Compiles a version for tracing. The error is the compiler's.
    pub(crate) fn new(module: &Module, limits: Limits) -> Result<Self, String> {
        // Each call of the guest is two here.
        let limits = Limits {
            fuel: limits.fuel.saturating_mul(FUEL_FACTOR),
            stack_bytes: limits.stack_bytes.saturating_mul(2),
            recursion_depth: limits.recursion_depth.saturating_mul(2).saturating_add(8),
            ..limits
        };
        let wasm = instrument::instrument(module.wasm())?;
        let mut config = version::config(&limits);
        // It was admitted before it grew.
        config.enforced_limits(EnforcedLimits::default());
        let engine = Engine::new(&config);
        let compiled = wasmi::Module::new(&engine, &wasm).map_err(|error| error.to_string())?;
        let mut linker = version::linker(&engine, module).map_err(|error| error.to_string())?;
        let begin = |mut caller: Caller<'_, Guest>, function: u32| {
            let frames = &mut caller.data_mut().frames;
            if frames.len() < DEPTH_MAX {
                frames.push(function);
            }
        };
        let end = |mut caller: Caller<'_, Guest>| {
            caller.data_mut().frames.pop();
        };
        linker
            .func_wrap(instrument::MODULE, instrument::BEGIN, begin)
            .and_then(|linker| linker.func_wrap(instrument::MODULE, instrument::END, end))
            .map_err(|error| error.to_string())?;
        Ok(Self { compiled, linker, limits })
    }

    /// Lines ` at NAME`, the innermost function first; none unless the event fails as it did before.
    pub(crate) fn backtrace(
        &self,
        module: &Module,
        call: &Call<'_>,
        state: Box<dyn StateReader>,
        error_type: &str,
    ) -> String {
        let Ok(mut instance) = Instance::new(module, &self.compiled, &self.linker, self.limits) else {
            return String::new();
        };
        match instance.handle(call, state).0 {
            Err(failure) if failure.error_type() == error_type => {
                lines(&names::of(module.names(), &instance.guest().frames))
            }
            Ok(_) | Err(_) => String::new(),
        }
    }
}

/// The innermost frames; a function that calls itself is told once.
fn lines(names: &[String]) -> String {
    let mut text = String::new();
    let mut frames = names.iter().rev().peekable();
    let mut told = 0;
    while let Some(name) = frames.next() {
        if told == TRACE_FRAMES_MAX {
            text.push_str("\n  ...");
            break;
        }
        told += 1;
        let mut times = 1_u32;
        while frames.next_if(|next| *next == name).is_some() {
            times += 1;
        }
        // Writing to a string does not fail.
        let _ = write!(text, "\n  at {name}");
        if times > 1 {
            let _ = write!(text, " ({times} times)");
        }
    }
    text
}
