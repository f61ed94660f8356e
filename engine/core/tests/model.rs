//! A partition against a tiny interpreter that handles one event after the other and never crashes.
//!
//! Random events, repeated messages, deployments, interruptions, acknowledgements, expiries, and crashes that
//! lose turns and commits: whatever happens, state, dead letters and effects must be those of the interpreter.

#[path = "model/handler.rs"]
mod handler;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/world.rs"]
mod world;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use reference::Reference;
use world::World;

/// One record of the log.
#[derive(Debug, Clone, Copy)]
enum Record {
    Reading { device: u8, message_id: Option<u8>, op: u8, arg: u8 },
    Command { device: u8, message_id: Option<u8> },
    Deploy { function: u8, version: u8 },
    Remove { function: u8 },
}

/// What happens next around the partition.
#[derive(Debug, Clone, Copy)]
enum Step {
    Append(Record),
    /// Takes up to so many events into a turn and commits it; `interrupt` of them are interrupted at first.
    Turn {
        events: u8,
        interrupt: u8,
    },
    /// The same, but the node dies before the commit.
    LostTurn {
        events: u8,
    },
    /// Commits so far become durable.
    Sync,
    /// The node dies, and with it all but so many of the commits that are not durable.
    Crash {
        kept: u8,
    },
    /// A device acknowledges the oldest command that it was given.
    Acknowledge {
        device: u8,
    },
    /// Time passes, and timers fire.
    Wait {
        ms: u16,
    },
    /// The log is read again from further back, as when another partition of the worker needs it.
    Reread {
        back: u8,
    },
}

fn message_id() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![2 => Just(None), 3 => (0_u8..6).prop_map(Some)]
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        8 => (0_u8..3, message_id(), 0_u8..8, 0_u8..4)
            .prop_map(|(device, message_id, op, arg)| Record::Reading { device, message_id, op, arg }),
        1 => (0_u8..3, message_id()).prop_map(|(device, message_id)| Record::Command { device, message_id }),
        1 => (0_u8..3, any::<u8>()).prop_map(|(function, version)| Record::Deploy { function, version }),
        1 => (0_u8..3).prop_map(|function| Record::Remove { function }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => record().prop_map(Step::Append),
        6 => (1_u8..9, prop_oneof![4 => Just(0), 1 => 1_u8..3])
            .prop_map(|(events, interrupt)| Step::Turn { events, interrupt }),
        1 => (1_u8..9).prop_map(|events| Step::LostTurn { events }),
        2 => Just(Step::Sync),
        1 => (0_u8..4).prop_map(|kept| Step::Crash { kept }),
        3 => (0_u8..3).prop_map(|device| Step::Acknowledge { device }),
        2 => (0_u16..3_000).prop_map(|ms| Step::Wait { ms }),
        1 => (1_u8..6).prop_map(|back| Step::Reread { back }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn effects_are_those_of_one_event_after_the_other(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::default();
        for step in steps {
            world.step(step);
        }
        world.finish();
        Reference::of(&world.log).check(&world);
    }
}
