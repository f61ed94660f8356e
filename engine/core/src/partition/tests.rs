use super::*;
use crate::deployment::{Deployment, Manifest, ModuleHash, Trigger};
use crate::effect::Effect;
use crate::event::EventParts;
use crate::invocation::{Invocation, LogLevel, LogLine, Outcome, StateReader, StateUnavailable};
use crate::retry;
use alloc::string::{String, ToString};
use alloc::vec;
use core::convert::Infallible;

/// State in which nothing is committed.
struct Nothing;

impl StateReader for Nothing {
    fn get(&self, _: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(None)
    }

    fn scan(
        &self,
        _: &[u8],
        _: Option<&[u8]>,
        _: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateUnavailable> {
        Ok(())
    }
}

fn name(text: &str) -> FunctionName {
    FunctionName::parse(text).expect("a name")
}

fn device() -> DeviceId {
    DeviceId::parse("d").expect("a name")
}

fn event(kind: EventKind<'_>, message_id: &str) -> Event {
    let parts = EventParts {
        device: DeviceId::parse("d").ok(),
        kind,
        received_at_ms: 1_000,
        expiry_s: 7,
        message_id,
        payload: b"payload",
    };
    Event::decode(parts.encode().expect("fits")).expect("decodes")
}

fn reading() -> Event {
    event(EventKind::Telemetry { channel: "t" }, "")
}

fn routes(functions: &[&str]) -> Routes {
    let mut routes = Routes::default();
    for function in functions {
        let manifest = Manifest {
            name: name(function),
            triggers: vec![Trigger::Telemetry { filter: "#".into() }],
            publish: vec![],
            command: true,
        };
        let deployment = Deployment { manifest, version: ModuleHash([1; 32]), deployed_at_ms: 0 };
        routes.handle_deployment(Offset(0), name(function), Some(&deployment));
    }
    routes
}

fn partition() -> Partition {
    Partition::new(PartitionId(3), Epoch(2), Offset(1), [])
}

fn done(function: &str, effects: Vec<Effect>) -> Invocation {
    Invocation {
        function: name(function),
        version: ModuleHash([1; 32]),
        outcome: Outcome::Done,
        fuel: 10,
        effects,
        logs: vec![],
    }
}

fn interrupted(function: &str) -> Invocation {
    Invocation { outcome: Outcome::Interrupted { detail: "late".into() }, ..done(function, vec![]) }
}

fn put(key: &'static str, value: &'static str) -> Effect {
    Effect::StatePut { key: Bytes::from_static(key.as_bytes()), value: Bytes::from_static(value.as_bytes()) }
}

fn command(ttl_s: u32) -> Effect {
    Effect::Command { name: Bytes::from_static(b"fan"), payload: Bytes::from_static(b"on"), ttl_s }
}

fn plan<'r>(partition: &mut Partition, offset: u64, event: &Event, routes: &'r mut Routes) -> Plan<'r> {
    let Ok(plan) = partition.plan(Offset(offset), event, routes, |_| Ok::<_, Infallible>(vec![]));
    plan
}

fn settle(partition: &mut Partition, offset: u64, event: &Event, invocations: &mut [Invocation]) -> Settled {
    let Ok(settled) =
        partition.settle(Offset(offset), event, invocations, 5_000, |_, _| Ok::<_, Infallible>(true));
    settled
}

fn run(partition: &mut Partition, offset: u64, event: &Event, mut invocations: Vec<Invocation>) -> Settled {
    let functions: Vec<_> = invocations.iter().map(|one| one.function.to_string()).collect();
    let functions: Vec<_> = functions.iter().map(String::as_str).collect();
    let mut routes = routes(&functions);
    assert!(matches!(plan(partition, offset, event, &mut routes), Plan::Run(_)));
    settle(partition, offset, event, &mut invocations)
}

fn changes(partition: &mut Partition) -> Vec<Change> {
    partition.poll_turn(5_000).map(|turn| turn.commit.changes).unwrap_or_default()
}

#[test]
fn a_key_written_by_many_events_is_committed_once() {
    let mut partition = partition();
    run(&mut partition, 1, &reading(), vec![done("f", vec![put("a", "1"), put("b", "1")])]);
    run(&mut partition, 4, &reading(), vec![done("f", vec![put("a", "2")])]);
    let turn = partition.poll_turn(5_000).expect("there is something to commit");
    assert_eq!(turn.commit.cursor, Some(Offset(5)));
    assert_eq!((turn.commit.partition, turn.commit.epoch), (PartitionId(3), Epoch(2)));
    let state = |key: &'static str, value: &'static str| Change::State {
        entity: Bytes::from_static(b"dd"),
        function: name("f"),
        key: Bytes::from_static(key.as_bytes()),
        value: Some(Bytes::from_static(value.as_bytes())),
    };
    assert_eq!(turn.commit.changes, [state("a", "2"), state("b", "1")]);
    assert_eq!(partition.poll_turn(5_000), None);
}

#[test]
fn a_later_event_reads_what_an_earlier_one_of_the_turn_wrote() {
    let mut partition = partition();
    run(&mut partition, 1, &reading(), vec![done("f", vec![put("a", "1")])]);
    let mut routes = routes(&["f"]);
    plan(&mut partition, 2, &reading(), &mut routes);
    assert_eq!(partition.reader(name("f"), Nothing).get(b"a"), Ok(Some(Bytes::from_static(b"1"))));
    assert_eq!(partition.reader(name("g"), Nothing).get(b"a"), Ok(None));
}

#[test]
fn a_failure_commits_its_dead_letter_and_nothing_else() {
    let mut partition = partition();
    let failed = Invocation {
        outcome: Outcome::Failed { error_type: "trap", detail: "unreachable".into() },
        logs: vec![LogLine { level: LogLevel::Info, text: "hot".into() }],
        ..done("f", vec![put("a", "1"), command(0)])
    };
    run(&mut partition, 1, &reading(), vec![failed, done("g", vec![put("b", "1")])]);
    let changes = changes(&mut partition);
    let [Change::DeadLetterPut { letter }, Change::State { function, .. }] = &changes[..] else {
        panic!("a letter of one and the state of the other: {changes:?}");
    };
    assert_eq!((letter.offset, letter.error_type.as_str()), (Offset(1), "trap"));
    assert_eq!(letter.logs, ["hot"]);
    assert_eq!(letter.event, *reading().bytes());
    assert_eq!(*function, name("g"));
}

#[test]
fn an_effect_is_known_by_its_event_function_and_place() {
    let mut partition = partition();
    let publish = Effect::Publish { topic: Bytes::from_static(b"alerts"), payload: Bytes::new() };
    run(&mut partition, 9, &reading(), vec![done("f", vec![put("a", "1"), command(0), publish])]);
    let turn = partition.poll_turn(5_000).expect("there is something to commit");
    let id = |index| EffectId { offset: 9, function: name("f"), index };
    assert!(matches!(turn.commit.changes[0], Change::OutboxPut { key, .. } if key.effect == id(1)));
    assert_eq!(turn.publishes[0].effect, id(2));
}

#[test]
fn a_command_that_expires_sets_a_timer_unless_an_earlier_one_is_set() {
    let mut partition = partition();
    run(&mut partition, 1, &reading(), vec![done("f", vec![command(2), command(3), command(0)])]);
    let changes = changes(&mut partition);
    let timers: Vec<_> = changes.iter().filter(|change| matches!(change, Change::TimerSet { .. })).collect();
    assert_eq!(timers.len(), 1);
    assert_eq!(partition.next_deadline(), Some(3_000));
    assert_eq!(partition.poll_expiry(3_000), Some(device()));
    let key =
        |index| OutboxKey { device: device(), effect: EffectId { offset: 1, function: name("f"), index } };
    assert!(partition.handle_entry(key(0), 3_000, 3_000));
    assert!(!partition.handle_entry(key(1), 4_000, 3_000));
    assert!(!partition.handle_entry(key(2), u64::MAX, 3_000));
    assert_eq!(partition.poll_expiry(3_000), None);
    let rest = partition.poll_rest().expect("an entry was deleted").commit.changes;
    assert!(rest.contains(&Change::OutboxDelete { key: key(0) }));
    assert_eq!(partition.next_deadline(), Some(4_000));
}

#[test]
fn an_operators_command_joins_the_outbox_under_the_operators_name() {
    let mut partition = partition();
    let asked = event(EventKind::CommandRequested { name: "reboot" }, "");
    run(&mut partition, 6, &asked, vec![]);
    let changes = changes(&mut partition);
    let [Change::TimerSet { .. }, Change::OutboxPut { key, entry }] = &changes[..] else {
        panic!("a timer and an entry: {changes:?}");
    };
    assert_eq!(key.effect, EffectId { offset: 6, function: name(OPERATOR), index: 0 });
    assert_eq!(
        (&entry.name[..], &entry.payload[..], entry.expires_at_ms),
        (&b"reboot"[..], &b"payload"[..], 8_000)
    );
}

#[test]
fn a_full_outbox_makes_dead_letters_and_keeps_state_out_too() {
    let mut partition = partition();
    let mut routes = routes(&["f"]);
    let full = |_, _| Ok::<_, Infallible>(false);
    let asked = event(EventKind::CommandRequested { name: "reboot" }, "");
    for (offset, event, mut invocations) in
        [(1, reading(), vec![done("f", vec![put("a", "1"), command(0)])]), (2, asked, vec![])]
    {
        plan(&mut partition, offset, &event, &mut routes);
        let Ok(settled) = partition.settle(Offset(offset), &event, &mut invocations, 5_000, full);
        assert_eq!(settled, Settled::Handled);
        assert!(invocations.iter().all(|one| matches!(one.outcome, Outcome::Failed { .. })));
    }
    for change in changes(&mut partition) {
        let Change::DeadLetterPut { letter } = change else { panic!("{change:?}") };
        assert_eq!(letter.error_type, "outbox-full");
        assert_eq!(
            letter.detail,
            "the outbox of device 'd' holds 1000 commands that it has not acknowledged"
        );
    }
}

#[test]
fn the_functions_of_one_event_share_a_bound() {
    let mut partition = partition();
    let large =
        || Effect::StatePut { key: Bytes::new(), value: Bytes::from(vec![0; EVENT_BYTES_MAX / 2 + 1]) };
    run(
        &mut partition,
        1,
        &reading(),
        vec![done("a", vec![large()]), done("b", vec![large()]), done("c", vec![put("k", "v")])],
    );
    assert!(partition.is_full());
    let changes = changes(&mut partition);
    let letters: Vec<_> =
        changes.iter().filter(|change| matches!(change, Change::DeadLetterPut { .. })).collect();
    assert!(matches!(letters[..], [Change::DeadLetterPut { letter }] if letter.function == name("b")));
    assert_eq!(changes.len(), 3);
}

#[test]
fn a_repeated_message_is_handled_once() {
    let mut partition = partition();
    let mut routes = routes(&["f"]);
    let sent = event(EventKind::Telemetry { channel: "t" }, "m-1");
    let elsewhere = event(EventKind::Telemetry { channel: "u" }, "m-1");
    run(&mut partition, 1, &sent, vec![done("f", vec![])]);
    assert_eq!(plan(&mut partition, 2, &sent, &mut routes), Plan::Duplicate);
    assert!(matches!(plan(&mut partition, 3, &elsewhere, &mut routes), Plan::Run(_)));
    let committed = changes(&mut partition);
    let [Change::Seen { entity, ids }] = &committed[..] else { panic!("{committed:?}") };
    assert_eq!((&entity[..], ids.len()), (&b"dd"[..], 1));
    let Ok(plan) = partition.plan(Offset(9), &sent, &mut routes, |_| Ok::<_, Infallible>(ids.clone()));
    assert_eq!(plan, Plan::Duplicate);
    assert_eq!(partition.cursor(), Offset(10));
}

#[test]
fn an_interrupted_event_holds_the_partition_and_leaves_no_trace() {
    let mut partition = partition();
    let mut routes = routes(&["f"]);
    run(&mut partition, 1, &reading(), vec![done("f", vec![put("a", "1")])]);
    let both = vec![done("f", vec![put("a", "2")]), interrupted("g")];
    assert_eq!(run(&mut partition, 5, &reading(), both), Settled::Interrupted);
    let turn = partition.poll_turn(5_000).expect("the first event is to be committed");
    assert_eq!((turn.commit.cursor, turn.commit.changes.len()), (Some(Offset(2)), 1));
    assert_eq!(plan(&mut partition, 6, &reading(), &mut routes), Plan::Waiting);
    partition.handle_taken(Offset(7));
    assert_eq!(partition.next_deadline(), Some(5_100));
    assert_eq!(partition.poll_resume(5_099), None);
    assert_eq!(partition.poll_resume(5_100), Some(Offset(2)));
    let again = vec![done("f", vec![put("a", "2")]), done("g", vec![])];
    assert_eq!(run(&mut partition, 5, &reading(), again), Settled::Handled);
    assert_eq!(partition.cursor(), Offset(6));
}

#[test]
fn an_event_interrupted_every_time_becomes_a_dead_letter() {
    let mut partition = partition();
    let mut tries = 1;
    while run(&mut partition, 1, &reading(), vec![interrupted("f"), done("g", vec![put("a", "1")])])
        == Settled::Interrupted
    {
        tries += 1;
        assert_eq!(partition.poll_resume(u64::MAX), Some(Offset(1)));
    }
    assert_eq!(tries, retry::TRIES_MAX);
    let changes = changes(&mut partition);
    assert!(matches!(&changes[..], [Change::DeadLetterPut { letter }, Change::State { .. }]
        if letter.error_type == "interrupted" && letter.detail == "late"));
}

#[test]
fn events_that_change_nothing_are_committed_rarely() {
    let mut partition = partition();
    run(&mut partition, 1, &reading(), vec![]);
    assert_eq!(partition.poll_turn(5_000), None);
    assert_eq!(partition.poll_rest(), None);
    assert_eq!(plan(&mut partition, 1, &reading(), &mut Routes::default()), Plan::Past);
    partition.handle_taken(Offset(CURSOR_LAG_MAX + 1));
    let turn = partition.poll_turn(5_000).expect("the cursor is far behind");
    assert_eq!((turn.commit.cursor, turn.commit.changes.len()), (Some(Offset(CURSOR_LAG_MAX + 1)), 0));
    assert_eq!(partition.poll_turn(5_000), None);
}

#[test]
fn an_acknowledgement_waits_for_a_turn_but_not_for_long() {
    let mut partition = partition();
    let effect = EffectId { offset: 0, function: name("f"), index: 0 };
    partition.handle_acknowledged(OutboxKey { device: device(), effect }, 5_000);
    assert_eq!(partition.poll_turn(5_099), None);
    assert!(partition.is_dirty());
    assert_eq!(partition.next_deadline(), Some(5_100));
    assert!(partition.poll_turn(5_100).is_some());
    assert_eq!(partition.next_deadline(), None);
}
