//! The driver for hosts against our own broker.

use crate::backend::Fleet;
use crate::device::PATIENCE;
use fleetfn_device::host::{Command, Config, Device, Error, Status, Trouble};
use fleetfn_device::mqtt::{Misuse, Reason};
use fleetfn_protocol::DeviceId;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

fn config(token: &str) -> Config {
    Config::new(DeviceId::parse("d1").expect("a name"), token)
}

/// Runs a test on a thread of its own, with a deadline.
fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("it ends in time") })
}

#[test]
fn what_was_sent_is_on_disk_and_what_is_asked_is_heard() {
    let fleet = Fleet::start();
    run(async {
        let device = Device::connect(fleet.address(), config("secret"));
        device.send("climate", b"21.5").await.expect("it is durable");
        assert_eq!(device.listening().await, Ok(()));
        fleet.command(4);
        let command = device.command().await.expect("it is open");
        let expected = Command {
            name: "blink".into(),
            payload: b"now".to_vec(),
            effect: "4.0.f".into(),
            expiry_s: None,
        };
        assert_eq!(command, expected);
        device.reply(&command.name, b"done").await.expect("it is durable");
        fleet.deliver(5, "twin/desired", "{\"version\":1}");
        assert_eq!(&*device.desired().await.expect("it is open"), b"{\"version\":1}");
        device.report(b"{\"led\":1}").await.expect("it is durable");
        device.close().await;
    });
    let topics: Vec<String> = fleet.admitted().into_iter().map(|(topic, _)| topic).collect();
    let expected =
        ["devices/d1/telemetry/climate", "devices/d1/commands/blink/reply", "devices/d1/twin/reported"];
    assert_eq!(topics, expected);
    assert_eq!(fleet.acknowledged(), ["4.0.f", "5.0.f"]);
}

#[test]
fn errors_say_by_whose_fault_they_are() {
    let fleet = Fleet::start();
    run(async {
        // Less than the server takes, so that it is the same before and after it has said how much that is.
        let small = Config { send_bytes: 4_096, ..config("secret") };
        let device = Device::connect(fleet.address(), small);
        assert_eq!(device.send("a/+", b"").await, Err(Error::Caller(Misuse::TopicName)));
        let too_long = vec![0; 10_000];
        assert_eq!(device.send("a", &too_long).await, Err(Error::Caller(Misuse::LongerThanBuffer)));
        device.close().await;

        let guess = Device::connect(fleet.address(), config("guess"));
        assert_eq!(guess.listening().await, Err(Trouble::Refused(Reason::BAD_CREDENTIALS)));
        assert_eq!(guess.status(), Status::Waiting(Trouble::Refused(Reason::BAD_CREDENTIALS)));

        let free = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let nowhere = free.local_addr().expect("it has an address");
        drop(free);
        let alone = Device::connect(nowhere.to_string(), config("secret"));
        let trouble = alone.listening().await;
        assert_eq!(trouble, Err(Trouble::Unreachable(std::io::ErrorKind::ConnectionRefused)));
    });
}

#[test]
fn what_is_given_up_early_is_sent_or_not_but_nothing_is_lost_or_stuck() {
    let fleet = Fleet::start();
    run(async {
        let device = Device::connect(fleet.address(), config("secret"));
        for _ in 0..50 {
            let _ = tokio::time::timeout(Duration::from_micros(300), device.send("a", b"early")).await;
        }
        // Nobody waits for a command, then somebody does, gives up, and somebody else gets it.
        device.listening().await.expect("it listens");
        let _ = tokio::time::timeout(Duration::from_millis(5), device.command()).await;
        fleet.command(4);
        device.send("a", b"last").await.expect("it is durable");
        assert_eq!(device.command().await.expect("it is open").effect, "4.0.f");
        device.close().await;
    });
    let last = fleet.admitted().last().cloned();
    assert_eq!(last.map(|(_, payload)| payload), Some(b"last".to_vec()), "the order is that of the calls");
}

#[test]
fn commands_beyond_what_waits_here_are_left_with_the_server() {
    let fleet = Fleet::start();
    run(async {
        let device = Device::connect(fleet.address(), config("secret"));
        device.listening().await.expect("it listens");
        for offset in 0..30 {
            fleet.command(offset);
        }
        while fleet.acknowledged().len() < 16 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(fleet.acknowledged().len(), 16, "the next one waits to be taken");
        for offset in 0..30_u64 {
            let command = device.command().await.expect("it is open");
            assert_eq!(command.effect, format!("{offset}.0.f"));
        }
        while fleet.acknowledged().len() < 30 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        device.close().await;
    });
}
