//! The clients that everybody has, in both versions.

use crate::backend::{PATIENCE, start};
use fleetfn_broker::Broker;
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn command(program: &str, broker: &Broker, user: &str, version: &str, rest: &[&str]) -> Command {
    let address = broker.address();
    let mut command = Command::new(program);
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string(), "-V", version]);
    command.args(["-u", user, "-P", "secret"]).args(rest).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn finish(child: Child) -> Output {
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = tokio::time::timeout(PATIENCE, waiting).await.expect("it ends in time").expect("no panic");
    output.expect("it was started")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_mosquitto_pub_sends_mosquitto_sub_hears() {
    let (broker, _backend) = start().await;
    let publisher = broker.publisher();
    for (version, qos) in [("mqttv311", "0"), ("mqttv311", "1"), ("mqttv5", "0"), ("mqttv5", "1")] {
        let arguments = ["-q", qos, "-t", "devices/+/telemetry/#", "-C", "1", "-v", "-W", "10"];
        let hears =
            command("mosquitto_sub", &broker, "viewer", version, &arguments).spawn().expect("installed");
        // Nothing else says that it has subscribed.
        let listens = async {
            while !publisher.wanted("devices/d1/telemetry/t") {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, listens).await.expect("it subscribes");
        // Wanted a moment before the router has the filter: the sender repeats.
        let arguments = [
            "-q",
            qos,
            "-t",
            "devices/d1/telemetry/t",
            "-m",
            "21.5",
            "--repeat",
            "20",
            "--repeat-delay",
            "0.05",
        ];
        let sends = command("mosquitto_pub", &broker, "d1", version, &arguments).spawn().expect("installed");
        let heard = finish(hears).await;
        let text = String::from_utf8_lossy(&heard.stdout).into_owned();
        assert_eq!(text, "devices/d1/telemetry/t 21.5\n", "{}", String::from_utf8_lossy(&heard.stderr));
        assert!(finish(sends).await.status.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_sub_receives_a_command() {
    for version in ["mqttv311", "mqttv5"] {
        let (broker, backend) = start().await;
        let arguments = ["-q", "1", "-t", "devices/d1/#", "-C", "1", "-W", "10"];
        let hears = command("mosquitto_sub", &broker, "d1", version, &arguments).spawn().expect("installed");
        backend.until(|state| !state.reports.is_empty()).await;
        let effect = EffectId { offset: 1, function: FunctionName::parse("f").expect("a name"), index: 0 };
        let topic = "devices/d1/commands/blink".to_owned();
        let parcel = fleetfn_broker::Parcel { effect, topic, payload: "now".into(), expires_at_ms: u64::MAX };
        let id = DeviceId::parse("d1").expect("a name");
        broker.mailboxes().begin(&id);
        broker.mailboxes().deliver(&id, parcel).expect("it listens");
        assert_eq!(finish(hears).await.stdout, b"now\n");
        backend.until(|state| state.story().last() == Some(&"disconnected: goodbye")).await;
        assert_eq!(backend.look(|state| state.reports.len()), 2, "it was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_pub_is_told_that_it_may_not() {
    let (broker, _backend) = start().await;
    let arguments = ["-q", "1", "-t", "devices/d2/telemetry/t", "-m", "x"];
    let refused = command("mosquitto_pub", &broker, "d1", "mqttv5", &arguments).spawn().expect("installed");
    let said = finish(refused).await;
    assert!(String::from_utf8_lossy(&said.stderr).contains("Not authorized"), "{said:?}");
}
