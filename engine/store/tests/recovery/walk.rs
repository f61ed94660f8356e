//! Random walks over commits and crashes.

use crate::driven::{Crash, Driven};
use crate::model::{MONTH, Model, NUMBERS};
use crate::{DARK_SINCE, PARTITIONS, admit, config, device, entity, function};
use bytes::Bytes;
use fleetfn_core::commit::{
    Backfilled, DeadLetter, Due, DueState, OutboxEntry, OutboxKey, ParcelKind, Request, Send, Spent, Timer,
    TimerKey, TimerPurpose, TimerRow, Value,
};
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::difference::{Difference, Side};
use fleetfn_core::update::Update;
use fleetfn_core::usage::{Usage, UsageKey};
use fleetfn_core::{Change, Effect, Offset, PartitionId};
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

fn effect(number: u32) -> EffectId {
    EffectId { offset: u64::from(number / 4), index: number, function: function() }
}

fn bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..60).prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Option<Value>> {
    let expires = proptest::sample::select(vec![5, 1 << 40, u64::MAX]);
    proptest::option::of((bytes(), expires).prop_map(|(bytes, expires_at_ms)| Value { bytes, expires_at_ms }))
}

fn letter(number: u64) -> DeadLetter {
    DeadLetter {
        offset: Offset(number),
        function: function(),
        version: ModuleHash([1; 32]),
        received_at_ms: number,
        error_type: "trap".into(),
        detail: "unreachable".into(),
        fuel: 7,
        logs: vec!["a line".into()],
        event: "an event".into(),
    }
}

fn of_state() -> impl Strategy<Value = Change> {
    let owner = |of| (entity(of), function());
    prop_oneof![
        8 => (0..3_u8, 0..4_u8, value()).prop_map(move |(of, name, value)| {
            let (entity, function) = owner(of);
            Change::State { entity, function, key: Bytes::from(vec![b'k', name]), value }
        }),
        2 => (0..3_u8, 0..4_u8, 0..2_u64, value()).prop_map(move |(of, name, earlier, value)| {
            let (entity, function) = owner(of);
            let since = Offset(DARK_SINCE.0 - earlier);
            Change::Shadow { entity, function, since, key: Bytes::from(vec![name]), value }
        }),
        1 => (0..3_u8, proptest::collection::vec(any::<u64>(), 1..4))
            .prop_map(|(of, ids)| Change::Seen { entity: entity(of), ids }),
        1 => (0..3_u8, 0..9_u64).prop_map(|(of, number)| Change::Twin {
            device: device(of),
            twin: Model::twin(number),
        }),
        1 => (0..3_u8, 1..9_u32).prop_map(|(of, job_last)| Change::Update {
            device: device(of),
            update: Box::new(Update { job_last, ..Update::default() }),
        }),
        1 => (0..3_u8, any::<u64>()).prop_map(move |(of, fuel)| {
            let (entity, function) = owner(of);
            let key = UsageKey { month: MONTH, function, entity };
            let usage = Usage { invocations: 1, fuel, ..Usage::default() };
            if fuel % 4 == 0 { Change::UsageDelete { key } } else { Change::Usage { key, usage } }
        }),
    ]
}

fn of_time() -> impl Strategy<Value = Change> {
    let timer =
        |(due_ms, of): (u64, u8)| Timer { due_ms, entity: entity(of), purpose: TimerPurpose::OutboxExpiry };
    let key = |of, purpose| TimerKey {
        entity: entity(of),
        function: function(),
        purpose: Bytes::from(vec![purpose]),
    };
    let row = (0..5_u64, bytes()).prop_map(|(due_ms, payload)| TimerRow {
        due_ms,
        armed_ms: due_ms,
        cause: Offset(due_ms),
        payload,
    });
    prop_oneof![
        (0..5_u64, 0..3_u8).prop_map(move |at| Change::TimerSet { timer: timer(at) }),
        (0..5_u64, 0..3_u8).prop_map(move |at| Change::TimerDelete { timer: timer(at) }),
        (0..3_u8, 0..2_u8, proptest::option::of(row))
            .prop_map(move |(of, purpose, row)| Change::FunctionTimer { key: key(of, purpose), row }),
        (0..5_u64, 0..3_u8, 0..2_u8, any::<bool>()).prop_map(move |(armed_ms, of, purpose, set)| {
            let state = if set { DueState::Set } else { DueState::Gone };
            Change::Due { due: Due { armed_ms, key: key(of, purpose) }, state }
        }),
    ]
}

fn of_parcels() -> impl Strategy<Value = Change> {
    let key = |(to, number): (u8, u32)| OutboxKey { device: device(to), effect: effect(number) };
    let parcel = ParcelKind::Command;
    let entry = OutboxEntry { parcel, name: "set".into(), payload: "on".into(), expires_at_ms: 9 };
    let send = |number| Send {
        to: entity(1),
        from: entity(2),
        effect: effect(number),
        hops: 1,
        name: "hello".into(),
        payload: Bytes::from(vec![1; 30]),
    };
    let request = |asked_at_ms| Request {
        entity: entity(1),
        tag: "weather".into(),
        request: "GET".into(),
        asked_at_ms,
    };
    prop_oneof![
        3 => (0..3_u8, 0..40_u32).prop_map(move |at| Change::OutboxPut { key: key(at), entry: entry.clone() }),
        3 => (0..3_u8, 0..40_u32).prop_map(move |at| Change::OutboxDelete { key: key(at) }),
        3 => (0..40_u32).prop_map(move |number| Change::SendPut {
            sequence: u64::from(number),
            send: send(number),
        }),
        3 => (0..40_u64).prop_map(|sequence| Change::SendDelete { sequence }),
        1 => (1..40_u64).prop_map(|sequence| Change::SendNext { sequence }),
        1 => (0..PARTITIONS, 0..40_u64)
            .prop_map(|(source, sequence)| Change::Mark { source: PartitionId(source), sequence }),
        2 => (0..40_u32).prop_map(move |number| Change::RequestPut {
            effect: effect(number),
            request: request(u64::from(number)),
        }),
        2 => (0..40_u32).prop_map(|number| Change::RequestDelete { effect: effect(number) }),
    ]
}

fn of_failures() -> impl Strategy<Value = Change> {
    let side = || Side {
        version: ModuleHash([1; 32]),
        failure: None,
        fuel: 7,
        effect_count: 1,
        effects: vec![Effect::StateDelete { key: "k".into() }],
    };
    prop_oneof![
        (0..NUMBERS).prop_map(|number| Change::DeadLetterPut { letter: letter(number) }),
        (0..NUMBERS)
            .prop_map(|number| Change::DeadLetterDelete { offset: Offset(number), function: function() }),
        (0..NUMBERS).prop_map(|number| Change::Refused { letter: letter(number) }),
        (0..NUMBERS, 0..3_u8).prop_map(move |(number, of)| Change::Difference {
            difference: Box::new(Difference {
                offset: Offset(number),
                entity: entity(of),
                function: function(),
                live: Some(side()),
                dark: None,
            }),
        }),
        (0..NUMBERS, bytes()).prop_map(|(number, event)| Change::BacklogPut {
            offset: Offset(number),
            function: function(),
            event,
        }),
        (0..NUMBERS)
            .prop_map(|number| Change::BacklogDelete { offset: Offset(number), function: function() }),
        any::<(u64, u64)>().prop_map(|(until, through)| Change::Backfilled {
            function: function(),
            progress: Backfilled { until: Offset(until), through: Offset(through) },
        }),
        any::<(u64, u64)>()
            .prop_map(|(at_ms, fuel)| Change::Budget { owner: function(), spent: Spent { at_ms, fuel } }),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![of_state(), of_time(), of_parcels(), of_failures()]
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
