//! State that an older version left, and payloads that break the schema.

use crate::fixtures::{Bench, State, module_with};
use fleetfn_core::invocation::Read;
use fleetfn_core::{Effect, Invocation, Outcome};
use fleetfn_host::{Limits, admit};

const MANIFEST: &str = r#"{"abi":1,"name":"f","triggers":[{"telemetry":"climate"}],"state_version":3}"#;

/// A migration puts what it was called with under `m` and does `migrate`, the handler does `handle`.
fn module(migrate: &str, handle: &str) -> String {
    module_with(
        MANIFEST,
        &format!(
            r#"(func (export "fleetfn_v1_migrate") (param $from i32) (result i32)
                 (i32.store (i32.const 64) (local.get $from))
                 (drop (call $put (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 1)))
                 {migrate} (i32.const 0))
               (func (export "fleetfn_v1_on_event") (param $len i32) (result i32) {handle} (i32.const 0))
               (data (i32.const 0) "mk")"#
        ),
    )
}

const PUT: &str = "(drop (call $put (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1)))";

fn run(migrate: &str, handle: &str, state: &State) -> Invocation {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&module(migrate, handle));
    bench.run(&module, b"", state)
}

fn put(key: &'static str, value: &'static [u8]) -> Effect {
    Effect::StatePut { key: key.into(), value: value.into(), ttl_s: 0 }
}

const VERSION_3: &[u8] = &[3, 0, 0, 0];

#[test]
fn state_of_an_older_version_is_brought_on_before_the_event_and_that_is_noted() {
    let state = State::of(&[("", "\u{2}\0\0\0"), ("k", "old")]);
    let invocation = run("", PUT, &state);
    assert_eq!(invocation.outcome, Outcome::Done);
    assert_eq!(invocation.effects, [put("m", &[2]), put("k", b"k"), put("", VERSION_3)]);
    let reads: Vec<&[u8]> = invocation
        .reads
        .iter()
        .map(|read| match read {
            Read::State { key, .. } => &key[..],
            other => unreachable!("{other:?}"),
        })
        .collect();
    assert_eq!(reads, [&b""[..], b"k"]);
    // State from before there were versions.
    let invocation = run("", "", &State::of(&[("k", "old")]));
    assert_eq!(invocation.effects, [put("m", &[0]), put("", VERSION_3)]);
}

#[test]
fn without_state_nothing_is_brought_anywhere_and_the_version_comes_with_the_first_value() {
    assert_eq!(run("", PUT, &State::default()).effects, [put("k", b"k"), put("", VERSION_3)]);
    assert_eq!(run("", "", &State::default()).effects, []);
    // All that is left of state that was deleted.
    assert_eq!(
        run("", PUT, &State::of(&[("", "\u{1}\0\0\0")])).effects,
        [put("k", b"k"), put("", VERSION_3)]
    );
}

#[test]
fn state_of_this_version_and_of_a_newer_one_stays_as_it_is() {
    for version in ["\u{3}\0\0\0", "\u{4}\0\0\0"] {
        let state = State::of(&[("", version), ("k", "old")]);
        assert_eq!(run("unreachable", PUT, &state).effects, [put("k", b"k")]);
    }
}

#[test]
fn a_migration_that_fails_fails_the_event_and_leaves_nothing() {
    let state = State::of(&[("k", "old")]);
    for (migrate, says) in [
        ("unreachable", "cannot bring the state from version 0 to 3: unreachable"),
        (
            "(return (i32.const 9))",
            "cannot bring the state from version 0 to 3: 'fleetfn_v1_migrate' returned 9",
        ),
        ("(loop $again (br $again))", "cannot bring the state from version 0 to 3: fuel limit"),
    ] {
        let invocation = run(migrate, PUT, &state);
        match &invocation.outcome {
            Outcome::Failed { error_type: "migration", detail } => {
                assert!(detail.starts_with(says), "{detail}")
            }
            other => unreachable!("{other:?}"),
        }
        assert_eq!(invocation.effects, []);
    }
    // A handler that fails afterwards drops the migration, too.
    assert_eq!(run("", "(return (i32.const 7))", &state).effects, []);
}

#[test]
fn migration_and_handler_share_the_fuel_of_one_invocation() {
    let state = State::of(&[("k", "old")]);
    let burn = "(local $n i32) (loop $again (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 100000))))";
    let handled = run("", burn, &State::default()).fuel;
    let both = run("", burn, &state).fuel;
    assert!(both > handled, "{both} and {handled}");
    let mut bench = Bench::new(Limits { fuel: handled + 1, ..Limits::default() });
    let module = bench.add(&module("", burn));
    let invocation = bench.run(&module, b"", &state);
    assert!(matches!(invocation.outcome, Outcome::Failed { error_type: "fuel", .. }), "{invocation:?}");
    assert_eq!(invocation.fuel, handled + 1);
}

#[test]
fn a_guest_sees_nothing_of_the_noted_version() {
    let scan = "(return (call $scan (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128) (i32.const 64)))";
    let state = State::of(&[("", "\u{3}\0\0\0"), ("k", "old")]);
    assert_eq!(run("", scan, &state).outcome, Outcome::Rejected { code: 10 });
    assert_eq!(run("", &format!("{PUT} {scan}"), &state).outcome, Outcome::Rejected { code: 8 });
}

#[test]
fn a_manifest_with_a_version_needs_the_export() {
    let body = r#"(func (export "fleetfn_v1_on_event") (param i32) (result i32) (i32.const 0))"#;
    let wasm = wat::parse_str(module_with(MANIFEST, body)).expect("a module in text form");
    let error = admit(&wasm).expect_err("refused").to_string();
    assert!(error.contains("missing export 'fleetfn_v1_migrate'"), "{error}");
    let body =
        format!(r#"{body} (func (export "fleetfn_v1_migrate") (param i64) (result i32) (i32.const 0))"#);
    let wasm = wat::parse_str(module_with(MANIFEST, &body)).expect("a module in text form");
    let error = admit(&wasm).expect_err("refused").to_string();
    assert!(
        error.contains("export 'fleetfn_v1_migrate' is (i64) -> i32, it must be (i32) -> i32"),
        "{error}"
    );
}

#[test]
fn a_payload_that_breaks_the_schema_is_refused_without_running_the_guest() {
    let manifest = r#"{"abi":1,"name":"f","triggers":[
        {"telemetry":"climate","schema":{"properties":{"temperature":{"type":"number"}}}}]}"#;
    let body = r#"(func (export "fleetfn_v1_on_event") (param i32) (result i32) (i32.const 7))"#;
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&module_with(manifest, body));
    let fits = bench.run(&module, br#"{"temperature":31.5}"#, &State::default());
    assert_eq!(fits.outcome, Outcome::Rejected { code: 7 });
    let breaks = bench.run(&module, br#"{"temperature":"warm"}"#, &State::default());
    let detail = "'/temperature': want number, but got string".to_owned();
    assert_eq!((breaks.outcome, breaks.fuel), (Outcome::Refused { detail }, 0));
    let other = bench.run(&module, b"warm", &State::default());
    assert!(
        matches!(&other.outcome, Outcome::Refused { detail } if detail.contains("not JSON")),
        "{other:?}"
    );
}
