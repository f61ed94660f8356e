//! The driver for asynchronous firmware against our own broker: what tasks say and hear, and what a cut leaves.

use crate::backend::Fleet;
use crate::device::PATIENCE;
use crate::flash::Flash;
use crate::tcp::Tcp;
use fleetfn_device::agent::Identity;
use fleetfn_device::embassy::{Device, Error, Layout, Misuse, Resources, Shortage, new};
use fleetfn_device::outbox::Policy;
use fleetfn_protocol::DeviceId;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    period_s: u16,
}

/// How long the test looks away while the device goes on.
const MOMENT: Duration = Duration::from_millis(5);

/// One life of the device `d1` on a flash: from power on to the end of `story`, when the power goes.
fn live<T>(flash: &Flash, server: &str, story: impl AsyncFnOnce(Device<'_>) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut resources: Resources<'_, 512, 1024, 160> = Resources::new();
    let identity = Identity::new(DeviceId::parse("d1").expect("a name"), b"secret");
    let (device, runner) = new(&mut resources, identity);
    let layout = Layout { outbox: 0..1024, policy: Policy::RefuseNew, twin: 1024..1536 };
    runtime.block_on(async {
        let run = pin!(runner.run(Tcp::new(server.to_owned()), flash.clone(), layout, || 7));
        tokio::select! {
            error = run => unreachable!("it cannot run: {error}"),
            told = tokio::time::timeout(PATIENCE, story(device)) => told.expect("it comes to an end"),
        }
    })
}

/// Waits until the broker has seen that.
async fn until(mut seen: impl FnMut() -> bool) {
    let started = Instant::now();
    while !seen() {
        assert!(started.elapsed() < PATIENCE, "it never happened");
        tokio::time::sleep(MOMENT).await;
    }
}

/// Polls a future once, and drops it.
async fn give_up<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

fn payloads(fleet: &Fleet, topic: &str) -> Vec<Vec<u8>> {
    let wanted =
        |(name, payload): (String, Vec<u8>)| (name == format!("devices/d1/{topic}")).then_some(payload);
    fleet.admitted().into_iter().filter_map(wanted).collect()
}

#[test]
fn a_command_counts_as_done_when_the_task_has_done_it() {
    let fleet = Fleet::start();
    live(&Flash::new(), &fleet.address().to_string(), async |device| {
        device.send("climate", &(21_u8, 5_u8)).await.expect("it is kept");
        until(|| fleet.listening() > 0).await;
        until(|| payloads(&fleet, "telemetry/climate") == [[21, 5]]).await;
        fleet.command(4);
        let command = device.command().await;
        assert_eq!((command.name(), command.payload()), ("blink", Ok(&b"now"[..])));
        assert_eq!(command.parse_json::<u8>(), Err(Error::Peer));
        // What is said meanwhile goes up, and nothing is acknowledged.
        device.send_bytes("climate", b"meanwhile").await.expect("it is kept");
        until(|| payloads(&fleet, "telemetry/climate").len() == 2).await;
        assert_eq!(fleet.acknowledged(), [""; 0]);
        command.reply(&9_u8).expect("it fits");
        until(|| payloads(&fleet, "commands/blink/reply") == [[9]]).await;
        until(|| fleet.acknowledged() == ["4.0.f"]).await;
    });
}

#[test]
fn a_command_that_was_not_done_when_the_power_went_comes_again() {
    let (fleet, flash) = (Fleet::start(), Flash::new());
    let address = fleet.address().to_string();
    live(&flash, &address, async |device| {
        until(|| fleet.listening() > 0).await;
        fleet.command(4);
        let command = device.command().await;
        // The power goes with the command in the task's hands.
        std::mem::forget(command);
    });
    assert_eq!(fleet.acknowledged(), [""; 0]);
    let before = fleet.listening();
    live(&flash, &address, async |device| {
        until(|| fleet.listening() > before).await;
        // As the engine's outbox does when the device listens again.
        fleet.command(4);
        drop(device.command().await);
        until(|| fleet.acknowledged() == ["4.0.f"]).await;
    });
}

#[test]
fn what_is_desired_is_known_after_a_reboot_without_a_network() {
    let (fleet, flash) = (Fleet::start(), Flash::new());
    live(&flash, &fleet.address().to_string(), async |device| {
        device.report(&Settings { period_s: 1 }).await.expect("it is kept");
        until(|| fleet.listening() > 0).await;
        until(|| payloads(&fleet, "twin/reported") == [br#"{"period_s":1}"#]).await;
        for (offset, document) in [
            (5, r#"{"desired":{"period_s":7},"version":2}"#),
            (6, r#"{"desired":{"period_s":"often"},"version":3}"#),
            (7, r#"{"desired":{"period_s":9,"more":{"x":[1]}},"version":4}"#),
        ] {
            fleet.deliver(offset, "twin/desired", document);
            let desired = device.desired::<Settings>().await;
            match offset {
                5 => assert_eq!(desired, Ok(Settings { period_s: 7 })),
                6 => assert_eq!(desired, Err(Error::Peer)),
                _ => assert_eq!(desired, Ok(Settings { period_s: 9 })),
            }
        }
        until(|| fleet.acknowledged().len() == 3).await;
    });
    live(&flash, "127.0.0.1:1", async |device| {
        assert_eq!(device.desired::<Settings>().await, Ok(Settings { period_s: 9 }));
        assert_eq!(give_up(device.desired::<Settings>()).await, None, "it is told once");
    });
}

#[test]
fn what_is_desired_is_told_only_if_it_would_be_told_after_a_reboot_too() {
    // It fits the buffer, but not together with what a read of the flash needs.
    let longer = r#"{"desired":{"period_s":8,"text":"----------------------------------------------------------------------------------------"},"version":5}"#;
    assert!((129..160).contains(&longer.len()), "{}", longer.len());
    let (fleet, flash) = (Fleet::start(), Flash::new());
    live(&flash, &fleet.address().to_string(), async |device| {
        until(|| fleet.listening() > 0).await;
        fleet.deliver(5, "twin/desired", r#"{"desired":{"period_s":7},"version":4}"#);
        assert_eq!(device.desired().await, Ok(Settings { period_s: 7 }));
        fleet.deliver(6, "twin/desired", longer);
        assert_eq!(device.desired::<Settings>().await, Err(Misuse::TooLong.into()));
        until(|| fleet.acknowledged().len() == 2).await;
    });
    live(&flash, "127.0.0.1:1", async |device| {
        assert_eq!(device.desired().await, Ok(Settings { period_s: 7 }));
    });
}

#[test]
fn what_is_given_up_half_way_is_kept_whole_or_not_at_all() {
    let (fleet, flash) = (Fleet::start(), Flash::new());
    live(&flash, &fleet.address().to_string(), async |device| {
        for number in 0..40_u8 {
            assert!(give_up(device.command()).await.is_none());
            if give_up(device.send_bytes("climate", &[number; 9])).await.is_none() {
                tokio::task::yield_now().await;
            }
        }
        // There is room again when something was delivered.
        while device.send_bytes("climate", b"the last").await == Err(Shortage::Full.into()) {
            tokio::time::sleep(MOMENT).await;
        }
        until(|| payloads(&fleet, "telemetry/climate").last().is_some_and(|last| last == b"the last")).await;
        let payloads = payloads(&fleet, "telemetry/climate");
        assert!(payloads.iter().rev().skip(1).all(|payload| payload.len() == 9), "{payloads:?}");
        let numbers: Vec<u8> = payloads.iter().rev().skip(1).rev().map(|payload| payload[0]).collect();
        assert!(numbers.is_sorted_by(|first, second| first < second), "none comes twice: {numbers:?}");
    });
}

#[test]
fn what_cannot_be_said_is_refused_as_the_callers() {
    live(&Flash::new(), "127.0.0.1:1", async |device| {
        assert_eq!(device.send("", &1_u8).await, Err(Misuse::Channel.into()));
        assert_eq!(device.send_bytes("climate", &[0; 200]).await, Err(Misuse::TooLong.into()));
        assert_eq!(device.send("climate", &1_u8).await, Ok(()));
    });
}
