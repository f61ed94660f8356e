//! Two partitions against a tiny interpreter that handles one event of their log after the other and never crashes.
//!
//! Random readings, replies, reports, deployments with canaries and dark versions, pauses, budgets, redrives,
//! interruptions, backfills, timers, the calendar of devices that move between time zones, messages and loops of them, HTTP
//! requests, full outboxes, expiries, and crashes that lose turns and the end of the log: whatever happens, state, twins,
//! dead letters, differences and effects must be those of the interpreter.
//!
//! A case that fails is left in `model-failures` below the target directory, one step a line. `cargo xtask replay FILE`
//! goes through it and prints what each step changes; moved to `model/found`, it is tried in every run.

extern crate alloc;

#[path = "model/cases.rs"]
mod cases;
#[path = "model/check.rs"]
mod check;
#[path = "model/handler.rs"]
mod handler;
#[path = "model/log.rs"]
mod log;
#[path = "../src/partition/tests/memory.rs"]
mod memory;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/replay.rs"]
mod replay;
#[path = "model/step.rs"]
mod step;
#[path = "model/world.rs"]
mod world;

use proptest::prelude::{ProptestConfig, proptest};
use reference::Reference;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use step::Step;
use world::World;

/// Goes through steps, to their end and to rest, and compares.
fn run(steps: &[Step]) {
    let mut world = World::default();
    steps.iter().for_each(|step| world.step(step));
    world.finish();
    Reference::of(&world.log).check(&world);
}

/// Cases are small and cheap: so many times what proptest says. `PROPTEST_CASES` is taken as it is.
const CASES_FACTOR: u32 = 24;

fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.saturating_mul(CASES_FACTOR), failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn effects_are_those_of_one_event_after_the_other(steps in cases::steps()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&steps))) {
            // Each smaller case that still fails replaces the one before: the smallest is left.
            replay::leave("effects", &steps);
            resume_unwind(panic);
        }
    }
}

/// Cases that failed once: files as `replay` reads them.
#[test]
fn what_was_found_stays_mended() {
    let found = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/model/found");
    let files: Vec<_> =
        std::fs::read_dir(found).expect("it is there").map(|file| file.expect("a file")).collect();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.path().display());
        run(&replay::read(&std::fs::read_to_string(file.path()).expect("a text")));
    }
}

proptest! {
    #[test]
    fn a_step_survives_its_line(steps in cases::steps()) {
        for step in steps {
            assert_eq!(Step::parse(&step.to_string()).as_ref(), Some(&step), "{step}");
        }
    }
}
