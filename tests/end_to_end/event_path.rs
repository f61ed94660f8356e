//! From a device's PUBLISH to the function's command, by our own client and by those that everybody has.

use crate::harness::api::Api;
use crate::harness::client::{self, Client, Packet};
use crate::harness::ledger::{self, Entry};
use crate::harness::random::Random;
use crate::harness::server::{Server, binary};
use crate::harness::{PATIENCE, wait_until};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// A server with the ledger live and one device, `engine-7`.
struct Plant {
    _directory: TempDir,
    server: Server,
    api: Api,
    token: String,
}

impl Plant {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Server::start(&directory.path().join("data"));
        let api = Api::of(&server);
        let deployed = api.deploy(&ledger::module());
        assert_eq!(deployed["name"], "ledger", "{deployed}");
        let token = api.add_device("engine-7");
        Self { _directory: directory, server, api, token }
    }

    fn connect(&self) -> Client {
        let mut client =
            Client::connect(self.server.mqtt, "engine-7", &self.token).expect("the device may connect");
        assert_eq!(client.subscribe("devices/engine-7/commands/#").expect("a SUBACK"), 1);
        client
    }
}

/// Ends a child process with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Already gone is what is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn numbered(number: u64) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    payload.extend_from_slice(b" degrees");
    payload
}

/// Reads until both the PUBACK and the command of one event are there.
fn read_answer(client: &mut Client, packet_id: u16) -> Entry {
    let (mut acked, mut entry) = (false, None);
    while !acked || entry.is_none() {
        match client.read().expect("an answer") {
            Packet::PubAck(id) => {
                assert_eq!(id, packet_id);
                acked = true;
            }
            Packet::Publish { topic, packet_id, payload } => {
                assert_eq!(topic, "devices/engine-7/commands/count");
                client.acknowledge(packet_id).expect("the connection stands");
                entry = Entry::parse(&payload);
            }
            other => panic!("not an answer: {other:?}"),
        }
    }
    entry.expect("the loop ends with an entry")
}

#[test]
fn a_reading_comes_back_as_a_command_with_the_devices_state() {
    let plant = Plant::new();
    let mut client = plant.connect();
    for number in 1..=3 {
        client.publish("devices/engine-7/telemetry/load", 10, &numbered(number)).expect("sent");
        assert_eq!(read_answer(&mut client, 10), Entry { count: number, number, not_rising: 0 });
    }
    wait_until("the metrics count three invocations", || {
        plant.api.metric("fleetfn_invocations_total") >= 3.0
    });
    assert_eq!(plant.api.metric("fleetfn_invocation_errors_total"), 0.0);
}

#[test]
fn a_command_that_meets_its_subscription_on_the_way_still_comes() {
    let plant = Plant::new();
    let mut sender =
        Client::connect_as(plant.server.mqtt, "sender", "engine-7", &plant.token).expect("a session");
    let mut random = Random::new("subscription");
    for number in 1..=300 {
        let mut client = Client::connect(plant.server.mqtt, "engine-7", &plant.token).expect("a session");
        sender.publish("devices/engine-7/telemetry/load", 1, &numbered(number)).expect("sent");
        // Before, while and after the command is made.
        std::thread::sleep(Duration::from_micros(random.below(3_000)));
        assert_eq!(client.subscribe("devices/engine-7/commands/#").expect("a SUBACK"), 1);
        match client.read() {
            Ok(Packet::Publish { packet_id, payload, .. }) => {
                client.acknowledge(packet_id).expect("the connection stands");
                assert_eq!(Entry::parse(&payload), Some(Entry { count: number, number, not_rising: 0 }));
            }
            other => panic!("command {number} did not come: {other:?}"),
        }
        assert_eq!(sender.read().expect("a PUBACK"), Packet::PubAck(1));
        let acknowledged = || plant.api.metric("fleetfn_commands_acknowledged_total");
        wait_until("the acknowledgement is counted", || acknowledged() >= as_f64(number));
    }
}

#[test]
fn the_example_counter_counts_every_channel() {
    let plant = Plant::new();
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../function-sdk/examples/counter");
    let mut build = binary();
    build.args(["fn", "build"]).arg(package).env("CARGO_TARGET_DIR", functions_directory());
    let built = build.stderr(Stdio::inherit()).output().expect("the binary starts");
    assert!(built.status.success(), "fleetfn fn build failed");
    let module = String::from_utf8(built.stdout).expect("a path");
    let mut deploy = binary();
    deploy.args(["fn", "deploy", module.trim(), "--data"]).arg(plant.server.data());
    assert!(deploy.status().expect("the binary starts").success(), "fleetfn fn deploy failed");

    let mut client = plant.connect();
    for (number, channel) in ["a", "b/c", "a"].into_iter().enumerate() {
        client.publish(&format!("devices/engine-7/telemetry/{channel}"), 3, b"21.5").expect("sent");
        let mut answers = [client.read().expect("an answer"), client.read().expect("an answer")];
        answers.sort_by_key(|packet| matches!(packet, Packet::Publish { .. }));
        let [Packet::PubAck(3), Packet::Publish { topic, packet_id, payload }] = &answers else {
            panic!("not a PUBACK and a command: {answers:?}");
        };
        client.acknowledge(*packet_id).expect("the connection stands");
        assert_eq!(topic, "devices/engine-7/commands/count");
        assert_eq!(String::from_utf8_lossy(payload), format!("{} 21.5", number + 1));
    }
}

/// Where functions are built: beside what cargo has locked while it tests.
fn functions_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("functions")
}

fn as_f64(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

#[test]
fn a_wrong_token_and_an_unknown_device_are_refused_with_connack() {
    let plant = Plant::new();
    let wrong = format!("{}x", plant.token);
    for (device, token) in
        [("engine-7", wrong.as_str()), ("engine-8", plant.token.as_str()), ("engine-7", "")]
    {
        let mut client = Client::dial(plant.server.mqtt).expect("a connection");
        client.send(&client::connect(device, device, token.as_bytes())).expect("sent");
        let answer = client.read_to_end();
        // MQTT 3.1.1, section 3.2.2.3: 4 bad user name or password, 5 not authorised.
        assert!(matches!(answer.as_slice(), [Packet::ConnAck(4 | 5)]), "{device}: {answer:?}");
    }
    plant.connect();
}

#[test]
fn a_device_reaches_only_its_own_topics() {
    let plant = Plant::new();
    let other = plant.api.add_device("engine-8");
    let mut other = Client::connect(plant.server.mqtt, "engine-8", &other).expect("the other may connect");
    assert_eq!(other.subscribe("devices/engine-8/commands/#").expect("a SUBACK"), 1);

    let mut client = plant.connect();
    for filter in ["devices/engine-8/commands/#", "devices/+/telemetry/#", "#", "$SYS/#"] {
        assert_eq!(client.subscribe(filter).expect("a SUBACK"), 0x80, "{filter}");
    }
    for topic in ["devices/engine-8/telemetry/load", "devices/engine-8/commands/open", "plant/alerts"] {
        let mut client = plant.connect();
        client.publish(topic, 1, &numbered(1)).expect("sent");
        // MQTT 3.1.1 has no way to refuse a PUBLISH but to close the connection (section 3.3.5).
        let answer = client.read_to_end();
        assert!(!answer.contains(&Packet::PubAck(1)), "{topic} was acknowledged");
    }
    other.publish("devices/engine-8/telemetry/load", 1, &numbered(1)).expect("sent");
    let answer = [other.read().expect("an answer"), other.read().expect("an answer")];
    let command = answer.iter().find_map(|packet| match packet {
        Packet::Publish { payload, .. } => Entry::parse(payload),
        _ => None,
    });
    assert_eq!(
        command,
        Some(Entry { count: 1, number: 1, not_rising: 0 }),
        "the first event is its own: {answer:?}"
    );
}

#[test]
fn an_operator_sees_live_what_a_device_publishes() {
    let plant = Plant::new();
    let mut console = Client::connect(plant.server.mqtt, "operator", plant.api.token()).expect("may connect");
    assert_eq!(console.subscribe("devices/+/telemetry/#").expect("a SUBACK"), 1);
    let mut client = plant.connect();
    client.publish("devices/engine-7/telemetry/load", 1, &numbered(9)).expect("sent");
    match console.read().expect("the reading") {
        Packet::Publish { topic, payload, .. } => {
            assert_eq!((topic.as_str(), payload), ("devices/engine-7/telemetry/load", numbered(9)));
        }
        other => panic!("not the reading: {other:?}"),
    }
}

#[test]
fn rumqttc_gets_its_command_in_both_versions_of_the_protocol() {
    let plant = Plant::new();
    let device = |id: &str| (id.to_owned(), plant.api.add_device(id));

    let (id, token) = device("v3");
    let mut options = rumqttc::MqttOptions::new(&id, "127.0.0.1", plant.server.mqtt.port());
    options.set_credentials(&id, token);
    let (client, mut events) = rumqttc::Client::new(options, 10);
    client.subscribe(format!("devices/{id}/commands/#"), rumqttc::QoS::AtLeastOnce).expect("queued");
    let topic = format!("devices/{id}/telemetry/load");
    client.publish(topic, rumqttc::QoS::AtLeastOnce, false, numbered(5)).expect("queued");
    let payload =
        std::iter::repeat_with(|| events.recv_timeout(PATIENCE).expect("in time").expect("no error"))
            .find_map(|event| match event {
                rumqttc::Event::Incoming(rumqttc::Packet::Publish(message)) => Some(message.payload),
                _ => None,
            });
    assert_eq!(payload.as_deref().and_then(Entry::parse), Some(Entry { count: 1, number: 5, not_rising: 0 }));

    let (id, token) = device("v5");
    let mut options = rumqttc::v5::MqttOptions::new(&id, "127.0.0.1", plant.server.mqtt.port());
    options.set_credentials(&id, token);
    let (client, mut events) = rumqttc::v5::Client::new(options, 10);
    let qos = rumqttc::v5::mqttbytes::QoS::AtLeastOnce;
    client.subscribe(format!("devices/{id}/commands/#"), qos).expect("queued");
    client.publish(format!("devices/{id}/telemetry/load"), qos, false, numbered(6)).expect("queued");
    let payload =
        std::iter::repeat_with(|| events.recv_timeout(PATIENCE).expect("in time").expect("no error"))
            .find_map(|event| match event {
                rumqttc::v5::Event::Incoming(rumqttc::v5::mqttbytes::v5::Packet::Publish(message)) => {
                    Some(message.payload)
                }
                _ => None,
            });
    assert_eq!(payload.as_deref().and_then(Entry::parse), Some(Entry { count: 1, number: 6, not_rising: 0 }));
}

/// Lines of a child's standard output, as they come.
fn lines(child: &mut Child) -> mpsc::Receiver<String> {
    let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[test]
fn tail_shows_an_invocation_with_fuel_and_effects() {
    let plant = Plant::new();
    let mut client = plant.connect();
    let mut tail = binary();
    tail.args(["fn", "tail", "ledger", "--data"]).arg(plant.server.data()).stdout(Stdio::piped());
    let mut tail = Ended(tail.spawn().expect("the binary starts"));
    let lines = lines(&mut tail.0);
    let mut line = None;
    let mut number = 0;
    // Tail shows what happens from when it listens, so something happens until it does.
    wait_until("tail shows an invocation", || {
        number += 1;
        client.publish("devices/engine-7/telemetry/load", 1, &numbered(number)).expect("sent");
        read_answer(&mut client, 1);
        line = lines.try_recv().ok();
        line.is_some()
    });
    let line = line.expect("the loop ends with a line");
    let shown: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(shown["function"], "ledger", "{line}");
    assert_eq!(shown["outcome"], "done", "{line}");
    assert_eq!(shown["event"]["topic"], "devices/engine-7/telemetry/load", "{line}");
    assert!(shown["fuel"].as_u64().is_some_and(|fuel| fuel > 0), "{line}");
    let kinds: Vec<_> =
        shown["effects"].as_array().expect("effects").iter().map(|effect| &effect["kind"]).collect();
    assert_eq!(kinds, ["state-put", "command"], "{line}");
}

#[test]
fn stock_clients_work_as_device_and_as_operator() {
    // Debian's mosquitto-clients; .ci/run installs them.
    if Command::new("mosquitto_sub").arg("--help").stdout(Stdio::null()).status().is_err() {
        panic!("mosquitto_sub and mosquitto_pub are needed: apt-get install mosquitto-clients");
    }
    let plant = Plant::new();
    let port = plant.server.mqtt.port().to_string();
    let as_device =
        ["-h", "127.0.0.1", "-p", &port, "-u", "engine-7", "-P", &plant.token, "-V", "mqttv5", "-q", "1"];

    let mut subscriber = Command::new("mosquitto_sub");
    subscriber.args(as_device).args(["-i", "engine-7", "-t", "devices/engine-7/commands/#", "-F", "%t %x"]);
    let mut subscriber = Ended(subscriber.stdout(Stdio::piped()).spawn().expect("mosquitto_sub starts"));
    let commands = lines(&mut subscriber.0);
    wait_until("mosquitto_sub is connected", || plant.api.metric("fleetfn_devices_online") >= 1.0);
    let publish = |topic: &str, id: &str| {
        let mut command = Command::new("mosquitto_pub");
        command.args(as_device).args(["-i", id, "-t", topic, "-m", "12345678"]);
        command.output().expect("mosquitto_pub starts")
    };
    let published = publish("devices/engine-7/telemetry/load", "engine-7-sender");
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    let line = commands.recv_timeout(PATIENCE).expect("the command comes");
    assert!(line.starts_with("devices/engine-7/commands/count 0100000000000000"), "{line}");

    let foreign = publish("devices/engine-8/telemetry/load", "engine-7-sender");
    let said = String::from_utf8_lossy(&foreign.stderr).into_owned();
    assert!(
        !foreign.status.success() || said.contains("135") || said.contains("uthori"),
        "not refused: {foreign:?}"
    );

    let mut wrong = Command::new("mosquitto_pub");
    wrong.args([
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-u",
        "engine-7",
        "-P",
        "wrong",
        "-V",
        "mqttv5",
        "-t",
        "x",
        "-m",
        "y",
    ]);
    let wrong = wrong.output().expect("mosquitto_pub starts");
    assert!(!wrong.status.success(), "a wrong token was accepted: {wrong:?}");
}
