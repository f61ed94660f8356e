//! The sandbox from outside: what is admitted, what ends how, what one event leaves for the next.

mod backtrace;
mod effects;
mod events;
mod fixtures;
mod foreign;
mod golden;
mod hostile;
mod isolation;
mod kinds;
mod migration;
mod mutants;

use fixtures::{Bench, State, event};
use fleetfn_core::Invocation;
use fleetfn_host::Module;

impl Bench {
    /// Admits a module in text form.
    fn add(&self, wat: &str) -> Module {
        let wasm = wat::parse_str(wat).expect("a module in text form");
        self.library.add(&wasm).expect("admitted")
    }

    /// Runs a module for a reading of device `d-1`.
    fn run(&mut self, module: &Module, payload: &[u8], state: &State) -> Invocation {
        self.handle(module, &event(payload), state)
    }
}
