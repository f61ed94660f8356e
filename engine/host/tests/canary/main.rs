//! The same guests in another engine: wasmtime must give the same effects, log lines and results as the host.
//!
//! A miscompilation in one of the engines, or a difference in how the host reads its own table of imports, shows
//! here. The reference host below is written apart from `src/imports` and knows no limits.

#[path = "../sandbox/fixtures.rs"]
mod fixtures;
mod guests;
mod reference;

use fixtures::{Bench, State};
use fleetfn_core::{Invocation, Outcome};
use fleetfn_host::Limits;
use reference::Reference;
use std::path::Path;
use std::rc::Rc;

/// Runs a module in both engines, event after event, the state carried on.
fn agree(wat: &str, payloads: &[&[u8]]) -> Vec<Invocation> {
    let limits = Limits { fuel: 1_000_000_000, ..Limits::default() };
    let mut bench = Bench::new(limits);
    let module = bench.add(wat);
    let reference = Reference::new(wat);
    let mut state = State::of(&[("b", "x"), ("d", "y")]);
    let mut invocations = Vec::new();
    for payload in payloads {
        let invocation = bench.run(&module, payload, &state);
        let expected = reference.run(&fixtures::event(payload), &state);
        match &invocation.outcome {
            Outcome::Done => assert_eq!(expected.code, Some(0)),
            Outcome::Rejected { code } => assert_eq!(expected.code, Some(*code)),
            Outcome::Failed { .. } => assert_eq!(expected.code, None, "{invocation:?}"),
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
