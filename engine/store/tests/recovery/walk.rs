//! Random walks over commits and crashes.

use crate::driven::{Crash, Driven};
use crate::{PARTITIONS, admit, config, device, entity, function};
use bytes::Bytes;
use fleetfn_core::commit::{OutboxEntry, OutboxKey, Timer, TimerPurpose};
use fleetfn_core::{Change, PartitionId};
use fleetfn_protocol::EffectId;
use fleetfn_store::Config;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;
use std::time::Duration;

#[derive(Debug, Clone)]
enum Step {
    Event(u16),
    Commit { partition: u16, moves: bool, changes: Vec<Change> },
    Flushed,
    Crash(Crash),
}

fn change() -> impl Strategy<Value = Change> {
    let key = |(to, number): (u8, u32)| {
        let effect = EffectId { offset: u64::from(number / 4), index: number, function: function() };
        OutboxKey { device: device(to), effect }
    };
    let timer =
        |(due_ms, of): (u64, u8)| Timer { due_ms, entity: entity(of), purpose: TimerPurpose::OutboxExpiry };
    prop_oneof![
        6 => (0..3_u8, 0..4_u8, proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60))).prop_map(
            |(of, name, value)| Change::State {
                entity: entity(of),
                function: function(),
                key: Bytes::from(vec![b'k', name]),
                value: value.map(Bytes::from),
            }
        ),
        2 => (0..3_u8, 0..40_u32).prop_map(move |at| Change::OutboxPut {
            key: key(at),
            entry: OutboxEntry { name: "set".into(), payload: "on".into(), expires_at_ms: 9 },
        }),
        2 => (0..3_u8, 0..40_u32).prop_map(move |at| Change::OutboxDelete { key: key(at) }),
        1 => (0..5_u64, 0..3_u8).prop_map(move |at| Change::TimerSet { timer: timer(at) }),
        1 => (0..5_u64, 0..3_u8).prop_map(move |at| Change::TimerDelete { timer: timer(at) }),
        1 => (0..3_u8, proptest::collection::vec(any::<u64>(), 1..4))
            .prop_map(|(of, ids)| Change::Seen { entity: entity(of), ids }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..PARTITIONS).prop_map(Step::Event),
        10 => (0..PARTITIONS, any::<bool>(), proptest::collection::vec(change(), 0..6))
            .prop_map(|(partition, moves, changes)| Step::Commit { partition, moves, changes }),
        1 => proptest::strategy::Just(Step::Flushed),
        2 => prop_oneof![
            proptest::strategy::Just(Crash::Closed),
            proptest::strategy::Just(Crash::Killed),
            proptest::strategy::Just(Crash::PowerCut),
            proptest::strategy::Just(Crash::ViewDeleted),
            (0..1000_u16).prop_map(Crash::TailCut),
        ]
        .prop_map(Step::Crash),
    ]
}

fn drive(config: Config, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut driven = Driven::start(config);
    for step in steps {
        match step {
            Step::Event(partition) => {
                let offset = admit(driven.store(), PartitionId(partition), b"event");
                driven.store().handled(0, offset);
            }
            Step::Commit { partition, moves, changes } => driven.commit(partition, moves, changes),
            // Nothing tells when it was; longer than a flush takes is likely enough for a random walk.
            Step::Flushed => std::thread::sleep(Duration::from_millis(300)),
            Step::Crash(crash) => driven.crash(crash)?,
        }
    }
    driven.check()?;
    driven.crash(Crash::PowerCut)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 16, max_shrink_iters: 60, ..Default::default() })]

    #[test]
    fn a_store_is_the_fold_of_what_its_log_holds(steps in proptest::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().expect("a directory");
        drive(config(dir.path()), steps)?;
    }

    #[test]
    fn a_trimmed_log_and_its_snapshots_are_the_same_store(steps in proptest::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = config(dir.path());
        // Room for a few rows: commits wait for flushes, and snapshots follow one another.
        config.overlay_bytes_max = 600;
        config.snapshot_log_bytes = 400;
        config.retention_bytes = 4096;
        // What was trimmed cannot be made up for when the tail is lost, too.
        let steps = steps.into_iter().filter(|step| !matches!(step, Step::Crash(Crash::TailCut(_)))).collect();
        drive(config, steps)?;
    }
}
