//! Offers, jobs and reports.

use crate::stage::{MINUTE_MS, RUNNING, Stage, release};
use fleetfn_core::rollout::{Patch, Release};
use fleetfn_core::update::Job;
use fleetfn_protocol::update::{Delivery, Digest, Phase};

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
fn an_offer_of_a_year_ago_stands_in_the_way_of_no_other_rollout_of_that_name() {
    let mut stage = Stage::new();
    stage.offer("fw-2", 5, 100, 7);
    stage.withdraw("fw-2", 5, false);
    stage.wait(365 * 24 * 60 * MINUTE_MS);
    stage.offer("fw-2", 1, 100, 8);
    assert_eq!(stage.orders.len(), 2, "it may be one of the same rollout that took long");
    stage.wait(2 * 24 * 60 * MINUTE_MS);
    stage.offer("fw-2", 1, 100, 8);
    assert_eq!(stage.orders.last(), Some(&(2, false)));
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

#[test]
fn the_higher_weight_goes_first_and_the_other_hears_when_the_device_is_free() {
    let mut stage = Stage::new();
    stage.offer("slow", 1, 100, 7);
    stage.says(1, RUNNING, Phase::Downloading, 0);
    stage.offer("same", 1, 100, 7);
    assert_eq!(stage.heard(), ["slow report downloading", "same deferred"]);
    stage.offer("urgent", 1, 200, 9);
    assert_eq!(stage.heard(), ["slow deferred"]);
    assert_eq!(stage.orders, [(1, false), (1, true), (2, false)]);
    stage.says(2, RUNNING, Phase::Armed, 8_000);
    stage.offer("more", 1, 300, 10);
    assert_eq!(stage.heard(), ["urgent report armed", "more deferred"]);
    stage.says(2, 9, Phase::Confirmed, 8_000);
    assert_eq!(stage.heard(), ["urgent report confirmed", "more here"]);
    stage.wait(9_000);
    assert_eq!(stage.heard(), [""; 0], "that one may offer first");
    stage.wait(11_000);
    assert_eq!(stage.heard(), ["same here", "slow here"], "one after the other");
    stage.offer("slow", 2, 100, 7);
    assert_eq!(stage.heard(), ["slow report failed"], "it runs something newer");
}

#[test]
fn of_the_same_weight_the_newer_release_goes_first() {
    let mut stage = Stage::new();
    stage.offer("old", 1, 100, 7);
    stage.says(1, RUNNING, Phase::Downloading, 0);
    stage.offer("new", 1, 100, 8);
    assert_eq!(stage.heard(), ["old report downloading", "old deferred"]);
    assert_eq!(stage.brought.last(), Some(&8));
    stage.offer("old", 2, 100, 7);
    let waits = stage.sent.pop().expect("it is put off");
    assert_eq!(waits.payload["why"], "rollout 'new' brings a newer release");
}

#[test]
fn a_device_that_comes_back_gets_the_newest_of_what_waits_for_it_and_nothing_before() {
    let mut stage = Stage::new();
    for (rollout, sequence) in [("fw-7", 7), ("fw-8", 8)] {
        stage.offer(rollout, 1, 100, sequence);
        stage.withdraw(rollout, 1, true);
    }
    stage.sent.clear();
    stage.connects();
    assert_eq!(stage.heard(), ["fw-8 here"]);
    stage.offer("fw-8", 2, 100, 8);
    let job = stage.orders.last().expect("it is one").0;
    stage.wait(60 * 1_000);
    stage.says(job, 8, Phase::Confirmed, 8_000);
    assert_eq!(stage.heard(), ["fw-8 report confirmed", "fw-7 here"], "not before");
    stage.offer("fw-7", 2, 100, 7);
    assert_eq!(stage.heard(), ["fw-7 report failed"], "it runs something newer");
}

#[test]
fn whoever_goes_first_and_offers_nothing_holds_up_nobody_for_long() {
    let mut stage = Stage::new();
    for (rollout, weight) in [("paused", 200), ("other", 100)] {
        stage.offer(rollout, 1, weight, 7);
        stage.withdraw(rollout, 1, true);
    }
    stage.sent.clear();
    stage.connects();
    stage.wait(10_000);
    assert_eq!(stage.heard(), ["paused here", "other here"]);
    stage.offer("other", 2, 100, 7);
    assert_eq!(stage.brought.last(), Some(&7));
}

#[test]
fn a_job_of_an_operator_is_a_job_as_well() {
    let mut stage = Stage::new();
    stage.operator_orders(6);
    stage.offer("fw-2", 1, 100, 7);
    assert_eq!(stage.heard(), ["fw-2 deferred"]);
    stage.says(1, 6, Phase::Confirmed, 8_000);
    assert_eq!(stage.heard(), ["fw-2 here"]);
    stage.offer("fw-2", 2, 100, 7);
    stage.operator_orders(8);
    assert_eq!(stage.heard(), ["fw-2 deferred"], "the operator's goes first");
    stage.says(3, RUNNING, Phase::Failed, 0);
    assert_eq!(stage.heard(), ["fw-2 here"]);
}

#[test]
fn a_device_whose_job_was_given_up_while_it_is_on_trial_is_awaited_and_not_asked_again_and_again() {
    let mut stage = Stage::new();
    stage.offer("fw-2", 1, 100, 7);
    stage.says(1, 7, Phase::Trial, 8_000);
    assert_eq!(stage.heard(), ["fw-2 report trial"]);
    stage.withdraw("fw-2", 1, false);
    stage.offer("fw-2", 2, 100, 7);
    assert_eq!(stage.heard(), ["fw-2 absent"], "nobody says that it is free");
    stage.says(1, RUNNING, Phase::RolledBack, 8_000);
    assert_eq!(stage.heard(), ["fw-2 here"]);
    stage.offer("fw-2", 3, 100, 7);
    assert_eq!(stage.orders, [(1, false), (1, true), (2, false)]);
}

#[test]
fn what_an_operator_withdraws_is_refused_and_what_a_rollout_withdraws_is_over() {
    let mut stage = Stage::new();
    stage.offer("fw-2", 1, 100, 7);
    stage.operator_withdraws();
    assert_eq!(stage.heard(), ["fw-2 refused"]);
    stage.offer("fw-3", 1, 100, 7);
    stage.withdraw("fw-3", 1, false);
    assert_eq!(stage.orders.last(), Some(&(2, true)));
    stage.offer("fw-3", 1, 100, 7);
    stage.withdraw("fw-3", 1, false);
    assert_eq!((stage.orders.len(), stage.heard().len()), (3, 0), "it was seen");
    stage.says(2, 7, Phase::Confirmed, 8_000);
    assert_eq!(stage.heard(), ["fw-3 report confirmed"], "it had begun already");
}

#[test]
fn an_offer_that_is_withdrawn_before_it_comes_is_none() {
    let mut stage = Stage::new();
    stage.withdraw("fw-2", 3, false);
    stage.offer("fw-2", 3, 100, 7);
    assert_eq!((stage.orders.len(), stage.heard().len()), (0, 0));
    stage.offer("fw-2", 4, 100, 7);
    assert_eq!(stage.orders, [(1, false)]);
}

#[test]
fn a_device_that_runs_the_release_says_so_instead_of_installing_it() {
    let mut stage = Stage::new();
    stage.offer("fw-1", 1, 100, RUNNING);
    let report = stage.sent.pop().expect("it is answered");
    assert_eq!(
        (report.payload["reason"].as_str(), report.payload["sequence"].as_u64()),
        (Some("sequence"), Some(3))
    );
    assert_eq!(stage.orders, [(0, false); 0]);
}

#[test]
fn a_pause_is_reported_and_its_end_when_the_device_goes_on() {
    let mut stage = Stage::new();
    stage.offer("fw-2", 1, 100, 7);
    for (phase, have) in [
        (Phase::Paused, 0),
        (Phase::Paused, 0),
        (Phase::Downloading, 10),
        (Phase::Paused, 10),
        (Phase::Downloading, 10),
        (Phase::Downloading, 20),
        (Phase::Downloading, 30),
    ] {
        stage.says(1, RUNNING, phase, have);
    }
    let expected = ["paused", "downloading", "paused"].map(|phase| format!("fw-2 report {phase}"));
    assert_eq!(stage.heard(), expected);
    stage.wait(MINUTE_MS);
    stage.says(1, RUNNING, Phase::Downloading, 31);
    assert_eq!(stage.heard(), ["fw-2 report downloading"], "the pause is over");
    stage.wait(MINUTE_MS);
    stage.says(1, RUNNING, Phase::Downloading, 32);
    assert_eq!(stage.heard(), ["fw-2 report downloading"], "a slow line does not stand still");
}

#[test]
fn a_device_that_is_busy_again_and_again_does_not_flood_its_rollout() {
    let mut stage = Stage::new();
    stage.offer("fw-2", 1, 100, 7);
    for second in 0..600 {
        let phase = if second % 2 == 0 { Phase::Downloading } else { Phase::Paused };
        stage.says(1, RUNNING, phase, second / 2);
        stage.wait(1_000);
    }
    // In ten minutes, each with progress and a pause.
    assert_eq!(stage.heard().len(), 20);
}

#[test]
fn what_the_device_runs_decides_whether_it_gets_a_patch() {
    let patch = |from: u32| Patch {
        from,
        base_size: 7_000,
        base: Digest([1; 32]),
        size: 500,
        digest: Digest([2; 32]),
    };
    let sent = patch(RUNNING).delivery();
    for (patches, whole, expected) in [
        (vec![patch(RUNNING + 1), patch(RUNNING)], false, sent),
        (vec![patch(RUNNING)], true, Delivery::Whole),
        (vec![patch(RUNNING + 1)], false, Delivery::Whole),
    ] {
        let mut stage = Stage::new();
        stage.offer_release("fw-2", 1, 100, Release { patches, ..release(7) }, whole);
        assert_eq!(stage.update().job.as_ref().map(Job::delivery), Some(Ok(expected)));
    }
}
