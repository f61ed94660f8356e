//! Against our own broker: telemetry, commands with their effect ids, refusals.

use crate::backend::Fleet;
use crate::device::{Device, Heard};
use fleetfn_device::mqtt::{Connect, Credentials, Misuse, Publish, Qos, Reason, State};
use std::time::{Duration, Instant};

const TELEMETRY: &str = "devices/d1/telemetry/climate";

fn connect() -> Connect<'static> {
    Connect { credentials: Some(Credentials { username: "d1", password: b"secret" }), ..Connect::new("d1") }
}

#[test]
fn telemetry_is_admitted_and_acknowledged() {
    let fleet = Fleet::start();
    let mut device = Device::online(fleet.address(), &connect());
    device.client.publish(&Publish::new(TELEMETRY, b"0")).expect("it fits");
    assert_eq!(device.publish(&Publish::new(TELEMETRY, b"1").with_qos(Qos::AtLeastOnce)), 0);
    let expected = [(TELEMETRY.to_owned(), b"0".to_vec()), (TELEMETRY.to_owned(), b"1".to_vec())];
    assert_eq!(fleet.admitted(), expected);
}

#[test]
fn a_command_carries_its_effect_id_and_is_acknowledged_once_it_is_handled() {
    let fleet = Fleet::start();
    let mut device = Device::online(fleet.address(), &connect());
    assert_eq!(device.subscribe("devices/d1/commands/+", Qos::AtLeastOnce), 1);
    fleet.command(4);
    device.until(|device| !device.heard.is_empty());
    let expected = Heard {
        topic: "devices/d1/commands/blink".into(),
        payload: b"now".to_vec(),
        qos: Qos::AtLeastOnce,
        duplicate: false,
        effect: Some("4.0.f".into()),
    };
    assert_eq!(device.heard, [expected]);
    device.until(|_| fleet.acknowledged() == ["4.0.f"]);
}

#[test]
fn what_was_sent_before_the_connection_was_cut_is_sent_again() {
    let fleet = Fleet::start();
    let mut device = Device::online(fleet.address(), &connect());
    for at in 0..10_u8 {
        device.client.publish(&Publish::new(TELEMETRY, &[at]).with_qos(Qos::AtLeastOnce)).expect("it fits");
        if at % 2 == 0 {
            device.step().expect("the connection stands");
        }
        device.tcp.close(&mut device.client);
        assert!(!device.connect(fleet.address(), &connect()), "our broker keeps no sessions");
    }
    device.until(|device| device.acknowledged.len() == 10);
    let mut admitted: Vec<u8> = fleet.admitted().iter().map(|(_, payload)| payload[0]).collect();
    admitted.sort_unstable();
    admitted.dedup();
    assert_eq!(admitted, (0..10).collect::<Vec<u8>>());
}

#[test]
fn what_our_broker_does_not_offer_is_refused_before_it_is_sent() {
    let fleet = Fleet::start();
    let mut device = Device::online(fleet.address(), &connect());
    let exactly = Publish::new(TELEMETRY, b"").with_qos(Qos::ExactlyOnce);
    assert_eq!(device.client.publish(&exactly), Err(Misuse::Qos.into()));
    let retained = Publish { retain: true, ..Publish::new(TELEMETRY, b"") };
    assert_eq!(device.client.publish(&retained), Err(Misuse::Retain.into()));
    assert_eq!(device.subscribe("devices/d1/#", Qos::ExactlyOnce), 1, "QoS 2 is granted as QoS 1");
    assert_eq!(device.subscribe("devices/d2/#", Qos::AtLeastOnce), Reason::NOT_AUTHORIZED.code());
    let foreign = Publish::new("devices/d2/telemetry/t", b"").with_qos(Qos::AtLeastOnce);
    assert_eq!(device.publish(&foreign), Reason::NOT_AUTHORIZED.code());
}

#[test]
fn a_wrong_password_is_refused() {
    let fleet = Fleet::start();
    let mut device = Device::new(256);
    let credentials = Credentials { username: "d1", password: b"guess" };
    let connect = Connect { credentials: Some(credentials), ..Connect::new("d1") };
    device.tcp.open(&mut device.client, fleet.address(), &connect).expect("the server listens");
    device.until(|device| !device.tcp.is_open());
    assert_eq!((device.answered.as_slice(), device.client.state()), (&[0x86][..], State::Offline));
}

#[test]
fn a_second_client_of_the_same_id_takes_over_and_the_first_is_told() {
    let fleet = Fleet::start();
    let mut first = Device::online(fleet.address(), &connect());
    let mut second = Device::online(fleet.address(), &connect());
    first.until(|first| !first.tcp.is_open());
    assert_eq!(first.farewell, Some(Reason::SESSION_TAKEN_OVER.code()));
    assert_eq!(second.publish(&Publish::new(TELEMETRY, b"").with_qos(Qos::AtLeastOnce)), 0);
}

#[test]
fn pings_keep_a_quiet_connection_alive() {
    let fleet = Fleet::start();
    let mut device = Device::online(fleet.address(), &Connect { keep_alive_s: 2, ..connect() });
    let until = Instant::now() + Duration::from_secs(5);
    device.until(|_| Instant::now() >= until);
    assert_eq!((device.client.state(), device.farewell), (State::Online, None));
}
