//! Arbitrary bytes and broken modules: admission says no, it never breaks off, and what it admits can run.

use crate::fixtures::{Bench, State, handler};
use fleetfn_host::admission::Error;
use fleetfn_host::{Limits, admit};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};

/// The compiler's own panics are caught; there must be none.
fn is_calm(wasm: &[u8]) -> bool {
    !matches!(admit(wasm), Err(Error::Panic(_)))
}

fn valid() -> Vec<u8> {
    wat::parse_str(handler(
        r#"(local $n i32) (local $x f64)
           (local.set $n (call $get (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 8)))
           (block $out (loop $again
             (br_if $out (i32.gt_s (local.get $n) (i32.const 10)))
             (local.set $x (f64.add (local.get $x) (f64.convert_i32_s (local.get $n))))
             (local.set $n (i32.add (local.get $n) (call_indirect (type $pick) (local.get $n) (i32.const 0))))
             (br $again)))
           (memory.copy (i32.const 128) (i32.const 64) (i32.const 8))
           (drop (call $put (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 8)))
           (i32.const 0))
           (type $pick (func (param i32) (result i32)))
           (table 1 funcref) (elem (i32.const 0) $one) (global $g (mut i64) (i64.const 5))
           (func $one (type $pick) (i32.const 1))
           (data (i32.const 0) "k""#,
    ))
    .expect("a module in text form")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn arbitrary_bytes_never_break_admission(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(is_calm(&bytes));
        let module: Vec<u8> = b"\0asm\x01\0\0\0".iter().copied().chain(bytes).collect();
        prop_assert!(is_calm(&module));
    }

    #[test]
    fn a_broken_module_never_breaks_admission(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut wasm = valid();
        for (place, byte) in changes {
            let place = place.index(wasm.len());
            wasm[place] = byte;
        }
        if let Some(cut) = cut {
            wasm.truncate(cut.index(wasm.len()));
        }
        prop_assert!(is_calm(&wasm));
        let mut bench = Bench::new(Limits { fuel: 100_000, ..Limits::default() });
        if let Ok(module) = bench.library.add(&wasm) {
            let first = bench.run(&module, b"payload", &State::default());
            prop_assert!(first == bench.run(&module, b"payload", &State::default()));
        }
    }
}
