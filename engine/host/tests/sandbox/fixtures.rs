//! Modules, state and events for tests.

use bytes::Bytes;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::event::EventParts;
use fleetfn_core::invocation::{StateReader, StateUnavailable};
use fleetfn_core::{Event, EventKind, Invocation, Offset};
use fleetfn_host::{Call, Host, Limits, Module, ModuleSource, admit};
use fleetfn_protocol::DeviceId;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// Modules in memory.
#[derive(Clone, Default)]
pub(crate) struct Library(Arc<Mutex<HashMap<ModuleHash, Vec<u8>>>>);

impl Library {
    /// Admits a module and keeps it.
    pub(crate) fn add(&self, wasm: &[u8]) -> Result<Module, fleetfn_host::admission::Error> {
        let module = admit(wasm)?;
        self.0.lock().expect("not poisoned").insert(module.hash(), wasm.to_vec());
        Ok(module)
    }
}

impl ModuleSource for Library {
    fn read(&self, hash: &ModuleHash) -> std::io::Result<Vec<u8>> {
        let modules = self.0.lock().expect("not poisoned");
        modules.get(hash).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

/// State in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct State(pub(crate) Rc<BTreeMap<Vec<u8>, Vec<u8>>>);

impl State {
    pub(crate) fn of(entries: &[(&str, &str)]) -> Self {
        let entry = |(key, value): &(&str, &str)| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        Self(Rc::new(entries.iter().map(entry).collect()))
    }
}

impl StateReader for State {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.0.get(key).map(|value| Bytes::copy_from_slice(value)))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateUnavailable> {
        for (key, value) in self.0.iter() {
            if key.starts_with(prefix) && after.is_none_or(|after| &key[..] > after) && !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

/// A reading of device `d-1` on channel `climate`.
pub(crate) fn event(payload: &[u8]) -> Event {
    event_on("climate", payload)
}

/// A reading of device `d-1`.
pub(crate) fn event_on(channel: &str, payload: &[u8]) -> Event {
    let parts = EventParts {
        device: DeviceId::parse("d-1").ok(),
        kind: EventKind::Telemetry { channel },
        received_at_ms: 1_700_000_000_000,
        expiry_s: 0,
        message_id: "",
        payload,
    };
    Event::decode(parts.encode().expect("fits")).expect("an event")
}

/// A host with modules.
pub(crate) struct Bench {
    pub(crate) library: Library,
    pub(crate) host: Host,
}

impl Bench {
    pub(crate) fn new(limits: Limits) -> Self {
        let library = Library::default();
        Self { host: Host::new(limits, Box::new(library.clone())), library }
    }

    /// Runs a module for an event at offset 7.
    pub(crate) fn handle(&mut self, module: &Module, event: &Event, state: &State) -> Invocation {
        let (function, version) = (module.manifest().name, module.hash());
        let call = Call { function, version, trigger: 0, event, offset: Offset(7) };
        self.host.call(&call, state.clone())
    }
}

/// All imports, a buffer of 8 KiB at 4096 and a manifest with every grant, around what a test adds.
pub(crate) fn module(body: &str) -> String {
    format!(
        r#"(module
  (@custom "fleetfn_v1_manifest" "{{\"abi\":1,\"name\":\"f\",\"triggers\":[{{\"telemetry\":\"climate\"}}],\"publish\":[\"alerts/#\"],\"command\":true}}")
  (import "fleetfn_v1" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "state_delete" (func $delete (param i32 i32) (result i32)))
  (import "fleetfn_v1" "state_scan" (func $scan (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "command" (func $command (param i32 i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  {body})"#
    )
}

/// The same, where `body` is only what the handler does; it may use `$len`.
pub(crate) fn handler(body: &str) -> String {
    module(&format!(r#"(func (export "fleetfn_v1_on_event") (param $len i32) (result i32) {body})"#))
}
