//! What is kept of invocations: sums, and recordings.

use super::stage::{NOW_MS, Stage, event, made, name, origin, reading, reading_at, readings, text, version};
use crate::deployment::Deployment;
use crate::effect::Effect;
use crate::event::{Entity, EventKind};
use crate::invocation::{Invocation, Outcome, Read, Role};
use crate::partition::Given;
use crate::position::Offset;
use crate::recording::RecordedOutcome;
use crate::settings::Settings;
use crate::usage::{DELETED_PER_TURN, Usage, UsageKey};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use fleetfn_protocol::DeviceId;

fn put() -> Effect {
    Effect::StatePut { key: text("k"), value: text("1234"), ttl_s: 0 }
}

#[test]
fn usage_is_summed_over_turns_and_restarts() {
    let mut stage = Stage::new(&["f"]);
    stage.give(&reading(), vec![put()]);
    stage.fail(&reading());
    stage.commit();
    stage.restart();
    stage.give(&reading(), vec![put()]);
    stage.commit();
    let usage: Vec<_> = stage.memory.usage.iter().collect();
    let [(key, usage)] = usage[..] else { panic!("one sum: {usage:?}") };
    assert_eq!((key.month, key.function, &key.entity), (197_001, name("f"), &text("dd")));
    let expected = Usage {
        invocations: 3,
        errors: 1,
        fuel: 30,
        guest_ns: 3,
        bytes_in: 3 * 7,
        bytes_out: 2 * 5,
        ..Usage::default()
    };
    assert_eq!(*usage, expected);
}

#[test]
fn usage_is_summed_by_function_and_month_of_the_event() {
    let mut stage = Stage::new(&["f", "g"]);
    stage.see(&reading());
    stage.see(&reading_at(NOW_MS + 40 * 86_400_000));
    stage.commit();
    let keys = stage.memory.usage.keys().map(|key| (key.month, key.function));
    let expected = [(197_001, name("f")), (197_001, name("g")), (197_002, name("f")), (197_002, name("g"))];
    assert_eq!(keys.collect::<Vec<_>>(), expected);
}

#[test]
fn months_that_are_long_ago_end_with_the_first_events_of_a_new_one() {
    let day_ms = 86_400_000;
    let mut stage = Stage::new(&["f"]);
    for number in 0..u64::try_from(DELETED_PER_TURN).expect("few") + 10 {
        let device = DeviceId::parse(&format!("d-{number}")).expect("a name");
        let entity = Entity::Device(device).canonical().into();
        let key = UsageKey { month: 197_001, function: name("f"), entity };
        stage.memory.usage.insert(key, Usage::default());
    }
    // The last day of the year, and the first ones of February.
    for (day, kept) in [(364, 75), (396, 12), (397, 2)] {
        stage.see(&reading_at(day * day_ms));
        stage.see(&reading_at(day * day_ms));
        stage.commit();
        assert_eq!(stage.memory.usage.len(), kept, "on day {day}");
        stage.restart();
    }
    let months: Vec<_> = stage.memory.usage.keys().map(|key| key.month).collect();
    assert_eq!(months, [197_012, 197_102]);
}

#[test]
fn what_is_handled_again_counts_in_the_month_in_which_it_is() {
    let mut stage = Stage::new(&["f"]);
    let origin = origin("f", stage.next, 0);
    stage.fail(&reading());
    stage.commit();
    let again = made(EventKind::Redrive, NOW_MS + 40 * 86_400_000, Some(origin), "", reading().bytes());
    stage.see(&again);
    stage.commit();
    let months: Vec<_> = stage.memory.usage.keys().map(|key| key.month).collect();
    assert_eq!(months, [197_001, 197_002]);
}

#[test]
fn what_runs_dark_is_summed_apart() {
    let mut stage = Stage::new(&[]);
    let (live, dark) = (Some(version("f", 1, vec![readings()])), Some(version("f", 2, vec![readings()])));
    stage.deploy_line("f", &Deployment { live, dark, ..Deployment::default() });
    stage.play(&reading(), &mut |target, _| match target.role {
        Role::Live => Ok(vec![]),
        Role::Dark => Err(Outcome::Rejected { code: 1 }),
    });
    stage.commit();
    let usage = stage.memory.usage.values().next().expect("summed");
    assert_eq!((usage.invocations, usage.errors, usage.dark, usage.fuel), (1, 0, 1, 20));
}

#[test]
fn a_commit_carries_what_each_invocation_read_asked_for_and_came_to() {
    let mut stage = Stage::new(&["f", "g"]);
    let given = Given::decode(reading().bytes().clone()).expect("an event");
    let Stage { partition, memory, routes, outboxes, .. } = &mut stage;
    let Ok(_) = partition.plan(Offset(3), &given, routes, &Settings::default(), memory);
    let read = Read::State { key: text("k"), value: Some(text("before")) };
    let invocation = |function, outcome, effects: Vec<Effect>| Invocation {
        function: name(function),
        version: crate::deployment::ModuleHash([1; 32]),
        role: Role::Live,
        trigger: 0,
        outcome,
        fuel: 7,
        guest_ns: 8,
        effects,
        reads: vec![read.clone()],
        logs: vec![],
    };
    let rejected = Outcome::Rejected { code: 1 };
    let mut ran = [invocation("f", Outcome::Done, vec![put()]), invocation("g", rejected, vec![])];
    let Ok(_) = partition.settle(Offset(3), &given, &mut ran, 0, &Settings::default(), memory, outboxes);
    stage.commit();
    let [f, g] = &stage.recordings[..] else { panic!("two: {:?}", stage.recordings) };
    assert_eq!((f.offset, &f.entity, f.fuel, f.guest_ns), (Offset(3), &text("dd"), 7, 8));
    assert_eq!(
        (&f.outcome, &f.effects[..], &f.reads[..]),
        (&RecordedOutcome::Done, &[put()][..], &[read.clone()][..])
    );
    let failed =
        RecordedOutcome::Failed { error_type: "rejected".into(), detail: "the handler returned 1".into() };
    assert_eq!((&g.outcome, g.effects.len(), &g.reads[..]), (&failed, 0, &[read][..]));
}

#[test]
fn an_invocation_that_asked_for_too_much_is_recorded_as_failed() {
    let mut stage = Stage::new(&["f"]);
    stage.outboxes.full = true;
    let command = Effect::Command { name: text("fan"), payload: text("on"), ttl_s: 0, timeout_s: 0 };
    stage.give(&reading(), vec![command]);
    stage.commit();
    let recorded = &stage.recordings[0];
    assert!(
        matches!(&recorded.outcome, RecordedOutcome::Failed { error_type, .. } if error_type == "outbox-full")
    );
    assert_eq!(recorded.effects, []);
}

#[test]
fn an_event_that_runs_nothing_is_not_recorded() {
    let mut stage = Stage::new(&["f"]);
    stage.see(&event(EventKind::Connected, NOW_MS, b""));
    assert_eq!(stage.commit(), []);
    assert_eq!(stage.recordings, []);
}
