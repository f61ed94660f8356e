//! The handlers in our sandbox, as a worker runs them: metered, with fresh memory for each event, reads recorded.

use super::Contender;
use super::event::reading;
use super::world::World;
use anyhow::{Result, ensure};
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::invocation::Role;
use fleetfn_core::{Event, Offset, Outcome};
use fleetfn_host::{Call, Host, Limits, ModuleSource, admit};
use fleetfn_protocol::FunctionName;

/// The one module that there is.
struct Shelf(Vec<u8>);

impl ModuleSource for Shelf {
    fn read(&self, _hash: &ModuleHash) -> std::io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }
}

pub(super) struct Sandbox {
    host: Host,
    function: FunctionName,
    version: ModuleHash,
    event: Event,
    world: World,
    fuel: u64,
}

impl Sandbox {
    pub(super) fn new(wasm: &[u8], payload: &[u8]) -> Result<Self> {
        let module = admit(wasm)?;
        Ok(Self {
            host: Host::new(Limits::default(), Box::new(Shelf(wasm.to_vec()))),
            function: module.manifest().name,
            version: module.hash(),
            event: reading(payload)?,
            world: World::default(),
            fuel: 0,
        })
    }

    /// Fuel of the newest invocation.
    pub(super) fn fuel(&self) -> u64 {
        self.fuel
    }
}

impl Contender for Sandbox {
    fn handle(&mut self, offset: u64) -> Result<()> {
        let Self { function, version, event, .. } = self;
        let (function, version, offset) = (*function, *version, Offset(offset));
        let call = Call { function, version, role: Role::Live, trigger: 0, event, offset };
        let invocation = self.host.call(&call, self.world.clone());
        ensure!(invocation.outcome == Outcome::Done, "the handler failed: {:?}", invocation.outcome);
        self.fuel = invocation.fuel;
        self.world.apply(invocation.effects);
        Ok(())
    }

    fn world(&self) -> World {
        self.world.clone()
    }
}
