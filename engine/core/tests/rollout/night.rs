//! A maintenance window over one night in four time zones, with the change of a clock in it, as an operator reads it. Time
//! cannot be moved for a running engine, so this is told by the state machine; what it prints is beside it, in `night.out`.

use crate::stage::{Stage, all, policy};
use fleetfn_core::rollout::Instant;
use serde_json::{Value, json};
use std::fmt::Write;

/// Noon of 2026-03-28 in Greenwich, a Saturday. In Berlin, clocks go from 02:00 to 03:00 in the night that follows.
const NOON_MS: u64 = 1_774_699_200_000;
const HOUR_MS: u64 = 3_600_000;

/// A device somewhere: hours ahead of UTC, and the change that comes, as hours after noon and hours ahead from then on.
fn device(id: &str, hours: i64, change: Option<(u64, i64)>) -> Value {
    let next = change.map(|(at, hours)| json!({"at_ms": NOON_MS + at * HOUR_MS, "offset_s": hours * 3_600}));
    json!({"id": id, "zone": {"offset_s": hours * 3_600, "next": next}})
}

struct Night {
    stage: Stage,
    text: String,
}

impl Night {
    /// At so many minutes after noon.
    fn at(&mut self, minutes: u64) {
        let at_ms = NOON_MS + minutes * 60_000;
        self.stage.pass(at_ms - self.stage.now_ms);
    }

    fn show(&mut self) {
        let now = Instant(self.stage.now_ms);
        writeln!(self.text, "# {now}\n{}", self.stage.status()).expect("a string takes it");
    }

    fn explain(&mut self, id: &str) {
        writeln!(self.text, "{}", self.stage.explain(id)).expect("a string takes it");
    }

    /// Whoever was offered it confirms.
    fn confirm(&mut self) {
        let offers = self.stage.offers();
        let now = Instant(self.stage.now_ms);
        writeln!(self.text, "# {now}: offered to {}\n", offers.join(", ")).expect("a string takes it");
        for id in offers {
            self.stage.report(&id, "confirmed", "none");
        }
    }
}

#[test]
fn a_window_opens_for_each_device_by_its_own_clock_also_when_that_is_changed() {
    let mut stage = Stage::new();
    stage.now_ms = NOON_MS;
    let window = json!({"window": {"from": "02:00", "to": "04:00"}});
    stage.act("ann", json!({"start": policy(all(), window)}));
    // Berlin misses the first of its two hours, and is not there for the other.
    stage.candidates(vec![
        device("auckland", 13, None),
        device("berlin-1", 1, Some((13, 2))),
        device("berlin-2", 1, Some((13, 2))),
        device("new-york", -4, None),
        json!({"id": "nowhere"}),
    ]);
    stage.enrolled();
    let mut night = Night { stage, text: String::new() };
    night.show();
    night.explain("berlin-1");
    night.at(60);
    night.confirm();
    // One in the morning in Berlin, winter time; at two it is three.
    night.at(13 * 60 - 1);
    night.show();
    night.at(13 * 60);
    let offers = night.stage.offers();
    assert_eq!(offers, ["berlin-1", "berlin-2"]);
    night.stage.report("berlin-1", "confirmed", "none");
    night.show();
    night.explain("berlin-2");
    // Four in the morning, summer time: one hour later the window has closed for the one that was not there.
    night.at(14 * 60);
    night.confirm();
    night.explain("berlin-2");
    night.at(18 * 60);
    night.confirm();
    // The next night two o'clock is at midnight in Greenwich.
    night.at(36 * 60);
    night.confirm();
    night.show();
    assert_eq!(night.text, include_str!("night.out"), "it printed\n{}", night.text);
    night.stage.replay();
}
