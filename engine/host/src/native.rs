//! Functions of the engine's own, in the place of a guest.

use crate::failure::Failure;
use crate::host::{ended, panic_text};
use crate::version::Ended;
use fleetfn_core::builtin::{Builtin, Handled};
use fleetfn_core::invocation::StateReader;
use fleetfn_core::{Event, Outcome};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs one for an event. A panic is a bug, and costs one event, not the node.
pub(crate) fn handle(builtin: Builtin, event: &Event, state: &dyn StateReader) -> Ended {
    let run = AssertUnwindSafe(|| builtin.handle(event, state));
    match catch_unwind(run) {
        Ok(Handled { outcome, effects, logs }) => {
            let effects = if outcome == Outcome::Done { effects } else { Vec::new() };
            Ended { outcome, fuel: 0, effects, logs, is_traceable: false }
        }
        Err(panic) => ended(Failure::Panic(panic_text(&*panic))),
    }
}
