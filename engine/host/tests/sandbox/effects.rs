//! What a handler asks for, and what it reads back.

use crate::fixtures::{Bench, State, handler};
use fleetfn_core::invocation::LogLevel;
use fleetfn_core::{Effect, Outcome};
use fleetfn_host::Limits;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};
use std::collections::BTreeMap;
use std::rc::Rc;

fn put(key: &str, value: &str) -> Effect {
    Effect::StatePut { key: key.to_owned().into(), value: value.to_owned().into(), ttl_s: 0 }
}

#[test]
fn effects_come_in_the_order_in_which_they_were_asked_for() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&handler(
        r#"(drop (call $put (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 3)))
           (drop (call $delete (i32.const 1) (i32.const 1)))
           (drop (call $publish (i32.const 8) (i32.const 8) (i32.const 1) (i32.const 2)))
           (drop (call $command (i32.const 16) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 60)))
           (i32.const 0))
           (data (i32.const 0) "abcd") (data (i32.const 8) "alerts/x") (data (i32.const 16) "fan""#,
    ));
    let invocation = bench.run(&module, b"", &State::default());
    assert_eq!(invocation.outcome, Outcome::Done);
    let expected = [
        put("a", "bcd"),
        Effect::StateDelete { key: "b".into() },
        Effect::Publish { topic: "alerts/x".into(), payload: "bc".into() },
        Effect::Command { name: "fan".into(), payload: "".into(), ttl_s: 60, timeout_s: 0 },
    ];
    assert_eq!(invocation.effects, expected);
}

#[test]
fn a_rejected_event_has_no_effects_but_keeps_its_log() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&handler(
        r#"(drop (call $put (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 3)))
           (drop (call $log (i32.const 2) (i32.const 0) (i32.const 5)))
           (i32.const 42))
           (data (i32.const 0) "abcd\ff""#,
    ));
    let invocation = bench.run(&module, b"", &State::default());
    assert_eq!(invocation.outcome, Outcome::Rejected { code: 42 });
    assert_eq!(invocation.effects, []);
    assert_eq!(invocation.logs.len(), 1);
    assert_eq!(invocation.logs[0].level, LogLevel::Warn);
    assert_eq!(invocation.logs[0].text, "abcd\u{fffd}");
}

#[test]
fn a_handler_reads_what_it_wrote_and_a_short_buffer_is_filled_as_far_as_it_goes() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&handler(
        r#";; Stored, into a buffer of 2 bytes: its full length, and nothing behind the buffer is touched.
           (if (i32.ne (call $get (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 2)) (i32.const 6))
             (then (return (i32.const 1))))
           (if (i32.ne (i32.load (i32.const 64)) (i32.const 0x00007473)) (then (return (i32.const 2))))
           ;; Overwritten.
           (drop (call $put (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 3)))
           (if (i32.ne (call $get (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 8)) (i32.const 3))
             (then (return (i32.const 3))))
           (if (i32.ne (i32.load (i32.const 64)) (i32.const 0x0077656e)) (then (return (i32.const 4))))
           ;; Deleted.
           (drop (call $delete (i32.const 0) (i32.const 1)))
           (if (i32.ne (call $get (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 8)) (i32.const -1))
             (then (return (i32.const 5))))
           ;; Never there.
           (if (i32.ne (call $get (i32.const 8) (i32.const 1) (i32.const 64) (i32.const 8)) (i32.const -1))
             (then (return (i32.const 6))))
           (i32.const 0))
           (data (i32.const 0) "k") (data (i32.const 8) "new""#,
    ));
    assert_eq!(bench.run(&module, b"", &State::of(&[("k", "stored")])).outcome, Outcome::Done);
}

#[test]
fn an_entry_that_does_not_fit_a_page_alone_is_asked_for_with_more_room() {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&handler(
        r"(call $scan (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 12))",
    ));
    // 6 bytes of lengths, 1 of key, 6 of value.
    let outcome = bench.run(&module, b"", &State::of(&[("k", "stored")])).outcome;
    assert_eq!(outcome, Outcome::Rejected { code: 13 });
}

/// Does what its payload says (put or delete of one byte keys), then publishes the pages of a scan.
pub(crate) const SCRIPT: &str = r#"
    (local $at i32) (local $end i32) (local $after i32) (local $page i32)
    (local.set $at (i32.add (i32.const 4136) (i32.add (i32.load16_u (i32.const 4100)) (i32.load16_u (i32.const 4102)))))
    (local.set $end (i32.add (i32.const 4096) (local.get $len)))
    (block $done (loop $next
      (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 3)) (local.get $end)))
      (if (i32.load8_u (local.get $at))
        (then (drop (call $put
          (i32.add (local.get $at) (i32.const 1)) (i32.const 1) (i32.add (local.get $at) (i32.const 2)) (i32.const 1))))
        (else (drop (call $delete (i32.add (local.get $at) (i32.const 1)) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.const 3)))
      (br $next)))
    (loop $next
      (local.set $page (call $scan
        (i32.const 0) (i32.const 0) (i32.const 200) (local.get $after) (i32.const 256) (i32.const 26)))
      (if (i32.eqz (local.get $page)) (then (return (i32.const 0))))
      (drop (call $publish (i32.const 0) (i32.const 8) (i32.const 256) (local.get $page)))
      (i32.store8 (i32.const 200) (i32.load8_u (i32.add (local.get $page) (i32.const 254))))
      (local.set $after (i32.const 1))
      (br $next))
    (unreachable))
    (data (i32.const 0) "alerts/x""#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_scan_reads_as_if_what_was_written_were_committed(
        committed in prop::collection::btree_map(0_u8..16, any::<u8>(), 0..12),
        writes in prop::collection::vec((any::<bool>(), 0_u8..16, any::<u8>()), 0..24),
    ) {
        let mut bench = Bench::new(Limits::default());
        let module = bench.add(&handler(SCRIPT));
        let rows = |map: &BTreeMap<u8, u8>| map.iter().map(|(key, value)| (vec![*key], vec![*value])).collect();
        let script: Vec<u8> = writes.iter().flat_map(|(put, key, value)| [u8::from(*put), *key, *value]).collect();
        let invocation = bench.run(&module, &script, &State(Rc::new(rows(&committed))));
        prop_assert_eq!(&invocation.outcome, &Outcome::Done);
        let mut merged = committed;
        for (put, key, value) in writes {
            if put { merged.insert(key, value); } else { merged.remove(&key); }
        }
        let entries: Vec<u8> =
            merged.iter().flat_map(|(key, value)| [1, 0, 1, 0, 0, 0, *key, *value]).collect();
        let pages: Vec<u8> = invocation.effects.iter().filter_map(|effect| match effect {
            Effect::Publish { payload, .. } => Some(payload.to_vec()),
            _ => None,
        }).flatten().collect();
        prop_assert_eq!(pages, entries);
    }
}
