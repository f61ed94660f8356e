//! The same modules in wasmtime: compiled to machine code, without metering, with or without isolation between events.
//!
//! As fast as it goes there: typed imports, a pooling allocator, memory images mapped copy-on-write.

use super::Contender;
use super::event::encoded;
use super::world::World;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use fleetfn_abi::{EXPORT_BUFFER, EXPORT_INITIALIZE, EXPORT_ON_EVENT, IMPORT_MODULE, MISSING};
use fleetfn_core::Effect;
use wasmtime::{
    Caller, Config, Engine, Extern, InstanceAllocationStrategy, InstancePre, Linker, Memory, Module,
    PoolingAllocationConfig, Store, TypedFunc,
};

/// What the next event finds of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// Nothing: an instance of its own.
    Fresh,
    /// Everything in memory: the instance is used again.
    None,
}

/// What the guest's imports work on.
#[derive(Default)]
struct Ways {
    world: World,
    effects: Vec<Effect>,
}

/// An instance that is ready for an event.
struct Instance {
    store: Store<Ways>,
    memory: Memory,
    buffer: usize,
    on_event: TypedFunc<i32, i32>,
}

pub(super) struct Wasmtime {
    engine: Engine,
    before: InstancePre<Ways>,
    kept: Option<Instance>,
    isolation: Isolation,
    payload: Vec<u8>,
    encoded: Vec<u8>,
    world: World,
}

impl Wasmtime {
    pub(super) fn new(wasm: &[u8], payload: &[u8], isolation: Isolation) -> Result<Self> {
        let mut pool = PoolingAllocationConfig::default();
        // Enough for the one instance at a time, small enough that little address space is set aside.
        pool.total_core_instances(4).total_memories(4).total_tables(4);
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap(IMPORT_MODULE, "state_get", state_get)?;
        linker.func_wrap(IMPORT_MODULE, "state_put", state_put)?;
        linker.func_wrap(IMPORT_MODULE, "command", command)?;
        linker.func_wrap(IMPORT_MODULE, "publish", publish)?;
        // What a handler does not reach, such as the log of a panic.
        linker.define_unknown_imports_as_traps(&module)?;
        let before = linker.instantiate_pre(&module)?;
        let (world, payload) = (World::default(), payload.to_vec());
        Ok(Self { engine, before, kept: None, isolation, payload, encoded: Vec::new(), world })
    }

    fn instance(&mut self) -> Result<Instance> {
        if let Some(kept) = self.kept.take() {
            return Ok(kept);
        }
        let ways = Ways { world: self.world.clone(), effects: Vec::new() };
        let mut store = Store::new(&self.engine, ways);
        let instance = self.before.instantiate(&mut store)?;
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, EXPORT_INITIALIZE) {
            initialize.call(&mut store, ())?;
        }
        let buffer = instance.get_typed_func::<(), i64>(&mut store, EXPORT_BUFFER)?;
        let buffer = usize::try_from(buffer.call(&mut store, ())? & 0xffff_ffff)?;
        let memory = instance.get_memory(&mut store, "memory").context("a memory")?;
        let on_event = instance.get_typed_func::<i32, i32>(&mut store, EXPORT_ON_EVENT)?;
        Ok(Instance { store, memory, buffer, on_event })
    }
}

impl Contender for Wasmtime {
    fn handle(&mut self, offset: u64) -> Result<()> {
        let mut instance = self.instance()?;
        encoded(&self.payload, offset, &mut self.encoded)?;
        instance.memory.write(&mut instance.store, instance.buffer, &self.encoded)?;
        let code = instance.on_event.call(&mut instance.store, i32::try_from(self.encoded.len())?)?;
        ensure!(code == 0, "the handler returned {code}");
        self.world.apply(std::mem::take(&mut instance.store.data_mut().effects));
        if self.isolation == Isolation::None {
            self.kept = Some(instance);
        }
        Ok(())
    }

    fn world(&self) -> World {
        self.world.clone()
    }
}

/// The guest's memory, and what its imports work on.
fn parts<'a>(caller: &'a mut Caller<'_, Ways>) -> wasmtime::Result<(&'a mut [u8], &'a mut Ways)> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory.data_and_store_mut(caller)),
        _ => Err(wasmtime::Error::msg("no memory")),
    }
}

fn slice(memory: &[u8], at: u32, len: u32) -> wasmtime::Result<Bytes> {
    let (at, len) = (at as usize, len as usize);
    let bytes = memory.get(at..).and_then(|tail| tail.get(..len));
    bytes.map(Bytes::copy_from_slice).ok_or_else(|| wasmtime::Error::msg("outside of the memory"))
}

fn state_get(
    mut caller: Caller<'_, Ways>,
    key: u32,
    key_len: u32,
    out: u32,
    room: u32,
) -> wasmtime::Result<i32> {
    let (memory, ways) = parts(&mut caller)?;
    let Some(value) = ways.world.read(&slice(memory, key, key_len)?) else { return Ok(MISSING) };
    let fits = value.len().min(room as usize);
    let into = memory.get_mut(out as usize..).and_then(|tail| tail.get_mut(..fits));
    let from = value.get(..fits).unwrap_or_default();
    into.ok_or_else(|| wasmtime::Error::msg("outside of the memory"))?.copy_from_slice(from);
    Ok(i32::try_from(value.len())?)
}

fn state_put(
    mut caller: Caller<'_, Ways>,
    key: u32,
    key_len: u32,
    value: u32,
    len: u32,
) -> wasmtime::Result<i32> {
    let (memory, ways) = parts(&mut caller)?;
    let (key, value) = (slice(memory, key, key_len)?, slice(memory, value, len)?);
    ways.effects.push(Effect::StatePut { key, value, ttl_s: 0 });
    Ok(0)
}

fn command(
    mut caller: Caller<'_, Ways>,
    name: u32,
    name_len: u32,
    payload: u32,
    len: u32,
    ttl_s: u32,
) -> wasmtime::Result<i32> {
    let (memory, ways) = parts(&mut caller)?;
    let (name, payload) = (slice(memory, name, name_len)?, slice(memory, payload, len)?);
    ways.effects.push(Effect::Command { name, payload, ttl_s, timeout_s: 0 });
    Ok(0)
}

fn publish(
    mut caller: Caller<'_, Ways>,
    topic: u32,
    topic_len: u32,
    payload: u32,
    len: u32,
) -> wasmtime::Result<i32> {
    let (memory, ways) = parts(&mut caller)?;
    let (topic, payload) = (slice(memory, topic, topic_len)?, slice(memory, payload, len)?);
    ways.effects.push(Effect::Publish { topic, payload });
    Ok(0)
}
