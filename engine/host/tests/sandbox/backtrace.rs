//! Where a failure happened, in the guest's own names.

use crate::fixtures::{Bench, State, handler, module};
use fleetfn_core::{Invocation, Outcome};
use fleetfn_host::Limits;

fn detail(invocation: &Invocation) -> &str {
    match &invocation.outcome {
        Outcome::Failed { detail, .. } => detail,
        other => unreachable!("{other:?}"),
    }
}

/// Fails in `$check` where the payload and the state say so.
const NESTED: &str = r#"
    (func $on (export "fleetfn_v1_on_event") (param $len i32) (result i32)
      (drop (call $outer (i64.const 7) (local.get $len)))
      (i32.const 0))
    (func $outer (param $a i64) (param $b i32) (result f64)
      (call $leaf)
      (call_indirect (type $t) (local.get $b) (i32.const 0)))
    (func $leaf)
    (type $t (func (param i32) (result f64)))
    (table 1 funcref) (elem (i32.const 0) $_ZN4room5check17h0123456789abcdefE)
    (global $count (mut i32) (i32.const 0))
    (func $_ZN4room5check17h0123456789abcdefE (type $t)
      (local $value i32)
      (global.set $count (i32.add (global.get $count) (i32.const 1)))
      (drop (call $get (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 8)))
      (if (i32.eq (i32.load8_u (i32.const 64)) (i32.const 0x78)) (then unreachable))
      (if (i32.eq (i32.load8_u (i32.const 64)) (i32.const 0x6b))
        (then (drop (call $put (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))))
      (f64.const 1))
    (data (i32.const 0) "k")"#;

#[test]
fn a_failure_says_in_which_function_it_happened_and_who_called_that() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&module(NESTED));
    let calls = "\n  at room::check\n  at outer\n  at on";
    for _ in 0..2 {
        let trapped = bench.run(&module, b"", &State::of(&[("k", "x")]));
        let expected = format!("unreachable: the guest panicked or aborted{calls}");
        assert_eq!(detail(&trapped), expected);
        let refused = bench.run(&module, b"", &State::of(&[("k", "k")]));
        assert_eq!(detail(&refused), format!("a state key has 1 to 256 bytes, this one has 0{calls}"));
        assert_eq!(bench.run(&module, b"", &State::default()).outcome, Outcome::Done);
    }
}

#[test]
fn functions_without_names_are_told_by_their_numbers() {
    let mut bench = Bench::new(Limits::default());
    let wasm = wat::parse_str(module(NESTED)).expect("a module in text form");
    let module = bench.library.add(without_names(&wasm)).expect("admitted");
    let trapped = bench.run(&module, b"", &State::of(&[("k", "x")]));
    assert!(detail(&trapped).contains("\n  at function "), "{trapped:?}");
}

/// The module without its section of names, which is the last one.
fn without_names(wasm: &[u8]) -> &[u8] {
    let at = wasm.windows(5).rposition(|window| window == b"\x04name").expect("names");
    // The id of the section and its length, in two bytes, stand before.
    &wasm[..at - 3]
}

#[test]
fn a_function_that_calls_itself_is_told_once() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&module(
        r#"(func $on (export "fleetfn_v1_on_event") (param $len i32) (result i32) (call $again (i32.const 5)))
           (func $again (param $left i32) (result i32)
             (if (i32.eqz (local.get $left)) (then unreachable))
             (call $again (i32.sub (local.get $left) (i32.const 1))))"#,
    ));
    let trapped = bench.run(&module, b"", &State::default());
    assert!(detail(&trapped).ends_with("\n  at again (6 times)\n  at on"), "{trapped:?}");
}

#[test]
fn what_fails_late_or_not_in_the_guest_has_no_backtrace() {
    let mut bench = Bench::new(Limits::default());
    let endless = bench.add(&handler("(loop $again (br $again)) (i32.const 0)"));
    assert!(!detail(&bench.run(&endless, b"", &State::default())).contains('\n'));
    let large = bench.add(&handler("(i32.const 0)"));
    assert!(!detail(&bench.run(&large, &[0; 9_000], &State::default())).contains('\n'));
}
