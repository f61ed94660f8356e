//! Our broker with what it needs of the rest, played by the test: everybody's password is `secret`, everything is
//! durable at once.

use fleetfn_broker::{
    Broker, Busy, Config, Directory, Ingress, Message, MessageKind, Outcome, Parcel, Principal, Receipt,
    Refused, Reports,
};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

/// What the broker did.
#[derive(Default)]
struct Backend {
    /// Topics and payloads.
    admitted: Mutex<Vec<(String, Vec<u8>)>>,
    /// The ids of those, in the same order.
    ids: Mutex<Vec<String>>,
    acknowledged: Mutex<Vec<EffectId>>,
    /// How often a device began to listen.
    listening: AtomicUsize,
}

impl Ingress for Backend {
    fn admit(&self, message: &Message<'_>, receipt: Arc<dyn Receipt>) -> Result<(), Busy> {
        if let MessageKind::Published(topic) = message.kind {
            self.ids.lock().expect("nobody panics").push(message.message_id.to_owned());
            self.admitted.lock().expect("nobody panics").push((topic.to_string(), message.payload.to_vec()));
        }
        receipt.settled(Outcome::Durable);
        Ok(())
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

impl Directory for Backend {
    fn authenticate(&self, username: &str, password: &[u8]) -> Result<Principal, Refused> {
        let device = DeviceId::parse(username).map_err(|_| Refused::BadCredentials)?;
        if password == b"secret" { Ok(Principal::Device(device)) } else { Err(Refused::BadCredentials) }
    }
}

impl Reports for Backend {
    fn acknowledged(&self, _: DeviceId, effect: EffectId) {
        self.acknowledged.lock().expect("nobody panics").push(effect);
    }

    fn listening(&self, _: DeviceId) {
        self.listening.fetch_add(1, Ordering::SeqCst);
    }
}

/// A broker that runs on threads of its own.
pub(crate) struct Fleet {
    backend: Arc<Backend>,
    broker: Broker,
    /// Ends behind the broker.
    _runtime: Runtime,
}

impl Fleet {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let backend = Arc::new(Backend::default());
        let config = Config { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..Config::default() };
        let [ingress, directory, reports] = [0; 3].map(|_| Arc::clone(&backend));
        let started = runtime.block_on(Broker::start(config, ingress, directory, reports));
        Self { backend, broker: started.expect("the broker starts"), _runtime: runtime }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.broker.address()
    }

    pub(crate) fn admitted(&self) -> Vec<(String, Vec<u8>)> {
        self.backend.admitted.lock().expect("nobody panics").clone()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.backend.ids.lock().expect("nobody panics").clone()
    }

    pub(crate) fn acknowledged(&self) -> Vec<String> {
        self.backend.acknowledged.lock().expect("nobody panics").iter().map(EffectId::to_string).collect()
    }

    /// How often a device began to listen.
    pub(crate) fn listening(&self) -> usize {
        self.backend.listening.load(Ordering::SeqCst)
    }

    /// Hands a command to the device `d1`, which must listen.
    pub(crate) fn command(&self, offset: u64) {
        self.deliver(offset, "commands/blink", "now");
    }

    /// Hands a message below its topics to the device `d1`, which must listen.
    pub(crate) fn deliver(&self, offset: u64, topic: &str, payload: &'static str) {
        let effect = EffectId { offset, function: FunctionName::parse("f").expect("a name"), index: 0 };
        let topic = format!("devices/d1/{topic}");
        let parcel = Parcel { effect, topic, payload: payload.into(), expires_at_ms: u64::MAX };
        let device = DeviceId::parse("d1").expect("a name");
        self.broker.mailboxes().begin(&device);
        self.broker.mailboxes().deliver(&device, parcel).expect("it listens");
    }
}
