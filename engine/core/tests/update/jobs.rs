//! Offers, jobs and reports.

use crate::stage::{MINUTE_MS, RUNNING, Stage};
use fleetfn_protocol::update::Phase;

#[test]
fn an_offer_becomes_a_job_and_its_steps_are_reported_once() {
    let mut stage = Stage::new();
    stage.offer("fw-2", 1, 100, 7);
    assert_eq!(stage.heard(), [""; 0]);
    assert_eq!(stage.orders, [(1, false)]);
    stage.offer("fw-2", 1, 100, 7);
    assert_eq!(stage.orders.len(), 1, "it was seen");
    for have in (0..8_000).step_by(100) {
        stage.says(1, RUNNING, Phase::Downloading, have);
    }
    assert_eq!(stage.heard(), vec!["fw-2 report downloading"; 8]);
    for (sequence, phase) in [(RUNNING, Phase::Verified), (RUNNING, Phase::Armed), (7, Phase::Trial)] {
        stage.says(1, sequence, phase, 8_000);
        stage.says(1, sequence, phase, 8_000);
    }
    stage.says(1, 7, Phase::Confirmed, 8_000);
    stage.says(1, 7, Phase::Confirmed, 8_000);
    let expected =
        ["fw-2 report verified", "fw-2 report armed", "fw-2 report trial", "fw-2 report confirmed"];
    assert_eq!(stage.heard(), expected);
}

#[test]
fn an_offer_that_nobody_takes_is_withdrawn_and_the_device_is_awaited() {
    let mut stage = Stage::new();
    stage.offer("fw-2", 1, 100, 7);
    stage.wait(59 * MINUTE_MS);
    assert_eq!(stage.heard(), [""; 0]);
    stage.wait(MINUTE_MS);
    assert_eq!(stage.heard(), ["fw-2 absent"]);
    assert_eq!(stage.orders, [(1, false), (1, true)]);
    stage.withdraw("fw-2", 1, true);
    assert_eq!(stage.heard(), [""; 0]);
    stage.connects();
    stage.connects();
    assert_eq!(stage.heard(), ["fw-2 here"]);
    stage.offer("fw-2", 2, 100, 7);
    assert_eq!(stage.orders.last(), Some(&(2, false)));
}
