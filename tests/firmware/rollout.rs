//! Real firmware is updated by a rollout, and the report says how each board fared.

use crate::emulated::{Emulated, can_run};
use crate::harness::wait_until;
use crate::plant::Plant;
use crate::vendor::{FIRST, Vendor, second};
use fleetfn_qemu::Board;
use serde_json::Value;

/// How a rollout goes, as the command line says it.
fn status(plant: &Plant) -> Value {
    let printed = plant.fleetfn(&["rollout", "status", "second", "-o", "json"]);
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("not JSON: {printed}"))
}

fn count(status: &Value, what: &str) -> u64 {
    status["phases"][0]["tally"][what].as_u64().unwrap_or(0)
}

fn start(plant: &Plant, vendor: &Vendor, id: &str) -> Emulated {
    let mut board = plant.device_with_keys(Board::Mps2An385, id, &[vendor.public]);
    board.power_on();
    board.until(&format!("{id} starts, version {FIRST}"));
    board.until("reading 1");
    board
}

/// The image works on one board, and on the other, which loses its network when it tries it, it does not.
#[test]
fn a_rollout_reports_the_board_that_kept_the_image_and_the_one_that_put_it_back() {
    if !can_run(Board::Mps2An385) {
        return;
    }
    let plant = Plant::new();
    let vendor = Vendor::new(&plant, "signer.pem");
    let release = vendor.publish(&plant, &second());
    let mut good = start(&plant, &vendor, "room-1");
    let mut bad = start(&plant, &vendor, "room-2");
    let policy = plant.file("policy.json");
    std::fs::write(&policy, r#"{"retries": {"attempts": 1}}"#).expect("a file can be written");
    plant.fleetfn(&[
        "rollout",
        "start",
        "second",
        "--release",
        &release,
        "--where",
        "product==room-sensor",
        "--phases",
        "100%",
        "--policy",
        &policy,
        "--why",
        "try it",
    ]);
    bad.until("boot: a new image is on trial");
    bad.modem.set_server(None);
    bad.until("boot: the old image is back");
    bad.until(&format!("room-2 starts, version {FIRST}"));
    bad.modem.set_server(Some(plant.server.mqtt));
    good.until("room-1 starts, version 2.0.0");
    wait_until("both have reported", || {
        let status = status(&plant);
        (count(&status, "succeeded"), count(&status, "failed")) == (1, 1)
    });
    let status = status(&plant);
    assert_eq!((&status["state"], &status["rollout"]), (&"completed".into(), &"second".into()), "{status}");
    let explained = plant.fleetfn(&["rollout", "explain", "second", "room-1"]);
    assert!(explained.contains("SUCCEEDED"), "{explained}");
    let explained = plant.fleetfn(&["rollout", "explain", "second", "room-2"]);
    assert!(explained.contains("FAILED") && explained.contains("unhealthy"), "{explained}");
    // It is not tried again, and both run on.
    for (board, version) in [(&mut good, "2.0.0"), (&mut bad, FIRST)] {
        board.power_off();
        board.power_on();
        let starts = board.until("room-");
        assert!(starts.ends_with(&format!("starts, version {version}")), "{starts}");
        board.until("reading 1");
    }
}
