mod backlog;
mod builtin;
mod cron;
mod dark;
mod http;
mod jobs;
mod memory;
mod redrive;
mod send;
mod stage;
mod timer;
mod twin;
mod update;
mod usage;
mod wait;

use super::*;
use crate::effect::Effect;
use crate::event::{Event, EventKind};
use crate::invocation::{LogLevel, LogLine, Outcome, StateReader};
use crate::retry;
use crate::settings::Settings;
use alloc::vec;
use alloc::vec::Vec;
use stage::{Did, NOW_MS, Stage, device, event, made, name, reading, text};

fn put(key: &'static str, value: &'static str) -> Effect {
    Effect::StatePut { key: text(key), value: text(value), ttl_s: 0 }
}

fn command(ttl_s: u32) -> Effect {
    Effect::Command { name: text("fan"), payload: text("on"), ttl_s, timeout_s: 0 }
}

/// A reading that its sender numbers.
fn numbered(channel: &str, message_id: &str) -> Event {
    made(EventKind::Telemetry { channel }, NOW_MS, None, message_id, b"payload")
}

fn asked() -> Event {
    event(EventKind::CommandRequested { name: "reboot" }, NOW_MS, b"payload")
}

fn late() -> Outcome {
    Outcome::Interrupted { detail: "late".into() }
}

fn is_interrupted(did: &Did) -> bool {
    matches!(did, Did::Ran(Settled::Interrupted, _))
}

#[test]
fn a_key_written_by_many_events_is_committed_once() {
    let mut stage = Stage::new(&["f"]);
    stage.give(&reading(), vec![put("a", "1"), put("b", "1")]);
    stage.give(&reading(), vec![put("a", "2")]);
    let turn = stage.partition.poll_turn(NOW_MS).expect("there is something to commit");
    assert_eq!(turn.commit.cursor, Some(Offset(4)));
    assert_eq!((turn.commit.partition, turn.commit.epoch), (stage::PARTITION, Epoch(2)));
    let written = turn.commit.changes.iter().filter_map(|change| match change {
        Change::State { key, value: Some(value), .. } => Some((key.clone(), value.bytes.clone())),
        _ => None,
    });
    assert_eq!(written.collect::<Vec<_>>(), [(text("a"), text("2")), (text("b"), text("1"))]);
    assert_eq!(stage.partition.poll_turn(NOW_MS), None);
}

#[test]
fn a_later_event_reads_what_an_earlier_one_of_the_turn_wrote() {
    let mut stage = Stage::new(&["f", "g"]);
    stage.play(&reading(), &mut |target, _| {
        Ok(if target.function == name("f") { vec![put("a", "1")] } else { vec![] })
    });
    let mut read = vec![];
    stage.play(&reading(), &mut |_, state| {
        read.push(state.get(b"a").expect("it can be read"));
        Ok(vec![])
    });
    assert_eq!(read, [Some(text("1")), None]);
}

#[test]
fn a_failure_commits_its_dead_letter_and_nothing_else() {
    let mut stage = Stage::new(&["f", "g"]);
    stage.play(&reading(), &mut |target, _| match target.function.as_str() {
        "f" => Err(Outcome::Failed { error_type: "trap", detail: "unreachable".into() }),
        _ => Ok(vec![put("b", "1")]),
    });
    stage.commit();
    let letters: Vec<_> = stage.memory.letters.values().collect();
    let [letter] = letters[..] else { panic!("one letter: {letters:?}") };
    assert_eq!((letter.offset, letter.function, letter.error_type.as_str()), (Offset(3), name("f"), "trap"));
    assert_eq!(letter.event, *reading().bytes());
    let owners: Vec<_> = stage.memory.state.keys().map(|(_, function, _)| *function).collect();
    assert_eq!(owners, [name("g")]);
}

#[test]
fn a_dead_letter_keeps_what_the_handler_logged() {
    let mut stage = Stage::new(&["f"]);
    let given = Given::decode(reading().bytes().clone()).expect("an event");
    let Stage { partition, memory, routes, outboxes, .. } = &mut stage;
    let Ok(_) = partition.plan(Offset(2), &given, routes, &Settings::default(), memory);
    let mut failed = crate::Invocation {
        function: name("f"),
        version: crate::deployment::ModuleHash([1; 32]),
        role: crate::invocation::Role::Live,
        trigger: 0,
        outcome: Outcome::Rejected { code: 7 },
        fuel: 1,
        guest_ns: 1,
        effects: vec![],
        reads: vec![],
        logs: vec![LogLine { level: LogLevel::Info, text: "hot".into() }],
    };
    let ran = core::slice::from_mut(&mut failed);
    let Ok(_) = partition.settle(Offset(2), &given, ran, 0, &Settings::default(), memory, outboxes);
    stage.commit();
    let letter = stage.memory.letters.values().next().expect("it failed");
    assert_eq!((letter.error_type.as_str(), &letter.logs[..]), ("rejected", &["hot".into()][..]));
}

#[test]
fn an_effect_is_known_by_its_event_function_and_place() {
    let mut stage = Stage::new(&["f"]);
    let publish = Effect::Publish { topic: text("alerts"), payload: Bytes::new() };
    stage.give(&reading(), vec![put("a", "1"), command(0), publish]);
    stage.commit();
    let id = |index| EffectId { offset: 2, function: name("f"), index };
    assert_eq!(stage.memory.outbox.keys().map(|key| key.effect).collect::<Vec<_>>(), [id(1)]);
    assert_eq!(stage.publishes[0].effect, id(2));
}

#[test]
fn a_command_that_expires_sets_a_timer_unless_an_earlier_one_is_set() {
    let mut stage = Stage::new(&["f"]);
    stage.partition.handle_timers(vec![]);
    stage.give(&reading(), vec![command(2), command(3), command(0)]);
    let changes = stage.commit();
    let timers = changes.iter().filter(|change| matches!(change, Change::TimerSet { .. })).count();
    assert_eq!(timers, 1);
    let partition = &mut stage.partition;
    let (soon, later) = (NOW_MS + 2_000, NOW_MS + 3_000);
    assert_eq!(partition.next_deadline(), Some(soon));
    assert_eq!(partition.poll_expiry(soon), Some(device()));
    let key =
        |index| OutboxKey { device: device(), effect: EffectId { offset: 2, function: name("f"), index } };
    assert!(partition.handle_entry(key(0), soon, soon));
    assert!(!partition.handle_entry(key(1), later, soon));
    assert!(!partition.handle_entry(key(2), u64::MAX, soon));
    assert_eq!(partition.poll_expiry(soon), None);
    stage.commit();
    assert_eq!(stage.memory.outbox.keys().copied().collect::<Vec<_>>(), [key(1), key(2)]);
    assert_eq!(stage.partition.next_deadline(), Some(later));
}

#[test]
fn an_operators_command_joins_the_outbox_under_the_operators_name() {
    let mut stage = Stage::new(&[]);
    stage.see(&asked());
    stage.commit();
    let entries: Vec<_> = stage.memory.outbox.iter().collect();
    let [(key, entry)] = entries[..] else { panic!("one entry: {entries:?}") };
    assert_eq!(key.effect, EffectId { offset: 1, function: name(OPERATOR), index: 0 });
    assert_eq!((&entry.name, &entry.payload), (&text("reboot"), &text("payload")));
    assert_eq!(entry.expires_at_ms, NOW_MS + 7_000);
}

#[test]
fn a_full_outbox_makes_dead_letters_and_keeps_state_out_too() {
    let mut stage = Stage::new(&["f"]);
    stage.outboxes.full = true;
    assert_eq!(stage.give(&reading(), vec![put("a", "1"), command(0)]).failures(), ["outbox-full"]);
    stage.see(&asked());
    stage.commit();
    assert!(stage.memory.state.is_empty() && stage.memory.outbox.is_empty());
    let letters: Vec<_> =
        stage.memory.letters.values().map(|letter| (letter.function, &*letter.detail)).collect();
    let detail = "the outbox of device 'd' holds 1000 messages that it has not acknowledged";
    assert_eq!(letters, [(name("f"), detail), (name(OPERATOR), detail)]);
}

#[test]
fn the_functions_of_one_event_share_a_bound() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let large = || Effect::StatePut {
        key: Bytes::new(),
        value: Bytes::from(vec![0; EVENT_BYTES_MAX / 2 + 1]),
        ttl_s: 0,
    };
    let did = stage.play(&reading(), &mut |target, _| match target.function.as_str() {
        "c" => Ok(vec![put("k", "v")]),
        _ => Ok(vec![large()]),
    });
    assert_eq!(did.failures(), ["event-bytes"]);
    assert!(stage.partition.is_full());
    stage.commit();
    let letters: Vec<_> = stage.memory.letters.keys().map(|(_, function)| *function).collect();
    assert_eq!((letters, stage.memory.state.len()), (vec![name("b")], 2));
}

#[test]
fn a_repeated_message_is_handled_once() {
    let mut stage = Stage::new(&["f"]);
    assert_eq!(stage.see(&numbered("t", "m-1")).functions().len(), 1);
    assert_eq!(stage.see(&numbered("t", "m-1")), Did::Duplicate);
    assert_eq!(stage.see(&numbered("u", "m-1")).functions().len(), 1);
    stage.commit();
    stage.restart();
    assert_eq!(stage.see(&numbered("t", "m-1")), Did::Duplicate);
    assert_eq!(stage.partition.cursor(), Offset(stage.next));
}

#[test]
fn an_interrupted_event_holds_the_partition_and_leaves_no_trace() {
    let mut stage = Stage::new(&["f", "g"]);
    stage.partition.handle_timers(vec![]);
    stage.give(&reading(), vec![put("a", "1")]);
    let half = &mut |target: &crate::Target, _: &_| match target.function.as_str() {
        "f" => Ok(vec![put("a", "2")]),
        _ => Err(late()),
    };
    assert!(is_interrupted(&stage.play(&reading(), half)));
    let turn = stage.partition.poll_turn(NOW_MS).expect("the first event is to be committed");
    assert_eq!(turn.commit.cursor, Some(Offset(4)));
    stage.memory.apply(&turn.commit);
    assert_eq!(stage.see(&reading()), Did::Waiting);
    stage.partition.handle_taken(Offset(6));
    assert_eq!(stage.partition.next_deadline(), Some(NOW_MS + 100));
    assert_eq!(stage.partition.poll_resume(NOW_MS + 99), None);
    assert_eq!(stage.partition.poll_resume(NOW_MS + 100), Some(Offset(4)));
    let again = stage.play_at(Offset(4), &reading(), &mut |_, state| {
        assert_eq!(state.get(b"a").expect("it can be read"), Some(text("1")));
        Ok(vec![])
    });
    assert!(!is_interrupted(&again));
    assert_eq!(stage.partition.cursor(), Offset(5));
}

#[test]
fn an_event_interrupted_every_time_becomes_a_dead_letter() {
    let mut stage = Stage::new(&["f", "g"]);
    let mut tries = 1;
    let half = &mut |target: &crate::Target, _: &_| match target.function.as_str() {
        "f" => Err(late()),
        _ => Ok(vec![put("a", "1")]),
    };
    while is_interrupted(&stage.play_at(Offset(3), &reading(), half)) {
        tries += 1;
        assert!(stage.partition.poll_resume(u64::MAX).is_some());
    }
    assert_eq!(tries, retry::TRIES_MAX);
    stage.commit();
    let letter = stage.memory.letters.values().next().expect("one was left");
    assert_eq!((letter.error_type.as_str(), letter.detail.as_str()), ("interrupted", "late"));
    assert_eq!(stage.memory.state.len(), 1);
}

#[test]
fn events_that_change_nothing_are_committed_rarely() {
    let mut stage = Stage::new(&[]);
    stage.see(&reading());
    assert_eq!(stage.partition.poll_turn(NOW_MS), None);
    assert_eq!(stage.partition.poll_rest(), None);
    assert_eq!(stage.play_at(Offset(1), &reading(), &mut |_, _| Ok(vec![])), Did::Past);
    stage.partition.handle_taken(Offset(CURSOR_LAG_MAX + 1));
    let turn = stage.partition.poll_turn(NOW_MS).expect("the cursor is far behind");
    assert_eq!((turn.commit.cursor, turn.commit.changes.len()), (Some(Offset(CURSOR_LAG_MAX + 1)), 0));
    assert_eq!(stage.partition.poll_turn(NOW_MS), None);
}

#[test]
fn an_acknowledgement_waits_for_a_turn_but_not_for_long() {
    let mut stage = Stage::new(&[]);
    let partition = &mut stage.partition;
    partition.handle_timers(vec![]);
    let effect = EffectId { offset: 0, function: name("f"), index: 0 };
    partition.handle_acknowledged(OutboxKey { device: device(), effect }, 5_000);
    assert_eq!(partition.poll_turn(5_099), None);
    assert!(partition.is_dirty());
    assert_eq!(partition.next_deadline(), Some(5_100));
    assert!(partition.poll_turn(5_100).is_some());
    assert_eq!(partition.next_deadline(), None);
}
