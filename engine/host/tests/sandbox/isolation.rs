//! What one event leaves for the next: nothing, and no trace in the fuel either.

use crate::effects::SCRIPT;
use crate::fixtures::{Bench, State, event, handler, module};
use bytes::Bytes;
use fleetfn_core::invocation::{Role, StateReader, StateUnavailable};
use fleetfn_core::{Invocation, Offset, Outcome};
use fleetfn_host::{Call, Host, Limits, Module, ModuleSource};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};
use std::time::Duration;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_reset_and_a_fresh_instance_give_the_same_invocation(
        payloads in prop::collection::vec(prop::collection::vec(0_u8..8, 0..60), 1..8),
    ) {
        let mut reused = Bench::new(Limits::default());
        let module = reused.add(&handler(SCRIPT));
        let state = State::of(&[("\u{1}", "x"), ("\u{5}", "y")]);
        for payload in payloads {
            let mut fresh = Bench { host: Host::new(Limits::default(), Box::new(reused.library.clone())), library: reused.library.clone() };
            prop_assert_eq!(reused.run(&module, &payload, &state), fresh.run(&module, &payload, &state));
        }
    }

    #[test]
    fn fuel_and_outcome_do_not_depend_on_the_slice(
        fuel in 1_u64..60_000,
        slices in prop::collection::vec(1_u64..30_000, 3),
        rounds in any::<u8>(),
    ) {
        let results: Vec<Invocation> = slices.into_iter().chain([100_000]).map(|fuel_slice| {
            let limits = Limits { fuel, fuel_slice, ..Limits::default() };
            let mut bench = Bench::new(limits);
            let module = bench.add(&handler(LOOP));
            bench.run(&module, &[rounds], &State::of(&[("k", "a value of some length")]))
        }).collect();
        for result in &results {
            prop_assert_eq!(result, &results[0]);
        }
    }
}

/// Reads, writes and logs as often as its payload says.
const LOOP: &str = r#"
    (local $left i32)
    (local.set $left (i32.load8_u (i32.sub (i32.add (local.get $len) (i32.const 4096)) (i32.const 1))))
    (loop $again
      (drop (call $get (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 64)))
      (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.load (i32.const 64))))
      (if (i32.eqz (i32.and (local.get $left) (i32.const 7)))
        (then
          (drop (call $put (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 300)))
          (drop (call $log (i32.const 1) (i32.const 0) (i32.const 20)))))
      (br_if $again (i32.gt_s (local.tee $left (i32.sub (local.get $left) (i32.const 1))) (i32.const 0))))
    (i32.const 0))
    (data (i32.const 0) "k""#;

/// Type and detail of a failure; both empty if it was none.
fn failed(invocation: &Invocation) -> (&str, &str) {
    match &invocation.outcome {
        Outcome::Failed { error_type, detail } => (error_type, detail),
        Outcome::Done | Outcome::Rejected { .. } | Outcome::Refused { .. } | Outcome::Interrupted { .. } => {
            ("", "")
        }
    }
}

/// Detail of an interruption; empty if it was none.
fn interrupted(invocation: &Invocation) -> &str {
    match &invocation.outcome {
        Outcome::Interrupted { detail } => detail,
        Outcome::Done | Outcome::Rejected { .. } | Outcome::Refused { .. } | Outcome::Failed { .. } => "",
    }
}

#[test]
fn a_trap_leaves_nothing_to_the_next_event() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&handler(
        "(if (i32.load (i32.const 64)) (then (return (i32.const 1))))
         (i32.store (i32.const 64) (i32.const 1))
         (if (i32.eq (local.get $len) (i32.const 50)) (then unreachable))
         (i32.const 0)",
    ));
    let state = State::default();
    for _ in 0..3 {
        assert_eq!(bench.run(&module, b"fine", &state).outcome, Outcome::Done);
        // 40 bytes of header and 10 of names.
        assert_eq!(failed(&bench.run(&module, b"", &state)).0, "trap");
    }
}

#[test]
fn an_event_that_does_not_fit_the_buffer_fails_with_both_sizes() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&handler("(i32.const 0)"));
    let state = State::default();
    assert_eq!(bench.run(&module, &[0; 8192 - 50], &state).outcome, Outcome::Done);
    let larger = bench.run(&module, &[0; 8192 - 49], &state);
    assert_eq!(failed(&larger), ("buffer", "the event takes 8193 bytes, the guest's buffer has 8192"));
    assert_eq!(bench.run(&module, b"", &state).outcome, Outcome::Done);
}

#[test]
fn what_initialize_did_is_there_for_every_event() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&module(
        r#"(global $made (mut i32) (i32.const 0))
           (func (export "_initialize") (global.set $made (i32.const 9)) (i32.store (i32.const 32) (i32.const 7)))
           (func (export "fleetfn_v1_on_event") (param i32) (result i32)
             (local $sum i32)
             (local.set $sum (i32.add (global.get $made) (i32.load (i32.const 32))))
             (global.set $made (i32.const 100)) (i32.store (i32.const 32) (i32.const 100))
             (local.get $sum))"#,
    ));
    for _ in 0..3 {
        assert_eq!(bench.run(&module, b"", &State::default()).outcome, Outcome::Rejected { code: 16 });
    }
}

#[test]
fn the_backstop_interrupts_instead_of_failing() {
    let limits = Limits { fuel: u64::MAX, wall_clock: Duration::ZERO, ..Limits::default() };
    let mut bench = Bench::new(limits);
    let module = bench.add(&handler("(loop $again (br $again)) (i32.const 0)"));
    assert!(interrupted(&bench.run(&module, b"", &State::default())).contains("not finished after"));
}

/// A store that cannot answer.
struct Broken;

impl StateReader for Broken {
    fn get(&self, _key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        Err(StateUnavailable("disk on fire".into()))
    }

    #[expect(clippy::panic, reason = "what a store with a bug would do")]
    fn scan(
        &self,
        _prefix: &[u8],
        _after: Option<&[u8]>,
        _visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        panic!("a bug in the store");
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        Err(StateUnavailable("disk on fire".into()))
    }

    fn config(&self, _key: &str) -> Result<Option<Bytes>, StateUnavailable> {
        Err(StateUnavailable("disk on fire".into()))
    }
}

fn run_broken(bench: &mut Bench, module: &Module) -> Invocation {
    let event = event(b"");
    let (function, version) = (module.manifest().name, module.hash());
    let call = Call { function, version, trigger: 0, event: &event, offset: Offset(7), role: Role::Live };
    bench.host.call(&call, Broken)
}

#[test]
fn a_store_that_cannot_answer_interrupts() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&handler("(call $get (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 2))"));
    assert_eq!(interrupted(&run_broken(&mut bench, &module)), "state cannot be read: disk on fire");
    assert_eq!(bench.run(&module, b"", &State::default()).outcome, Outcome::Rejected { code: -1 });
}

#[test]
fn a_panic_of_the_host_ends_the_invocation_and_nothing_else() {
    let mut bench = Bench::new(Limits::default());
    let scan =
        "(call $scan (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let module = bench.add(&handler(scan));
    let broken = run_broken(&mut bench, &module);
    assert_eq!(failed(&broken), ("panic", "the sandbox panicked: a bug in the store"));
    assert_eq!(bench.run(&module, b"", &State::default()).outcome, Outcome::Done);
}

#[test]
fn more_versions_than_are_kept_take_turns() {
    let mut bench = Bench::new(Limits { versions: 2, ..Limits::default() });
    let modules: Vec<Module> =
        (1..5).map(|code| bench.add(&handler(&format!("(i32.const {code})")))).collect();
    for _ in 0..3 {
        for (code, module) in (1..).zip(&modules) {
            assert_eq!(bench.run(module, b"", &State::default()).outcome, Outcome::Rejected { code });
        }
    }
}

/// Gives the same bytes whatever is asked for.
struct Wrong(&'static [u8]);

impl ModuleSource for Wrong {
    fn read(&self, _hash: &fleetfn_core::deployment::ModuleHash) -> std::io::Result<Vec<u8>> {
        match self.0 {
            b"" => Err(std::io::ErrorKind::NotFound.into()),
            bytes => Ok(bytes.to_vec()),
        }
    }
}

#[test]
fn a_module_that_cannot_be_had_interrupts() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&handler("(i32.const 0)"));
    for (bytes, says) in [(&b""[..], "cannot read module"), (b"\0asm", "cannot load module")] {
        bench.host = Host::new(Limits::default(), Box::new(Wrong(bytes)));
        let invocation = bench.run(&module, b"", &State::default());
        assert!(interrupted(&invocation).contains(says), "{invocation:?}");
    }
}
