//! Rollouts that are played twice: once as they go by themselves, and once with an engine that is killed wherever the rollout
//! stands. Both must come to the same, by the same decisions in the same order.

use super::{Api, DEVICES, Fleet, Workshop, status, wait_for_fleet, wait_until};
use crate::harness::server::Server;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// States that end by themselves, maybe while nobody looks or nobody runs.
const PASSING: [&str; 3] = ["scheduled", "enrolling", "soaking"];

/// How long a rollout waits for its start: longer than an engine takes to be killed and started.
const WAITS: Duration = Duration::from_secs(2);

/// Says HOLD to the first question, and GO to the second.
const GATES: [&str; 2] = [
    include_str!("../transcript/rollouts/gate_hold.wat"),
    include_str!("../transcript/rollouts/gate_go.wat"),
];

/// A rollout that soaks, is judged, held, judged again, and goes on to the rest.
fn judged() -> Value {
    let canary = json!({"name": "canary", "size": {"count": 6}, "soak_s": 1, "gates": [{"function": "crash-rate", "timeout_s": 3_600}]});
    let rest = json!({"name": "rest", "size": {"percent": 100}});
    json!({"order": "id", "phases": [canary, rest]})
}

/// A rollout that waits for its time, finds its devices, and soaks for longer than anybody waits.
fn stopped() -> Value {
    let canary = json!({"name": "canary", "size": {"count": 6}, "soak_s": 86_400});
    let rest = json!({"name": "rest", "size": {"percent": 100}});
    let start_at = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970") + WAITS;
    let start_at_ms = u64::try_from(start_at.as_millis()).expect("it is before the end of time");
    json!({"order": "id", "start_at_ms": start_at_ms, "phases": [canary, rest]})
}

/// One engine, and whether it is killed whenever that makes a difference.
struct Play {
    workshop: Workshop,
    server: Option<Server>,
    is_killed: bool,
}

impl Play {
    fn api(&self) -> Api {
        Api::of(self.server.as_ref().expect("it runs"))
    }

    /// An engine with a release, and a fleet that is there.
    fn set_up(name: &str, is_killed: bool) -> (Self, Fleet) {
        let mut workshop = Workshop::new(name);
        let server = Some(workshop.serve());
        workshop.publish(2);
        let fleet = Fleet::play(&workshop, &json!([]));
        let play = Self { workshop, server, is_killed };
        wait_for_fleet(&play.api());
        (play, fleet)
    }

    fn start(&self, policy: &Value) {
        self.workshop.write("policy.json", policy.to_string().as_bytes());
        let start =
            ["rollout", "start", "fw-2", "--release", "node@1.2", "--policy", "policy.json", "-m", "try"];
        self.workshop.done(&start);
    }

    /// The rollout has come to a state; it must be there still when the engine was killed, and for the same reason, unless it
    /// is one that passes.
    fn reaches(&mut self, state: &str) {
        let entered = Value::from(state.to_uppercase());
        wait_until(&format!("the rollout was {state}"), || {
            let is_there = status(&self.api(), "fw-2")["state"] == state;
            is_there
                || (PASSING.contains(&state)
                    && self.items("history").iter().any(|line| line["what"] == entered))
        });
        if !self.is_killed {
            return;
        }
        let stands = |api: &Api| {
            let now = status(api, "fw-2");
            ["state", "because", "phase", "gates"].map(|field| now[field].clone())
        };
        let (before, decided) = (stands(&self.api()), self.items("history"));
        self.server = self.server.take().map(Server::kill_and_start);
        let api = self.api();
        // What was decided in the last moment is seen before it is synced; an engine that was killed there decides it again.
        if !PASSING.contains(&state) {
            wait_until("it stands where it stood", || stands(&api) == before);
        }
        let line = |line: &Value| json!([line["by"], line["what"], line["why"]]);
        let decided: Vec<Value> = decided.iter().map(line).collect();
        wait_until("what was decided stays so", || {
            let now: Vec<Value> = self.items("history").iter().map(line).collect();
            now.starts_with(&decided)
        });
    }

    fn items(&self, what: &str) -> Vec<Value> {
        let listed = self.api().get(&format!("/api/v1/rollouts/fw-2/{what}"));
        listed["items"].as_array().expect("a list").clone()
    }

    fn deploy(&self, gate: &str) {
        self.api().deploy(&wat::parse_str(gate).expect("it is well formed"));
    }

    /// Plays one that is judged to its end, and tells what the rollout and its devices say about it.
    fn judged(is_killed: bool) -> (Vec<Value>, Vec<Value>) {
        let (mut play, fleet) = Self::set_up("judged", is_killed);
        let [hold, go] = GATES;
        play.deploy(hold);
        // A function that is paused is asked and does not answer: its questions wait.
        play.workshop.done(&["fn", "pause", "crash-rate"]);
        play.start(&judged());
        play.reaches("soaking");
        play.reaches("judging");
        play.workshop.done(&["fn", "resume", "crash-rate"]);
        play.reaches("held");
        play.deploy(go);
        play.workshop.done(&["fn", "pause", "crash-rate"]);
        play.workshop.done(&["rollout", "retry", "fw-2", "-m", "look again"]);
        play.reaches("judging");
        play.workshop.done(&["fn", "resume", "crash-rate"]);
        play.reaches("completed");
        play.end(fleet)
    }

    /// The same for one that waits for its start, and is aborted.
    fn stopped(is_killed: bool) -> (Vec<Value>, Vec<Value>) {
        let (mut play, fleet) = Self::set_up("stopped", is_killed);
        play.start(&stopped());
        play.reaches("scheduled");
        play.reaches("enrolling");
        wait_until("the first devices are updated", || status(&play.api(), "fw-2")["state"] == "soaking");
        play.workshop.done(&["rollout", "abort", "fw-2", "-y", "-m", "enough"]);
        play.reaches("aborted");
        wait_until("the others are told", || {
            play.items("devices?limit=1000").iter().all(|row| row["state"] != "QUEUED")
        });
        play.end(fleet)
    }

    fn end(&self, fleet: Fleet) -> (Vec<Value>, Vec<Value>) {
        let told = self.tell();
        assert_eq!(self.api().get("/api/v1/dead-letters")["items"], json!([]));
        drop(fleet);
        told
    }

    /// The history without its times, and each device with what became of it.
    fn tell(&self) -> (Vec<Value>, Vec<Value>) {
        let api = self.api();
        let line = |line: &Value| match line["what"] == "SCHEDULED" {
            // When it starts is another time in each play.
            true => json!([line["by"], line["what"]]),
            false => json!([line["by"], line["what"], line["why"]]),
        };
        let history = self.items("history").iter().map(line).collect();
        let device = |row: &Value| {
            let id = row["device"].as_str().expect("an id");
            let update = api.get(&format!("/api/v1/devices/{id}/update"));
            let job = &update["job"];
            // Whoever was not given anything has neither.
            let given = [&row["row"]["generation"], &job["number"]].map(|one| one.as_u64().unwrap_or(0));
            assert!(given == [0, 0] || given == [1, 1], "{row} {update}");
            json!([
                id,
                row["state"],
                row["phase"],
                row["because"],
                job["state"],
                update["reported"]["sequence"]
            ])
        };
        let devices: Vec<Value> = self.items("devices?limit=1000").iter().map(device).collect();
        assert_eq!(devices.len(), DEVICES);
        (history, devices)
    }
}

/// Plays a rollout with an engine that is killed beside the same with one that is not.
fn assert_comes_to_the_same(play: fn(bool) -> (Vec<Value>, Vec<Value>)) {
    std::thread::scope(|scope| {
        let undisturbed = scope.spawn(move || play(false));
        let killed = play(true);
        assert_eq!(killed, undisturbed.join().expect("it comes to its end"));
    });
}

#[test]
fn a_rollout_comes_to_the_same_with_an_engine_that_is_killed_wherever_it_stands() {
    assert_comes_to_the_same(Play::judged);
}

#[test]
fn a_rollout_that_waits_begins_and_is_stopped_comes_to_the_same_with_an_engine_that_is_killed() {
    assert_comes_to_the_same(Play::stopped);
}
