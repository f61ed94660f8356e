//! Modules that were built for other hosts: what they get, and what they cannot get.

use crate::fixtures::{Bench, State, event};
use fleetfn_core::invocation::LogLevel;
use fleetfn_core::{Invocation, Outcome};
use fleetfn_host::Limits;

const MANIFEST: &str = r#"(@custom "fleetfn_v1_manifest" "{\"abi\":1,\"name\":\"f\",\"triggers\":[{\"telemetry\":\"climate\"}]}")"#;

/// A program for WASI; `body` may use `$write`, `$read`, `$random`, `$clock`, `$exit` and `$open`.
fn program(body: &str) -> String {
    format!(
        r#"(module {MANIFEST}
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $fail_if (param i32) (if (local.get 0) (then unreachable)))
  (func (export "_start") {body}))"#
    )
}

/// A plug-in of Extism; `body` leaves its result and may use what is imported here.
fn plugin(body: &str) -> String {
    format!(
        r#"(module {MANIFEST}
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "load_u64" (func $load (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "http_request" (func $http (param i64 i64) (result i64)))
  (import "extism:host/env" "log_warn" (func $warn (param i64)))
  (memory (export "memory") 1)
  (func (export "on_event") (result i32) {body}))"#
    )
}

fn run(text: &str, payload: &[u8]) -> Invocation {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(text);
    let first = bench.run(&module, payload, &State::default());
    // Whatever it is, it does not depend on whether the instance was used before, nor on how fuel is sliced.
    assert_eq!(bench.run(&module, payload, &State::default()), first);
    let mut sliced = Bench::new(Limits { fuel_slice: 100, ..Limits::default() });
    let module = sliced.add(text);
    let again = sliced.run(&module, payload, &State::default());
    assert_eq!(
        (again.outcome, again.fuel, again.logs),
        (first.outcome.clone(), first.fuel, first.logs.clone())
    );
    first
}

fn error_type(invocation: &Invocation) -> &'static str {
    match &invocation.outcome {
        Outcome::Failed { error_type, .. } => error_type,
        other => unreachable!("a failure: {other:?}"),
    }
}

/// Sets a list of one part of memory at 0: pointer and length.
fn part(pointer: u32, length: u32) -> String {
    format!("(i32.store (i32.const 0) (i32.const {pointer})) (i32.store (i32.const 4) (i32.const {length}))")
}

#[test]
fn a_program_reads_its_input_and_its_lines_are_logged() {
    let read = format!(
        "{} (call $fail_if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
         (i32.store (i32.const 4) (i32.load (i32.const 8)))
         (call $fail_if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
         (call $fail_if (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))",
        part(100, 64)
    );
    let invocation = run(&program(&read), b"one\ntwo");
    assert_eq!(invocation.outcome, Outcome::Done);
    let lines: Vec<_> = invocation.logs.iter().map(|line| (line.level, line.text.as_str())).collect();
    let (info, warn) = (LogLevel::Info, LogLevel::Warn);
    assert_eq!(lines, [(info, "one"), (warn, "one"), (info, "two"), (warn, "two")]);
}

#[test]
fn a_program_that_exits_with_0_is_done_and_with_another_code_rejected() {
    assert_eq!(run(&program("(call $exit (i32.const 0)) unreachable"), b"").outcome, Outcome::Done);
    let rejected = run(&program("(call $exit (i32.const 7)) unreachable"), b"");
    assert_eq!(rejected.outcome, Outcome::Rejected { code: 7 });
}

#[test]
fn time_stands_still_and_random_numbers_are_the_same_again() {
    let print = "(call $fail_if (call $clock (i32.const 0) (i64.const 0) (i32.const 100)))
        (call $fail_if (i64.ne (i64.load (i32.const 100)) (i64.const 1700000000000000000)))
        (call $fail_if (call $random (i32.const 108) (i32.const 8)))
        (call $fail_if (i64.eqz (i64.load (i32.const 108))))";
    assert_eq!(run(&program(print), b"").outcome, Outcome::Done);
}

#[test]
fn there_are_no_files() {
    let open = "(call $fail_if (i32.ne (i32.const 8) (call $open (i32.const 3) (i32.const 0) (i32.const 0)
        (i32.const 1) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 8))))
        (call $fail_if (i32.ne (i32.const 8) (call $write (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8))))
        (call $fail_if (i32.ne (i32.const 8) (call $read (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8))))";
    assert_eq!(run(&program(open), b"").outcome, Outcome::Done);
}

#[test]
fn a_program_cannot_pass_the_limits_of_functions() {
    let write = |pointer, length| {
        let call = "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))";
        run(&program(&format!("{} (loop {call} (br 0))", part(pointer, length))), b"")
    };
    assert_eq!(error_type(&write(65_530, 8)), "pointer");
    assert_eq!(error_type(&write(100, u32::MAX)), "fuel");
    assert_eq!(error_type(&write(100, 64)), "log-bytes");
    // Every part of the list is charged for, and no more of them than are read.
    let many = "(drop (call $write (i32.const 1) (i32.const 65528) (i32.const -1) (i32.const 8)))";
    assert_eq!(error_type(&run(&program(many), b"")), "pointer");
    let random = "(loop (drop (call $random (i32.const 0) (i32.const 65536))) (br 0))";
    assert_eq!(error_type(&run(&program(random), b"")), "fuel");
    let outside = "(drop (call $random (i32.const 65535) (i32.const 2)))";
    assert_eq!(error_type(&run(&program(outside), b"")), "pointer");
}

#[test]
fn a_variable_is_a_key_of_state() {
    // The name is `v`, the value what stands there, or `x`.
    let body = "(local $name i64) (local $value i64)
        (local.set $name (call $alloc (i64.const 1))) (call $store (local.get $name) (i32.const 118))
        (local.set $value (call $var_get (local.get $name)))
        (if (i64.eqz (local.get $value)) (then
            (local.set $value (call $alloc (i64.const 1))) (call $store (local.get $value) (i32.const 120))
            (call $var_set (local.get $name) (local.get $value)))
         (else (call $warn (local.get $value)) (call $var_set (local.get $name) (i64.const 0))))
        (i32.const 0)";
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&plugin(body));
    let effects = |invocation: &Invocation| format!("{:?}", invocation.effects);
    let first = bench.run(&module, b"", &State::default());
    assert!(effects(&first).contains("StatePut { key: b\"v\", value: b\"x\""), "{}", effects(&first));
    let second = bench.run(&module, b"", &State::of(&[("v", "kept")]));
    assert!(effects(&second).contains("StateDelete { key: b\"v\" }"), "{}", effects(&second));
    assert_eq!(second.logs.first().map(|line| line.text.as_str()), Some("kept"));
}

#[test]
fn a_plug_in_cannot_pass_the_limits_of_functions() {
    let grow = "(loop (drop (call $alloc (i64.const 65536))) (br 0)) (i32.const 0)";
    assert_eq!(error_type(&run(&plugin(grow), b"")), "foreign");
    let huge = "(drop (call $alloc (i64.const -1))) (i32.const 0)";
    assert_eq!(error_type(&run(&plugin(huge), b"")), "fuel");
    let small = "(loop (drop (call $alloc (i64.const 1))) (br 0)) (i32.const 0)";
    assert_eq!(error_type(&run(&plugin(small), b"")), "foreign");
    for place in ["0", "-1", "-8", "1099511627776"] {
        let load = format!("(drop (call $load (i64.const {place}))) (i32.const 0)");
        assert_eq!(error_type(&run(&plugin(&load), b"")), "foreign", "{place}");
    }
    let wait = "(drop (call $http (i64.const 0) (i64.const 0))) (i32.const 0)";
    let Outcome::Failed { error_type: "foreign", detail } = run(&plugin(wait), b"").outcome else {
        panic!("it cannot wait");
    };
    assert!(detail.contains("comes as a message"), "{detail}");
    let key = "(call $var_set (call $alloc (i64.const 257)) (i64.const 0)) (i32.const 0)";
    assert_eq!(error_type(&run(&plugin(key), b"")), "key");
    let unknown = "(drop (call $length (i64.const 77))) (i32.const 5)";
    assert_eq!(run(&plugin(unknown), b"").outcome, Outcome::Rejected { code: 5 });
}

#[test]
fn what_other_hosts_do_not_offer_is_refused_by_name() {
    let text = format!(
        r#"(module {MANIFEST} (import "wasi_snapshot_preview1" "fd_dream" (func)) (memory (export "memory") 1)
            (func (export "_start")))"#
    );
    let wasm = wat::parse_str(text).expect("a module");
    let error = fleetfn_host::admit(&wasm).expect_err("refused").to_string();
    assert_eq!(error, "unknown import 'wasi_snapshot_preview1' 'fd_dream'");
}

#[test]
fn a_module_of_our_own_may_print() {
    let text = format!(
        r#"(module {MANIFEST}
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_initialize") {} (drop (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8))))
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (i32.store (i32.const 4) (i32.sub (local.get $len) (i32.const 40)))
    (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"#,
        part(4096 + 40, 0)
    );
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&text);
    let invocation = bench.handle(&module, &event(b"!"), &State::default());
    assert_eq!(invocation.outcome, Outcome::Done);
    assert_eq!(invocation.logs.first().map(|line| line.text.as_str()), Some("d-1climate!"));
}
