//! Modules, state and events for tests.

use bytes::Bytes;
use fleetfn_abi::{IMPORTS, Import};
use fleetfn_core::deployment::{ModuleHash, Trigger};
use fleetfn_core::event::EventParts;
use fleetfn_core::invocation::{Role, StateReader, StateUnavailable};
use fleetfn_core::{Entity, Event, EventKind, Invocation, Offset};
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

/// The twin of every device.
pub(crate) const TWIN: &[u8] = br#"{"delta":{},"desired":{},"reported":{"fan":"on"},"version":7}"#;

/// State in memory; the configuration is `limit` = 30.
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
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        for (key, value) in self.0.iter() {
            let fits = key.starts_with(prefix) && after.is_none_or(|after| &key[..] > after);
            if fits && !visit(key, &Bytes::copy_from_slice(value)) {
                break;
            }
        }
        Ok(())
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(Some(Bytes::from_static(TWIN)))
    }

    fn config(&self, key: &str) -> Result<Option<Bytes>, StateUnavailable> {
        Ok((key == "limit").then(|| Bytes::from_static(b"30")))
    }
}

/// A reading of device `d-1` on channel `climate`.
pub(crate) fn event(payload: &[u8]) -> Event {
    event_on("climate", payload)
}

/// A reading of device `d-1`.
pub(crate) fn event_on(channel: &str, payload: &[u8]) -> Event {
    let parts = EventParts {
        entity: Entity::Device(DeviceId::parse("d-1").expect("an id")),
        kind: EventKind::Telemetry { channel },
        received_at_ms: 1_700_000_000_000,
        expiry_s: 0,
        message_id: "",
        origin: None,
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
        let is_message = matches!(event.kind(), EventKind::Message { .. });
        let takes = |trigger: &Trigger| is_message && matches!(trigger, Trigger::Message { .. });
        let trigger = module.manifest().triggers.iter().position(takes).unwrap_or_default();
        let trigger = u16::try_from(trigger).expect("few triggers");
        let call = Call { function, version, trigger, event, offset: Offset(7), role: Role::Live };
        self.host.call(&call, state.clone())
    }
}

/// A manifest with every grant.
pub(crate) const MANIFEST: &str = r#"{"abi":1,"name":"f","triggers":[{"telemetry":"climate"}],"publish":["alerts/#"],"command":true,
    "send":["site/+","devices/+"],"twin":true,"http":["https://api.example.com/v1/"],"secrets":["api-token"]}"#;

/// All imports, a buffer of 8 KiB at 4096 and a manifest with every grant, around what a test adds.
pub(crate) fn module(body: &str) -> String {
    module_with(MANIFEST, body)
}

/// The same with another manifest.
pub(crate) fn module_with(manifest: &str, body: &str) -> String {
    let imports: String = IMPORTS.iter().map(import).collect();
    format!(
        r#"(module
  (@custom "fleetfn_v1_manifest" "{manifest}")
  {imports}
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  {body})"#,
        manifest = manifest.replace('"', "\\\"").replace('\n', " "),
    )
}

/// One row of the table: `state_get` is `$get`, and so on.
fn import(row: &Import) -> String {
    let name = row.name;
    let short = name.strip_prefix("state_").unwrap_or(name);
    format!(
        "(import \"fleetfn_v1\" \"{name}\" (func ${short} (param {}) (result i32)))\n",
        "i32 ".repeat(row.params)
    )
}

/// The same, where `body` is only what the handler does; it may use `$len`.
pub(crate) fn handler(body: &str) -> String {
    module(&format!(r#"(func (export "fleetfn_v1_on_event") (param $len i32) (result i32) {body})"#))
}
