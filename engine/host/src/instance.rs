//! One instance of a module: made, run for an event, put back to how it was made.

use crate::adapter::{self, EXPORT_PLUGIN, EXPORT_START, Entry};
use crate::admission::Module;
use crate::failure::Failure;
use crate::guest::{About, Guest};
use crate::host::Call;
use crate::migration::Migration;
use crate::{Limits, event, fuel};
use fleetfn_abi::limits::BUFFER_BYTES_MIN;
use fleetfn_abi::{EXPORT_BUFFER, EXPORT_INITIALIZE, EXPORT_MEMORY, EXPORT_MIGRATE, EXPORT_ON_EVENT};
use fleetfn_core::EventKind;
use fleetfn_core::invocation::StateReader;
use std::ops::Range;
use wasmi::{Global, Linker, Memory, Store, TypedFunc, Val};

/// An instance, ready for an event.
pub(crate) struct Instance {
    store: Store<Guest>,
    memory: Memory,
    handler: Handler,
    migrate: Option<TypedFunc<u32, i32>>,
    /// Whether it works with what other hosts offer.
    is_foreign: bool,
    /// The mutable globals, in the order in which admission re-exported them.
    globals: Vec<Global>,
}

/// What is called for an event.
enum Handler {
    /// Our own export, and where the guest wants events.
    Native(TypedFunc<u32, i32>, Range<usize>),
    /// A program's.
    Program(TypedFunc<(), ()>),
    /// A plug-in's.
    Plugin(TypedFunc<(), i32>),
}

/// What an instance is reset to: memory and globals as they were before the first event.
pub(crate) struct Image {
    /// Memory up to the last byte that is not zero.
    bytes: Box<[u8]>,
    memory_bytes: usize,
    globals: Vec<Val>,
}

impl Instance {
    /// Makes an instance and runs it up to its first event.
    pub(crate) fn new(
        module: &Module,
        compiled: &wasmi::Module,
        linker: &Linker<Guest>,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let mut store = Store::new(linker.engine(), Guest::new(limits, module.shared_manifest()));
        store.limiter(|guest| guest);
        let made = linker.instantiate_and_start(&mut store, compiled);
        let instance = made.map_err(|error| fuel::failure(&store, &error))?;
        let lost = |name: &str| Failure::Instance(format!("export '{name}' is gone"));
        let memory = instance.get_memory(&store, EXPORT_MEMORY).ok_or_else(|| lost(EXPORT_MEMORY))?;
        store.data_mut().memory = Some(memory);
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&store, EXPORT_INITIALIZE) {
            fuel::run(&mut store, initialize, (), limits.fuel).0?;
        }
        let handler = match module.entry() {
            Entry::Native => {
                let place = instance
                    .get_typed_func::<(), u64>(&store, EXPORT_BUFFER)
                    .map_err(|_| lost(EXPORT_BUFFER))?;
                let place = fuel::run(&mut store, place, (), limits.fuel).0?;
                let buffer = buffer(place, memory.data_size(&store))?;
                let on_event = instance.get_typed_func(&store, EXPORT_ON_EVENT);
                Handler::Native(on_event.map_err(|_| lost(EXPORT_ON_EVENT))?, buffer)
            }
            Entry::Program => {
                let start = instance.get_typed_func(&store, EXPORT_START);
                Handler::Program(start.map_err(|_| lost(EXPORT_START))?)
            }
            Entry::Plugin => {
                let handle = instance.get_typed_func(&store, EXPORT_PLUGIN);
                Handler::Plugin(handle.map_err(|_| lost(EXPORT_PLUGIN))?)
            }
        };
        let migrate = instance.get_typed_func(&store, EXPORT_MIGRATE).ok();
        let global = |name: &String| instance.get_global(&store, name).ok_or_else(|| lost(name));
        let globals = module.reset_exports().iter().map(global).collect::<Result<_, _>>()?;
        Ok(Self { store, memory, handler, migrate, is_foreign: module.is_foreign(), globals })
    }

    /// Keeps what the instance can be reset to. Only before its first event.
    pub(crate) fn image(&self) -> Image {
        let memory = self.memory.data(&self.store);
        let used = memory.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Image {
            bytes: memory.get(..used).unwrap_or_default().into(),
            memory_bytes: memory.len(),
            globals: self.globals.iter().map(|global| global.get(&self.store)).collect(),
        }
    }

    /// Puts memory and globals back; whether that was possible: not once memory has grown.
    pub(crate) fn reset(&mut self, image: &Image) -> bool {
        let memory = self.memory.data_mut(&mut self.store);
        if memory.len() != image.memory_bytes {
            return false;
        }
        let Some((used, rest)) = memory.split_at_mut_checked(image.bytes.len()) else {
            return false;
        };
        used.copy_from_slice(&image.bytes);
        rest.fill(0);
        let mut globals = self.globals.iter().zip(&image.globals);
        globals.all(|(global, value)| global.set(&mut self.store, value.clone()).is_ok())
    }

    /// Handles one event: what the handler returned, and the fuel it burnt.
    pub(crate) fn handle(
        &mut self,
        call: &Call<'_>,
        state: Box<dyn StateReader>,
    ) -> (Result<i32, Failure>, u64) {
        let length = match self.take(call) {
            Ok(length) => length,
            Err(failure) => return (Err(failure), 0),
        };
        let about = About {
            device: call.event.device().is_some(),
            request: matches!(call.event.kind(), EventKind::Request { .. }),
        };
        self.store.data_mut().begin(state, about);
        let ended = self.run(length);
        self.store.data_mut().state = None;
        ended
    }

    /// Puts the event where the guest finds it; its length in the guest's buffer.
    fn take(&mut self, call: &Call<'_>) -> Result<u32, Failure> {
        if self.is_foreign {
            self.store.data_mut().session.begin(call)?;
        }
        match &self.handler {
            Handler::Native(_, buffer) => {
                let memory = self.memory.data_mut(&mut self.store);
                event::write(memory.get_mut(buffer.clone()).unwrap_or_default(), call)
            }
            Handler::Program(_) | Handler::Plugin(_) => Ok(0),
        }
    }

    /// Brings the state to the manifest's version if it is not there, and runs the handler.
    fn run(&mut self, length: u32) -> (Result<i32, Failure>, u64) {
        let budget = self.store.data().limits.fuel;
        let migration = match Migration::needed(self.store.data()) {
            Ok(migration) => migration,
            Err(failure) => return (Err(failure), 0),
        };
        let (migrated, before) = match migration {
            Migration::None | Migration::Note => (Ok(()), 0),
            Migration::From(from) => self.migrate(from, budget),
        };
        if let Err(failure) = migrated {
            return (Err(failure), before);
        }
        let (store, budget) = (&mut self.store, budget - before);
        let (result, burnt) = match &self.handler {
            Handler::Native(on_event, _) => fuel::run(store, *on_event, length, budget),
            Handler::Program(start) => {
                let (result, burnt) = fuel::run(store, *start, (), budget);
                (result.map(|()| 0), burnt)
            }
            Handler::Plugin(handle) => fuel::run(store, *handle, (), budget),
        };
        let result = if self.is_foreign { adapter::finish(self.store.data_mut(), result) } else { result };
        migration.note(self.store.data_mut());
        (result, before + burnt)
    }

    fn migrate(&mut self, from: u32, budget: u64) -> (Result<(), Failure>, u64) {
        let to = self.store.data().manifest.state_version;
        let failed = |reason: String| Failure::Migration { from, to, reason };
        let Some(migrate) = self.migrate else {
            return (Err(failed(format!("export '{EXPORT_MIGRATE}' is gone"))), 0);
        };
        let (result, burnt) = fuel::run(&mut self.store, migrate, from, budget);
        let result = match result {
            Ok(0) => Ok(()),
            Ok(code) => Err(failed(format!("'{EXPORT_MIGRATE}' returned {code}"))),
            Err(failure) if failure.is_interruption() => Err(failure),
            Err(failure) => Err(failed(failure.detail())),
        };
        (result, burnt)
    }

    /// What the invocation left: effects and log lines.
    pub(crate) fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }
}

/// Takes the result of the buffer export apart: `capacity << 32 | pointer`.
fn buffer(place: u64, memory_bytes: usize) -> Result<Range<usize>, Failure> {
    let [p0, p1, p2, p3, c0, c1, c2, c3] = place.to_le_bytes();
    let pointer = u32::from_le_bytes([p0, p1, p2, p3]);
    let capacity = u32::from_le_bytes([c0, c1, c2, c3]);
    let outside = Failure::BufferOutside { pointer, capacity, memory_bytes };
    let (Ok(start), Ok(room)) = (usize::try_from(pointer), usize::try_from(capacity)) else {
        return Err(outside);
    };
    if room < BUFFER_BYTES_MIN {
        return Err(Failure::BufferSmall(capacity));
    }
    match start.checked_add(room) {
        Some(end) if end <= memory_bytes => Ok(start..end),
        _ => Err(outside),
    }
}
