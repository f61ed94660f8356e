//! What a handler asks for, and what it reads back.

use crate::fixtures::{Bench, State, handler};
use fleetfn_core::{Effect, Outcome};
use fleetfn_host::Limits;

fn put(key: &str, value: &str) -> Effect {
    Effect::StatePut { key: key.to_owned().into(), value: value.to_owned().into() }
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
        Effect::Command { name: "fan".into(), payload: "".into(), ttl_s: 60 },
    ];
    assert_eq!(invocation.effects, expected);
}
