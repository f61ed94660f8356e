//! What one invocation costs: `cargo run --release -p fleetfn-host --example cost [EVENTS [NAME]]`. NAME is a part
//! of a variant's name, or a file with a module that takes `{"temperature":31.5}`.
//!
//! The guest does what a small function does: reads an event of 59 bytes and one value of state, writes the value
//! back, and sends a command every 16th time. The variants differ in what has to be put back after each event.

#[path = "../tests/sandbox/fixtures.rs"]
mod fixtures;

use fixtures::{Bench, State, event, handler};
use fleetfn_core::invocation::Role;
use fleetfn_core::{Offset, Outcome};
use fleetfn_host::{Call, Limits};
use std::time::Instant;

const EVENTS: u64 = 50_000;
const ROUNDS: usize = 10;

/// A handler like the example `climate`, with `more` done before.
fn climate(more: &str, extra: &str) -> String {
    handler(&format!(
        r#"(local $count i64)
    {more}
    (drop (call $get (i32.const 0) (i32.const 4) (i32.const 32) (i32.const 24)))
    (local.set $count (i64.add (i64.load (i32.const 32)) (i64.const 1)))
    (i64.store (i32.const 32) (local.get $count))
    (f64.store (i32.const 40)
      (f64.add (f64.load (i32.const 40)) (f64.convert_i32_u (i32.load8_u (i32.const 4136)))))
    (drop (call $put (i32.const 0) (i32.const 4) (i32.const 32) (i32.const 24)))
    (if (i64.eqz (i64.and (i64.load (i32.const 4112)) (i64.const 15)))
      (then (drop (call $command (i32.const 16) (i32.const 3) (i32.const 32) (i32.const 8) (i32.const 60)))))
    (i32.const 0))
  {extra}
  (data (i32.const 0) "mean") (data (i32.const 16) "fan")
  (global $sp (mut i32) (i32.const 16384)"#
    ))
}

/// Microseconds for one event, the best of some rounds.
fn measure(wasm: &[u8], payload: &[u8], events: u64) -> (f64, u64) {
    let mut bench = Bench::new(Limits::default());
    let module = bench.library.add(wasm).expect("admitted");
    let event = event(payload);
    let state = State::of(&[("mean", "012345678901234567890123")]);
    let mut fuel = bench.handle(&module, &event, &state).fuel;
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for offset in 0..events {
            let (function, version) = (module.manifest().name, module.hash());
            let offset = Offset(offset);
            let call = Call { function, version, trigger: 0, event: &event, offset, role: Role::Live };
            let invocation = bench.host.call(&call, state.clone());
            assert!(invocation.outcome == Outcome::Done && !invocation.effects.is_empty());
            fuel = invocation.fuel;
        }
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let each = start.elapsed().as_secs_f64() * 1e6 / events as f64;
        best = best.min(each);
    }
    (best, fuel)
}

fn main() {
    let events = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(EVENTS);
    let pages = |count: u32| {
        climate("", "")
            .replace("(memory (export \"memory\") 1)", &format!("(memory (export \"memory\") {count})"))
    };
    let table = "(table 1 funcref)";
    let calls = "(drop (call $get (i32.const 0) (i32.const 4) (i32.const 32) (i32.const 24)))".repeat(100);
    let logs = "(drop (call $delete (i32.const 8) (i32.const 1)))".repeat(50);
    let variants = [
        ("reset, 1 page", pages(1)),
        ("reset, 2 pages", pages(2)),
        ("reset, 4 pages", pages(4)),
        ("reset, 16 pages", pages(16)),
        ("fresh instance, 1 page", climate("(table.set (i32.const 0) (ref.null func))", table)),
        ("reset, 1 page, 100 state_get more", climate(&calls, "")),
        ("reset, 1 page, 50 state_delete more", climate(&logs, "")),
    ];
    let wanted = std::env::args().nth(2).unwrap_or_default();
    if wanted.ends_with(".wasm") {
        let wasm = std::fs::read(&wanted).expect("a readable file");
        let (microseconds, fuel) = measure(&wasm, br#"{"temperature":31.5}"#, events);
        println!("{wanted} {microseconds:.2} us {fuel} fuel");
    }
    for (name, wat) in variants.into_iter().filter(|(name, _)| name.contains(&wanted)) {
        let wasm = wat::parse_str(&wat).expect("a module in text form");
        let (microseconds, fuel) = measure(&wasm, &[7; 59], events);
        println!("{name:<38} {microseconds:>8.2} us   {fuel:>6} fuel");
    }
}
