//! One version of a function, compiled: an engine of its own, and an instance that waits for the next event.
//!
//! The engine belongs to the version because compiled code is freed only with its engine.

use crate::admission::Module;
use crate::failure::Failure;
use crate::guest::Guest;
use crate::host::Call;
use crate::instance::{Image, Instance};
use crate::schema::Schema;
use crate::trace::{self, Tracer};
use crate::{Limits, adapter, imports};
use fleetfn_core::deployment::{Manifest, ModuleHash, Trigger};
use fleetfn_core::invocation::{LogLine, StateReader};
use fleetfn_core::{Effect, Outcome};
use std::mem;
use wasmi::errors::LinkerError;
use wasmi::{CompilationMode, Config, EnforcedLimits, Engine, Linker, OperatorCost};

/// Bytes of stack that an engine starts with: most handlers need no more.
const STACK_BYTES_MIN: usize = 16 * 1024;
/// Stacks that an engine keeps: one runs at a time.
const STACKS_KEPT: usize = 2;

/// A compiled version. Belongs to one thread.
pub(crate) struct Version {
    module: Module,
    compiled: wasmi::Module,
    linker: Linker<Guest>,
    limits: Limits,
    /// What an instance is reset to; `None` until the first is made, and where a reset is not sound.
    image: Option<Image>,
    idle: Option<Instance>,
    /// What payloads must fulfil, by trigger; empty if no trigger says so.
    schemas: Vec<Option<Schema>>,
    /// Made for the first invocation that fails; the error is kept, so that it is not tried again.
    tracer: Option<Result<Tracer, String>>,
}

/// What came of one event.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) fuel: u64,
    pub(crate) effects: Vec<Effect>,
    pub(crate) logs: Vec<LogLine>,
    /// Whether it failed where a backtrace tells more.
    pub(crate) is_traceable: bool,
}

/// How every version is compiled.
pub(crate) fn config(limits: &Limits) -> Config {
    let mut config = Config::default();
    config
        .consume_fuel(true)
        // Under a lazy mode the first event would pay for compiling: fuel would depend on who came first.
        .compilation_mode(CompilationMode::Eager)
        .enforced_limits(EnforcedLimits::strict())
        .set_max_recursion_depth(limits.recursion_depth)
        .set_min_stack_height(STACK_BYTES_MIN.min(limits.stack_bytes))
        .set_max_stack_height(limits.stack_bytes)
        .set_max_cached_stacks(STACKS_KEPT)
        .ignore_custom_sections(true)
        // A start function would run without slices.
        .allow_start_fn(false)
        // Both take native stack until the slice ends: dear, so that few fit a slice.
        .operator_cost(OperatorCost { memory_grow: 255, table_grow: 255, ..OperatorCost::default() })
        .wasm_multi_memory(false)
        .wasm_custom_page_sizes(false);
    config
}

/// All that a module can import.
pub(crate) fn linker(engine: &Engine, module: &Module) -> Result<Linker<Guest>, LinkerError> {
    let mut linker = imports::linker(engine)?;
    if module.is_foreign() {
        adapter::link(&mut linker)?;
    }
    Ok(linker)
}

fn schemas(manifest: &Manifest) -> Result<Vec<Option<Schema>>, String> {
    let compile = |trigger: &Trigger| match trigger {
        Trigger::Telemetry { schema: Some(schema), .. } => Schema::compile(schema).map(Some),
        _ => Ok(None),
    };
    let schemas = manifest.triggers.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
    Ok(if schemas.iter().all(Option::is_none) { Vec::new() } else { schemas })
}

impl Version {
    /// Compiles an admitted module. The error is the compiler's.
    pub(crate) fn compile(module: Module, limits: Limits) -> Result<Self, String> {
        let limits = limits.sound();
        let engine = Engine::new(&config(&limits));
        let compiled = wasmi::Module::new(&engine, module.wasm()).map_err(|error| error.to_string())?;
        let linker = linker(&engine, &module).map_err(|error| error.to_string())?;
        let schemas = schemas(module.manifest())?;
        Ok(Self { module, compiled, linker, limits, image: None, idle: None, schemas, tracer: None })
    }

    pub(crate) fn hash(&self) -> ModuleHash {
        self.module.hash()
    }

    /// Makes sure that an instance waits. Fails if the module cannot be brought to its first event.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        let instance = self.take()?;
        self.idle = Some(instance);
        Ok(())
    }

    /// An instance in the state before its first event.
    fn take(&mut self) -> Result<Instance, Failure> {
        if let (Some(mut instance), Some(image)) = (self.idle.take(), &self.image)
            && instance.reset(image)
        {
            return Ok(instance);
        }
        let instance = Instance::new(&self.module, &self.compiled, &self.linker, self.limits)?;
        if self.image.is_none() && self.module.is_resettable() {
            self.image = Some(instance.image());
        }
        Ok(instance)
    }

    /// Runs one event on memory that no other event has touched.
    pub(crate) fn handle(&mut self, call: &Call<'_>, state: Box<dyn StateReader>) -> Ended {
        if let Some(Some(schema)) = self.schemas.get(usize::from(call.trigger))
            && let Err(detail) = schema.check(&call.event.payload())
        {
            let outcome = Outcome::Refused { detail };
            return Ended { outcome, fuel: 0, effects: Vec::new(), logs: Vec::new(), is_traceable: false };
        }
        let mut instance = match self.take() {
            Ok(instance) => instance,
            Err(failure) => {
                let outcome = failure.into_outcome();
                return Ended {
                    outcome,
                    fuel: 0,
                    effects: Vec::new(),
                    logs: Vec::new(),
                    is_traceable: false,
                };
            }
        };
        let (result, fuel) = instance.handle(call, state);
        let guest = instance.guest();
        let logs = mem::take(&mut guest.logs);
        let (outcome, effects) = match result {
            Ok(0) => (Outcome::Done, guest.wishes.take()),
            Ok(code) => (Outcome::Rejected { code }, Vec::new()),
            // What broke off is not used again.
            Err(failure) => {
                let is_traceable = trace::is_worth(&failure, fuel);
                return Ended {
                    outcome: failure.into_outcome(),
                    fuel,
                    effects: Vec::new(),
                    logs,
                    is_traceable,
                };
            }
        };
        if self.image.is_some() {
            self.idle = Some(instance);
        }
        Ended { outcome, fuel, effects, logs, is_traceable: false }
    }

    /// Where an event failed with a word; empty if that cannot be told. `state` holds what was read.
    pub(crate) fn backtrace(
        &mut self,
        call: &Call<'_>,
        state: Box<dyn StateReader>,
        error_type: &str,
    ) -> String {
        let Self { module, limits, tracer, .. } = self;
        match tracer.get_or_insert_with(|| Tracer::new(module, *limits)) {
            Ok(tracer) => tracer.backtrace(module, call, state, error_type),
            Err(_) => String::new(),
        }
    }
}
