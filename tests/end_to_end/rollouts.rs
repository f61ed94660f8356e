//! Rollouts: a release for a fleet, in phases, through crashes of the engine; and what stops one.

mod killed;

use crate::harness::server::binary;
use crate::harness::workshop::Workshop;
use crate::harness::{api::Api, wait_until};
use serde_json::{Value, json};
use std::process::{Child, Stdio};

/// Devices of a fleet: enough for phases, and few enough for a debug build.
const DEVICES: usize = 36;

/// A simulated fleet that plays until it is dropped.
struct Fleet(Child);

impl Fleet {
    /// Plays devices of product `node` that run sequence 1. `failures` are those of the scenario.
    fn play(workshop: &Workshop, failures: &Value) -> Self {
        let scenario = json!({"seed": 7, "groups": [{
            "devices": DEVICES, "prefix": "node", "product": "node", "class": "m3",
            "messages": [{"channel": "t", "every": "5s", "jitter": "2s", "payload": {"n": {"$counter": {}}}}],
            "updates": {"version": "1.1", "sequence": 1, "restart": "200ms", "trial": "300ms", "failures": failures},
        }]});
        workshop.write("fleet.json", scenario.to_string().as_bytes());
        let mut command = binary();
        command.args(["sim", "--scenario", "fleet.json", "--register"]).current_dir(workshop.path());
        command.env("FLEETFN_DATA", workshop.data());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the binary starts"))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// How a rollout goes.
fn status(api: &Api, name: &str) -> Value {
    api.get(&format!("/api/v1/rollouts/{name}"))
}

/// How many devices of a phase stand so.
fn count(status: &Value, phase: usize, what: &str) -> u64 {
    status["phases"][phase]["tally"][what].as_u64().unwrap_or(0)
}

fn wait_for(api: &Api, name: &str, state: &str) {
    wait_until(&format!("rollout {name} is {state}"), || status(api, name)["state"] == state);
}

/// Waits until all devices are there, each with what it runs.
fn wait_for_fleet(api: &Api) {
    wait_until("the fleet is there", || {
        let listed = api.get("/api/v1/devices?where=online%3D%3Dtrue%3Bsequence%3D%3D1&limit=1000");
        listed["items"].as_array().map(Vec::len) == Some(DEVICES)
    });
}

#[test]
fn a_rollout_goes_on_after_crashes_in_each_phase_and_gives_no_device_a_job_twice() {
    let mut workshop = Workshop::new("rollouts");
    let server = workshop.serve();
    let api = Api::of(&server);
    workshop.publish(2);
    let fleet = Fleet::play(&workshop, &json!([]));
    wait_for_fleet(&api);
    let started = workshop.done(&[
        "rollout",
        "start",
        "fw-2",
        "--release",
        "node@1.2",
        "--phases",
        "8,100%",
        "-m",
        "try",
    ]);
    assert!(started.starts_with("rollout fw-2  phase 1/2"), "{started}");
    wait_until("the first phase has begun", || {
        let now = status(&api, "fw-2");
        count(&now, 0, "downloading") + count(&now, 0, "installing") + count(&now, 0, "succeeded") > 0
    });
    let server = server.kill_and_start();
    wait_until("the second phase has begun", || {
        let now = status(&api, "fw-2");
        count(&now, 1, "downloading") + count(&now, 1, "installing") + count(&now, 1, "succeeded") > 0
    });
    let _server = server.kill_and_start();
    wait_for(&api, "fw-2", "completed");
    let now = status(&api, "fw-2");
    assert_eq!((count(&now, 0, "succeeded"), count(&now, 1, "succeeded")), (8, 28), "{now}");
    let devices = api.get("/api/v1/rollouts/fw-2/devices?limit=1000");
    let devices = devices["items"].as_array().expect("a list");
    assert_eq!(devices.len(), DEVICES);
    for device in devices {
        assert_eq!(device["row"]["generation"], 1, "{device}");
        let id = device["device"].as_str().expect("an id");
        let update = api.get(&format!("/api/v1/devices/{id}/update"));
        assert_eq!(
            (&update["job"]["number"], &update["job"]["state"]),
            (&1.into(), &"confirmed".into()),
            "{update}"
        );
        assert_eq!(update["reported"]["sequence"], 2);
    }
    assert_eq!(api.get("/api/v1/dead-letters")["items"], json!([]));
    let said = workshop.done(&["fn", "logs", "rollout"]);
    assert!(said.contains("phase 8 begins and takes 8 devices"), "{said}");
    drop(fleet);
}

#[test]
fn a_rollout_whose_devices_fail_stops_and_whoever_waits_is_told_with_code_3() {
    let mut workshop = Workshop::new("failing rollouts");
    let server = workshop.serve();
    let api = Api::of(&server);
    workshop.publish(2);
    let failures = json!([{"share": 1.0, "as": "rolled_back", "reason": "unhealthy"}]);
    let _fleet = Fleet::play(&workshop, &failures);
    wait_for_fleet(&api);
    let policy =
        json!({"retries": {"attempts": 1}, "abort": [{"of": ["FAILED"], "percent": 50, "at_least": 4}]});
    workshop.write("policy.json", policy.to_string().as_bytes());
    let output = workshop.run(&[
        "rollout",
        "start",
        "fw-2",
        "--release",
        "node@1.2",
        "--policy",
        "policy.json",
        "--phases",
        "12,100%",
        "-m",
        "try",
        "--wait",
        "--timeout",
        "60s",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("was aborted") && said.contains("are FAILED (100%)"), "{said}");
    let now = status(&api, "fw-2");
    assert_eq!(now["state"], "aborted");
    assert!(count(&now, 0, "failed") >= 4, "{now}");
    assert_eq!((count(&now, 1, "succeeded"), count(&now, 1, "downloading")), (0, 0), "{now}");
    let late = workshop.refused(&["rollout", "resume", "fw-2", "-m", "go on"]);
    assert!(late.contains("is not paused"), "{late}");
}

#[test]
fn a_rollout_stops_at_once_when_its_release_is_yanked() {
    let mut workshop = Workshop::new("yanked");
    let server = workshop.serve();
    let api = Api::of(&server);
    workshop.publish(2);
    let _fleet = Fleet::play(&workshop, &json!([]));
    wait_for_fleet(&api);
    let start = ["rollout", "start", "fw-2", "--release", "node@1.2", "--phases", "4/1d,100%", "-m", "try"];
    workshop.done(&start);
    wait_for(&api, "fw-2", "soaking");
    let late =
        workshop.run(&["rollout", "start", "fw-3", "--release", "node@1.2", "-m", "x", "--timeout", "300ms"]);
    assert_eq!(late.status.code(), Some(124), "{late:?}");
    workshop.done(&["release", "yank", "node@1.2", "-m", "it burns"]);
    for name in ["fw-2", "fw-3"] {
        let now = status(&api, name);
        assert_eq!(now["state"], "aborted");
        assert!(now["because"].as_str().is_some_and(|why| why.contains("it burns")), "{now}");
    }
    let why = workshop.refused(&["rollout", "start", "fw-4", "--release", "node@1.2", "-m", "again"]);
    assert!(why.contains("it was yanked"), "{why}");
    assert_eq!(api.get("/api/v1/dead-letters")["items"], json!([]));
    let why = workshop.refused(&start);
    assert!(why.contains("it was yanked") || why.contains("started by"), "{why}");
}
