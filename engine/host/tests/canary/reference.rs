//! A second host, on wasmtime: as short as it can be, with the imports that guests here use.

#![expect(
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "guests here are small, and a mistake of theirs is a failure"
)]

use crate::fixtures::State;
use fleetfn_abi::{
    EXPORT_BUFFER, EXPORT_INITIALIZE, EXPORT_ON_EVENT, EventHeader, IMPORT_MODULE, IMPORTS, MISSING,
};
use fleetfn_core::effect::MetricKind;
use fleetfn_core::invocation::{LogLevel, LogLine};
use fleetfn_core::{Effect, Entity, Event, EventKind};
use std::collections::BTreeMap;
use wasmtime::{Caller, Config, Engine, Extern, FuncType, Linker, Memory, Module, Store, Val, ValType};

#[derive(Default)]
pub(crate) struct Expected {
    /// What the handler returned; `None` for a trap.
    pub(crate) code: Option<i32>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) state: BTreeMap<Vec<u8>, Vec<u8>>,
}

pub(crate) struct Reference {
    engine: Engine,
    module: Module,
    linker: Linker<Expected>,
}

impl Reference {
    pub(crate) fn new(wasm: &[u8]) -> Self {
        let mut config = Config::new();
        config.cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config).expect("an engine");
        let module = Module::new(&engine, wasm).expect("compiles");
        let mut linker = Linker::new(&engine);
        for row in IMPORTS {
            let kind = FuncType::new(&engine, vec![ValType::I32; row.params], [ValType::I32]);
            let call = move |mut caller: Caller<'_, Expected>, params: &[Val], results: &mut [Val]| {
                let arguments: Vec<usize> =
                    params.iter().map(|value| value.unwrap_i32() as u32 as usize).collect();
                results[0] = Val::I32(import(row.name, &mut caller, &arguments));
                Ok(())
            };
            linker.func_new(IMPORT_MODULE, row.name, kind, call).expect("a new name");
        }
        Self { engine, module, linker }
    }

    pub(crate) fn run(&self, event: &Event, state: &State) -> Expected {
        let expected = Expected { state: (*state.0).clone(), ..Expected::default() };
        let mut store = Store::new(&self.engine, expected);
        let instance = self.linker.instantiate(&mut store, &self.module).expect("an instance");
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, EXPORT_INITIALIZE) {
            initialize.call(&mut store, ()).expect("initializes");
        }
        let buffer = instance.get_typed_func::<(), i64>(&mut store, EXPORT_BUFFER).expect("a buffer");
        let pointer = buffer.call(&mut store, ()).expect("a buffer") as u32 as usize;
        let bytes = encode(event);
        let memory = instance.get_memory(&mut store, "memory").expect("a memory");
        memory.data_mut(&mut store)[pointer..pointer + bytes.len()].copy_from_slice(&bytes);
        let on_event = instance.get_typed_func::<i32, i32>(&mut store, EXPORT_ON_EVENT).expect("a handler");
        let code = on_event.call(&mut store, i32::try_from(bytes.len()).expect("small")).ok();
        let mut expected = store.into_data();
        expected.code = code;
        expected
    }
}

fn encode(event: &Event) -> Vec<u8> {
    let (code, detail) = match event.kind() {
        EventKind::Telemetry { channel } => (1, channel),
        EventKind::Message { name } => (7, name),
        _ => panic!("readings and messages only"),
    };
    let origin = event.origin();
    let source = origin.as_ref().map_or("", |origin| origin.source);
    let entity = event.entity();
    let header = EventHeader {
        code,
        entity_len: entity.name().len() as u16,
        detail_len: detail.len() as u16,
        trigger: u16::from(code == 7),
        payload_len: event.payload().len() as u32,
        offset: 7,
        received_at_ms: event.received_at_ms(),
        is_device: event.device().is_some(),
        // Guests here do not read it.
        seed: 0,
    };
    let parts = [entity.name().as_bytes(), detail.as_bytes(), &event.payload(), source.as_bytes()];
    [&header.to_bytes()[..], &parts.concat()].concat()
}

fn memory(caller: &mut Caller<'_, Expected>) -> Memory {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => memory,
        _ => panic!("no memory"),
    }
}

fn import(name: &str, caller: &mut Caller<'_, Expected>, a: &[usize]) -> i32 {
    let memory = memory(caller);
    let (bytes, host) = memory.data_and_store_mut(caller);
    let part = |bytes: &[u8], at: usize| bytes[a[at]..a[at] + a[at + 1]].to_vec();
    match name {
        "state_get" => match host.state.get(&part(bytes, 0)) {
            Some(value) => {
                let fits = value.len().min(a[3]);
                bytes[a[2]..a[2] + fits].copy_from_slice(&value[..fits]);
                value.len() as i32
            }
            None => MISSING,
        },
        "state_put" => {
            let (key, value) = (part(bytes, 0), part(bytes, 2));
            host.state.insert(key.clone(), value.clone());
            host.effects.push(Effect::StatePut { key: key.into(), value: value.into(), ttl_s: 0 });
            0
        }
        "state_delete" => {
            let key = part(bytes, 0);
            host.state.remove(&key);
            host.effects.push(Effect::StateDelete { key: key.into() });
            0
        }
        "state_scan" => scan(&host.state, &part(bytes, 0), &part(bytes, 2), &mut bytes[a[4]..a[4] + a[5]]),
        "publish" => {
            let (topic, payload) = (part(bytes, 0).into(), part(bytes, 2).into());
            host.effects.push(Effect::Publish { topic, payload });
            0
        }
        "command" => {
            let (name, payload) = (part(bytes, 0).into(), part(bytes, 2).into());
            host.effects.push(Effect::Command { name, payload, ttl_s: a[4] as u32, timeout_s: 0 });
            0
        }
        "log" => {
            let level = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error][a[0]];
            host.logs.push(LogLine { level, text: String::from_utf8_lossy(&part(bytes, 1)).into_owned() });
            0
        }
        _ => later(name, bytes, host, a),
    }
}

/// The imports for what happens later, elsewhere, or is only counted.
fn later(name: &str, bytes: &[u8], host: &mut Expected, a: &[usize]) -> i32 {
    let part = |bytes: &[u8], at: usize| bytes[a[at]..a[at] + a[at + 1]].to_vec();
    match name {
        "state_put_expiring" => {
            let (key, value) = (part(bytes, 0), part(bytes, 2));
            host.state.insert(key.clone(), value.clone());
            host.effects.push(Effect::StatePut { key: key.into(), value: value.into(), ttl_s: a[4] as u32 });
            0
        }
        "command_await" => {
            let (name, payload) = (part(bytes, 0).into(), part(bytes, 2).into());
            host.effects.push(Effect::Command { name, payload, ttl_s: a[4] as u32, timeout_s: a[5] as u32 });
            0
        }
        "send" => {
            let entity = String::from_utf8(part(bytes, 0)).expect("an entity is text");
            let entity = Entity::parse(&entity).expect("an entity").canonical().into();
            let (name, payload) = (part(bytes, 2).into(), part(bytes, 4).into());
            host.effects.push(Effect::Send { entity, name, payload, delay_s: a[6] as u32 });
            0
        }
        "timer_set" => {
            let (name, payload) = (part(bytes, 0).into(), part(bytes, 2).into());
            host.effects.push(Effect::TimerSet { name, payload, delay_s: a[4] as u32 });
            0
        }
        "timer_cancel" => {
            host.effects.push(Effect::TimerCancel { name: part(bytes, 0).into() });
            0
        }
        "twin_patch" => {
            host.effects.push(Effect::TwinPatch { patch: part(bytes, 0).into() });
            0
        }
        "metric" => {
            let kind = [MetricKind::Counter, MetricKind::Gauge][a[0]];
            let value = bytes[a[3]..a[3] + 8].try_into().expect("8 bytes");
            let (name, value_bits) = (part(bytes, 1).into(), u64::from_le_bytes(value));
            host.effects.push(Effect::Metric { name, kind, value_bits });
            0
        }
        _ => panic!("the reference host has no '{name}'"),
    }
}

fn scan(state: &BTreeMap<Vec<u8>, Vec<u8>>, prefix: &[u8], after: &[u8], out: &mut [u8]) -> i32 {
    let mut page = Vec::new();
    for (key, value) in state {
        if !key.starts_with(prefix) || (!after.is_empty() && &key[..] <= after) {
            continue;
        }
        let lengths = [&(key.len() as u16).to_le_bytes()[..], &(value.len() as u32).to_le_bytes()].concat();
        let entry = [&lengths[..], key, value].concat();
        if page.len() + entry.len() > out.len() {
            if page.is_empty() {
                return entry.len() as i32;
            }
            break;
        }
        page.extend(entry);
    }
    out[..page.len()].copy_from_slice(&page);
    page.len() as i32
}
