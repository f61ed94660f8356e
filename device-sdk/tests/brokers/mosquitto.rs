//! Against mosquitto: every QoS, sessions, wills, keep alive, limits.

use crate::device::{Device, Heard};
use crate::mosquitto_program::Mosquitto;
use fleetfn_device::mqtt::{Connect, Publish, Qos, Reason, State, Will};
use std::time::{Duration, Instant};

const EVERY_QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

fn lasting(client_id: &str) -> Connect<'_> {
    Connect { clean_start: false, session_expiry_s: 3_600, ..Connect::new(client_id) }
}

#[test]
fn a_message_of_every_qos_comes_back_as_it_was_sent() {
    let mosquitto = Mosquitto::start();
    let mut device = Device::online(mosquitto.address, &Connect::new("d1"));
    assert_eq!(device.subscribe("a/#", Qos::ExactlyOnce), 2);
    for qos in EVERY_QOS {
        let payload = [qos as u8; 300];
        let publish =
            Publish { qos, user_properties: &[("effect-id", "4.0.f")], ..Publish::new("a/b", &payload) };
        device.client.publish(&publish).expect("it fits");
        let before = device.heard.len();
        device.until(|device| device.heard.len() > before);
        let expected = Heard {
            topic: "a/b".into(),
            payload: payload.to_vec(),
            qos,
            duplicate: false,
            effect: Some("4.0.f".into()),
        };
        assert_eq!(device.heard.last(), Some(&expected));
    }
    device.until(|device| device.acknowledged.len() == 2);
    assert!(device.acknowledged.iter().all(|(_, code)| *code == 0));
}

#[test]
fn a_thousand_messages_of_qos_2_come_once_each_and_in_order() {
    let mosquitto = Mosquitto::start();
    let mut device = Device::online(mosquitto.address, &Connect::new("d1"));
    device.subscribe("a", Qos::ExactlyOnce);
    let mut sent = 0_u32;
    while sent < 1_000 {
        let payload = sent.to_be_bytes();
        // A full buffer passes.
        match device.client.publish(&Publish::new("a", &payload).with_qos(Qos::ExactlyOnce)) {
            Ok(_) => sent += 1,
            Err(_) => device.step().expect("the connection stands"),
        }
    }
    device.until(|device| device.heard.len() >= 1_000 && device.acknowledged.len() == 1_000);
    let heard: Vec<Vec<u8>> = device.heard.iter().map(|heard| heard.payload.clone()).collect();
    assert_eq!(heard, (0..1_000_u32).map(|at| at.to_be_bytes().to_vec()).collect::<Vec<_>>());
}

#[test]
fn a_session_goes_on_where_its_connection_was_cut() {
    let mosquitto = Mosquitto::start();
    let mut device = Device::online(mosquitto.address, &lasting("d1"));
    device.subscribe("down", Qos::ExactlyOnce);
    let mut other = Device::online(mosquitto.address, &Connect::new("other"));
    other.subscribe("up", Qos::ExactlyOnce);
    for round in 0..20_u8 {
        // Some of it is written when the socket is closed, some is not, some is acknowledged.
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            device.client.publish(&Publish::new("up", &[round, qos as u8]).with_qos(qos)).expect("it fits");
            other.client.publish(&Publish::new("down", &[round, qos as u8]).with_qos(qos)).expect("it fits");
        }
        other.step().expect("the connection stands");
        if round % 3 > 0 {
            device.step().expect("the connection stands");
        }
        device.tcp.close(&mut device.client);
        assert!(device.connect(mosquitto.address, &lasting("d1")), "mosquitto has the session");
    }
    let of = |heard: &[Heard], qos: Qos| -> Vec<u8> {
        heard.iter().filter(|heard| heard.qos == qos).map(|heard| heard.payload[0]).collect()
    };
    let all: Vec<u8> = (0..20).collect();
    for (listener, sender) in [(&mut device, &mut other)] {
        let started = Instant::now();
        let is_done = |device: &Device| {
            let mut once = of(&device.heard, Qos::AtLeastOnce);
            once.sort_unstable();
            once.dedup();
            once == all && of(&device.heard, Qos::ExactlyOnce).len() >= 20
        };
        while !(is_done(listener) && is_done(sender)) {
            assert!(started.elapsed() < crate::device::PATIENCE, "{:?} {:?}", listener.heard, sender.heard);
            listener.step().expect("the connection stands");
            sender.step().expect("the connection stands");
        }
        assert_eq!(of(&listener.heard, Qos::ExactlyOnce), all, "exactly once, in order, down");
        assert_eq!(of(&sender.heard, Qos::ExactlyOnce), all, "exactly once, in order, up");
    }
}

#[test]
fn a_will_is_published_for_a_client_that_is_cut_off_and_not_after_a_goodbye() {
    let mosquitto = Mosquitto::start();
    let mut other = Device::online(mosquitto.address, &Connect::new("other"));
    other.subscribe("gone/+", Qos::AtLeastOnce);
    for (client_id, topic, reason) in [
        ("d1", "gone/d1", None),
        ("d2", "gone/d2", Some(Reason::SUCCESS)),
        ("d3", "gone/d3", Some(Reason::DISCONNECT_WITH_WILL)),
    ] {
        let message = Publish::new(topic, b"bye").with_qos(Qos::AtLeastOnce);
        let connect = Connect { will: Some(Will { message, delay_s: 0 }), ..Connect::new(client_id) };
        let mut device = Device::online(mosquitto.address, &connect);
        match reason {
            None => device.tcp.close(&mut device.client),
            Some(reason) => {
                device.client.disconnect(reason, device.tcp.now_ms());
                device.until(|device| !device.tcp.is_open());
            }
        }
        assert_eq!(device.client.state(), State::Offline);
    }
    other.until(|other| other.heard.len() == 2);
    let topics: Vec<&str> = other.heard.iter().map(|heard| heard.topic.as_str()).collect();
    assert_eq!(topics, ["gone/d1", "gone/d3"]);
}

#[test]
fn pings_keep_a_quiet_connection_alive() {
    let mosquitto = Mosquitto::start();
    let connect = Connect { keep_alive_s: 2, ..Connect::new("d1") };
    let mut device = Device::online(mosquitto.address, &connect);
    // mosquitto gives up one and a half times the keep alive after what it heard last.
    let until = Instant::now() + Duration::from_secs(5);
    device.until(|_| Instant::now() >= until);
    assert_eq!((device.client.state(), device.farewell), (State::Online, None));
    assert_eq!(device.publish(&Publish::new("a", b"").with_qos(Qos::AtLeastOnce)), 0x10, "nobody listens");
}

#[test]
fn what_is_longer_than_the_buffer_is_not_sent_to_it() {
    let mosquitto = Mosquitto::start();
    let mut device = Device::new(128);
    device.connect(mosquitto.address, &Connect::new("d1"));
    device.subscribe("a", Qos::AtLeastOnce);
    let mut other = Device::online(mosquitto.address, &Connect::new("other"));
    for payload in [&[7; 600][..], b"short"] {
        other.publish(&Publish::new("a", payload).with_qos(Qos::AtLeastOnce));
    }
    device.until(|device| !device.heard.is_empty());
    assert_eq!(device.payloads(), [b"short"]);
}

#[test]
fn mosquittos_own_clients_hear_and_are_heard() {
    let mosquitto = Mosquitto::start();
    let mut device = Device::online(mosquitto.address, &Connect::new("d1"));
    device.subscribe("commands/+", Qos::ExactlyOnce);
    let arguments = [
        "-q",
        "2",
        "-t",
        "commands/blink",
        "-m",
        "now",
        "-D",
        "publish",
        "user-property",
        "effect-id",
        "4.0.f",
    ];
    let sent = mosquitto.client("mosquitto_pub", &arguments).wait_with_output().expect("it was started");
    assert!(sent.status.success(), "{sent:?}");
    device.until(|device| !device.heard.is_empty());
    assert_eq!(
        (&device.heard[0].payload[..], device.heard[0].effect.as_deref()),
        (&b"now"[..], Some("4.0.f"))
    );

    let retained = Publish {
        retain: true,
        qos: Qos::AtLeastOnce,
        content_type: Some("text/plain"),
        response_topic: Some("replies"),
        correlation_data: Some(b"7"),
        user_properties: &[("unit", "C")],
        ..Publish::new("telemetry/climate", b"21.5")
    };
    device.publish(&retained);
    let arguments = ["-t", "telemetry/#", "-C", "1", "-W", "10", "-F", "%t %p %C %R %D %P"];
    let heard = mosquitto.client("mosquitto_sub", &arguments).wait_with_output().expect("it was started");
    let text = String::from_utf8_lossy(&heard.stdout).into_owned();
    assert_eq!(text.trim(), "telemetry/climate 21.5 text/plain replies 7 unit:C", "{heard:?}");
}
