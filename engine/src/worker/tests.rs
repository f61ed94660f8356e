//! Workers in a whole engine, with MQTT clients on loopback.

use crate::engine::{Engine, Options};
use crate::registry::{Access, Mode};
use bytes::Bytes;
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Counts the events of a device, and sends it the count as eight bytes.
const COUNTER: &str = r##"(module
  (import "fleetfn_v1" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "command" (func $command (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "n")
  (data (i32.const 16) "count")
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param i32) (result i32)
    (drop (call $get (i32.const 0) (i32.const 1) (i32.const 32) (i32.const 8)))
    (i64.store (i32.const 32) (i64.add (i64.load (i32.const 32)) (i64.const 1)))
    (drop (call $put (i32.const 0) (i32.const 1) (i32.const 32) (i32.const 8)))
    (drop (call $command (i32.const 16) (i32.const 5) (i32.const 32) (i32.const 8) (i32.const 600)))
    (i32.const 0))
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"counter\",\"triggers\":[{\"telemetry\":\"#\"}],\"publish\":[],\"command\":true}"))"##;

async fn start(data: &Path) -> Engine {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = Options { access: Access::Open, ..Options::new(data.into(), anywhere) };
    Engine::start(options).await.expect("starts")
}

/// Waits until something is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it is still not so: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A connected client. What it receives is acknowledged at once.
struct Peer {
    client: Client,
    received: Receiver<Bytes>,
}

impl Peer {
    fn connect(engine: &Engine, username: &str, filter: &str) -> Self {
        let address = engine.mqtt_address();
        let mut options =
            MqttOptions::new(format!("{username}-client"), address.ip().to_string(), address.port());
        options.set_credentials(username, "");
        let (client, mut connection) = Client::new(options, 64);
        let (sender, received) = channel();
        let (ready, subscribed) = channel();
        client.subscribe(filter, QoS::AtLeastOnce).expect("has room");
        std::thread::spawn(move || {
            // Ends with the connection: nothing here connects twice.
            for event in connection.iter().map_while(Result::ok) {
                let told = match event {
                    Event::Incoming(Packet::SubAck(_)) => ready.send(()).is_ok(),
                    Event::Incoming(Packet::Publish(publish)) => sender.send(publish.payload).is_ok(),
                    _ => true,
                };
                if !told {
                    return;
                }
            }
        });
        subscribed.recv_timeout(PATIENCE).expect("is subscribed");
        Self { client, received }
    }

    fn device(engine: &Engine) -> Self {
        Self::connect(engine, "dev-1", "devices/dev-1/commands/+")
    }

    fn send(&self, topic: &str, payload: &[u8]) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).expect("has room");
    }

    fn read(&self) {
        self.send("devices/dev-1/telemetry/climate", b"21.5");
    }

    fn counts(&self, count: usize) -> Vec<u64> {
        let next = || self.received.recv_timeout(PATIENCE).expect("a command");
        let count = (0..count).map(|_| next());
        count.map(|payload| u64::from_le_bytes(payload[..].try_into().expect("eight bytes"))).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_event_is_tried_again_before_those_behind_it() {
    let data = tempfile::tempdir().expect("a directory");
    let engine = start(data.path()).await;
    let wasm = wat::parse_str(COUNTER).expect("a module");
    let version = engine.deploy(wasm.into(), Mode::Perform).await.expect("deploys").version;
    let module = data.path().join("modules").join(format!("{version}.wasm"));
    let away = module.with_extension("away");
    std::fs::rename(&module, &away).expect("renames");
    let device = Peer::device(&engine);
    (0..5).for_each(|_| device.read());
    until("an event is interrupted", || engine.metrics().interrupted.get() > 0);
    std::fs::rename(&away, &module).expect("renames");
    assert_eq!(device.counts(5), [1, 2, 3, 4, 5]);
    assert_eq!(engine.store().view().dead_letters(None, 10).expect("reads"), []);
    engine.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_wait_for_their_device_and_arrive_in_order_once() {
    let data = tempfile::tempdir().expect("a directory");
    let engine = start(data.path()).await;
    let operator = Peer::connect(&engine, "operator", "nothing");
    let ask = |count: u64| operator.send("devices/dev-1/commands/count", &count.to_le_bytes());
    (1..=100).for_each(ask);
    until("100 commands wait", || engine.status().commands == 100);
    let device = Peer::device(&engine);
    assert_eq!(device.counts(100), (1..=100).collect::<Vec<_>>());
    until("all are acknowledged", || engine.status().commands_acknowledged == 100);
    drop(device);
    let device = Peer::device(&engine);
    ask(101);
    assert_eq!(device.counts(1), [101]);
    engine.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_the_last_commit_was() {
    let data = tempfile::tempdir().expect("a directory");
    let engine = start(data.path()).await;
    engine.deploy(wat::parse_str(COUNTER).expect("a module").into(), Mode::Perform).await.expect("deploys");
    let device = Peer::device(&engine);
    (0..50).for_each(|_| device.read());
    assert_eq!(device.counts(50), (1..=50).collect::<Vec<_>>());
    until("all are acknowledged", || engine.status().commands_acknowledged == 50);
    engine.shutdown().await.expect("stops");
    drop((engine, device));
    let engine = start(data.path()).await;
    let device = Peer::device(&engine);
    device.read();
    assert_eq!(device.counts(1), [51]);
    engine.shutdown().await.expect("stops");
}
