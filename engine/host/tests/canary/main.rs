//! The same guests in another engine: wasmtime must give the same effects, log lines and results as the host.
//!
//! A miscompilation in one of the engines, or a difference in how the host reads its own table of imports, shows
//! here. The reference host below is written apart from `src/imports` and knows no limits.

#[path = "../sandbox/events.rs"]
mod events;
#[path = "../sandbox/fixtures.rs"]
mod fixtures;
mod guests;
mod reference;

use fixtures::{Bench, State, event, event_on};
use fleetfn_core::{Event, EventKind, Invocation, Outcome};
use fleetfn_host::Limits;
use reference::Reference;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

/// Runs a module in text form in both engines, event after event, the state carried on.
fn agree(wat: &str, payloads: &[&[u8]]) -> Vec<Invocation> {
    let events: Vec<Event> = payloads.iter().map(|payload| event(payload)).collect();
    agree_on(&wat::parse_str(wat).expect("a module in text form"), &events)
}

fn agree_on(wasm: &[u8], events: &[Event]) -> Vec<Invocation> {
    let limits = Limits { fuel: 1_000_000_000, ..Limits::default() };
    let mut bench = Bench::new(limits);
    let module = bench.library.add(wasm).expect("admitted");
    let reference = Reference::new(wasm);
    let mut state = State::of(&[("b", "x"), ("d", "y")]);
    let mut invocations = Vec::new();
    for event in events {
        let invocation = bench.handle(&module, event, &state);
        let expected = reference.run(event, &state);
        match &invocation.outcome {
            Outcome::Done => assert_eq!(expected.code, Some(0)),
            Outcome::Rejected { code } => assert_eq!(expected.code, Some(*code)),
            Outcome::Failed { .. } => assert_eq!(expected.code, None, "{invocation:?}"),
            Outcome::Refused { detail } => unreachable!("refused: {detail}"),
            Outcome::Interrupted { detail } => unreachable!("interrupted: {detail}"),
        }
        assert_eq!(invocation.logs, expected.logs);
        if invocation.outcome == Outcome::Done {
            assert_eq!(invocation.effects, expected.effects);
            state = State(Rc::new(expected.state));
        }
        invocations.push(invocation);
    }
    invocations
}

#[test]
fn arithmetic_gives_the_same_bits() {
    for (name, wat) in guests::arithmetic() {
        let invocations = agree(&wat, &[b""]);
        assert_eq!(invocations[0].outcome, Outcome::Done, "{name}");
        assert!(!invocations[0].effects.is_empty(), "{name}");
    }
}

#[test]
fn control_flow_and_memory_give_the_same_results() {
    for (name, wat) in guests::programs() {
        let invocations = agree(&wat, &[b"", b"a", b"hello, world", &[0xff; 200]]);
        assert!(
            invocations.iter().all(|invocation| invocation.outcome == Outcome::Done),
            "{name}: {invocations:?}"
        );
    }
}

#[test]
fn state_reads_and_writes_give_the_same_results() {
    let script = fixtures::handler(guests::SCRIPT);
    let invocations = agree(
        &script,
        &[b"", b"\x01a1\x01c3\x00b_", b"\x01a2\x00a_\x01a3\x01z9", b"\x00a_\x00b_\x00c_\x00d_\x00z_"],
    );
    assert!(invocations.iter().all(|invocation| invocation.outcome == Outcome::Done), "{invocations:?}");
}

/// Those of the hostile corpus that end by themselves, without a limit that the reference host does not have.
#[test]
fn hostile_modules_that_end_by_themselves_end_the_same() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile");
    let mut tried = 0;
    for entry in std::fs::read_dir(directory).expect("the corpus") {
        let wat = std::fs::read_to_string(entry.expect("an entry").path()).expect("a readable file");
        let ends = wat.lines().find_map(|line| line.strip_prefix(";; ends: "));
        if ends.is_some_and(|ends| ends == "done" || ends == "trap") {
            agree(&wat, &[b"payload", b"payload"]);
            tried += 1;
        }
    }
    assert!(tried >= 10, "{tried} modules");
}

/// Builds an example of the function SDK as an author would.
fn example(name: &str) -> Vec<u8> {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("examples");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--profile",
            "function",
            "--target",
            "wasm32-unknown-unknown",
            "--package",
            name,
        ])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", "-C link-arg=-zstack-size=16384")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status();
    assert!(built.expect("cargo runs").success(), "{name} does not build");
    let file =
        target.join("wasm32-unknown-unknown/function").join(name.replace('-', "_")).with_extension("wasm");
    std::fs::read(file).expect("the example's module")
}

#[test]
fn the_examples_of_the_function_sdk_give_the_same_results() {
    let readings = [31.5, 32.0, 29.0, 5.0, 4.0, 3.0, 200.0].map(|t| format!(r#"{{"temperature":{t}}}"#));
    let readings: Vec<Event> = readings.iter().map(|reading| event(reading.as_bytes())).collect();
    let invocations = agree_on(&example("climate"), &readings);
    assert_eq!(invocations[0].outcome, Outcome::Done, "{invocations:?}");
    assert!(invocations.iter().any(|invocation| matches!(invocation.outcome, Outcome::Rejected { .. })));

    let places = [(52.52, 13.4), (0.0, 0.0), (52.52, 13.4), (48.1, 11.5), (91.0, 0.0)];
    let places =
        places.map(|(latitude, longitude)| format!(r#"{{"latitude":{latitude},"longitude":{longitude}}}"#));
    let places: Vec<Event> = places.iter().map(|place| event_on("gps/van-7", place.as_bytes())).collect();
    let invocations = agree_on(&example("geofence"), &places);
    assert_eq!(invocations[0].outcome, Outcome::Done, "{invocations:?}");

    let rooms = [("berlin", 21.5), ("berlin", 22.5), ("paris", -300.0)];
    let rooms =
        rooms.map(|(site, temperature)| format!(r#"{{"site":"{site}","temperature":{temperature}}}"#));
    let module = example("site-mean");
    let rooms: Vec<Event> = rooms.iter().map(|room| event_on("room", room.as_bytes())).collect();
    let (good, bad) = rooms.split_at(2);
    assert!(agree_on(&module, good).iter().all(|invocation| invocation.outcome == Outcome::Done));
    let mut bench = Bench::new(Limits::default());
    let admitted = bench.library.add(&module).expect("admitted");
    let refused = bench.handle(&admitted, &bad[0], &State::default());
    assert!(matches!(refused.outcome, Outcome::Refused { .. }), "{refused:?}");
    let site: Vec<Event> = [("devices/a", 21.5_f64), ("devices/b", 22.5), ("devices/a", 21.5)]
        .iter()
        .map(|(from, temperature)| {
            events::event(
                "site/berlin",
                EventKind::Message { name: "reading" },
                from,
                &temperature.to_le_bytes(),
            )
        })
        .collect();
    let invocations = agree_on(&module, &site);
    assert!(invocations.iter().all(|invocation| invocation.outcome == Outcome::Done), "{invocations:?}");
    assert!(invocations[1].effects.len() > 1, "{invocations:?}");

    let energy = [event_on("energy", br#"{"kwh":1.5}"#), event_on("energy", br#"{"kwh":0.25}"#)];
    let invocations = agree_on(&example("nightly"), &energy);
    assert!(invocations.iter().all(|invocation| invocation.outcome == Outcome::Done), "{invocations:?}");

    let invocations = agree_on(&example("counter"), &[event(b"one"), event(b"two"), event(&[0xff; 1000])]);
    assert!(invocations.iter().all(|invocation| invocation.outcome == Outcome::Done), "{invocations:?}");
}
