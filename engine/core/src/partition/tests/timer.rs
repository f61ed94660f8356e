use super::stage::{NOW_MS, Stage, name, reading_at, readings, text};
use crate::deployment::Trigger;
use crate::effect::Effect;
use crate::event::Event;
use crate::invocation::Outcome;
use crate::partition::TIMERS_MAX;
use crate::partition::tests::stage::Did;
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use bytes::Bytes;

fn set(name: &'static str, payload: &'static str, delay_s: u32) -> Effect {
    Effect::TimerSet { name: text(name), payload: text(payload), delay_s }
}

fn cancel(name: &'static str) -> Effect {
    Effect::TimerCancel { name: text(name) }
}

/// One function that sets timers when it sees readings, and hears of them.
fn stage() -> Stage {
    let mut stage = Stage::new(&[]);
    stage.deploy("f", vec![readings(), Trigger::Timer { filter: "+".into() }]);
    stage
}

fn after(seconds: u64) -> u64 {
    NOW_MS + seconds * 1_000
}

/// A reading so many seconds later.
fn later(seconds: u64) -> Event {
    reading_at(after(seconds))
}

/// What the timers that fired were set with.
fn payloads(fired: &[Event]) -> Vec<Bytes> {
    fired.iter().map(|event| event.firing().expect("a firing").payload).collect()
}

/// The trigger that ran, if one did.
fn trigger(did: &Did) -> Vec<u16> {
    did.functions().into_iter().map(|(_, trigger, _)| trigger).collect()
}

#[test]
fn a_timer_fires_once_when_its_time_has_come_with_what_it_was_set_with() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "soon", 5)]);
    stage.commit();
    assert_eq!(stage.due_ms(), [after(5)]);
    assert_eq!(stage.fire(after(5) - 1, 0), []);
    let fired = stage.fire(after(6), 0);
    assert_eq!(payloads(&fired), [text("soon")]);
    assert_eq!(fired[0].received_at_ms(), after(6));
    assert_eq!(stage.fire(after(6), 0), [], "it is on its way through the log");
    assert_eq!(trigger(&stage.see(&fired[0])), [1]);
    stage.commit();
    assert!(stage.memory.timers.is_empty() && stage.memory.due.is_empty());
}

#[test]
fn a_timer_of_a_turn_that_is_not_committed_fires_as_well() {
    let mut stage = stage();
    assert_eq!(stage.fire(after(0), 0), []);
    stage.give(&later(0), vec![set("a", "soon", 5)]);
    let fired = stage.fire(after(5), 0);
    assert_eq!(trigger(&stage.see(&fired[0])), [1]);
    stage.commit();
    assert!(stage.memory.timers.is_empty() && stage.memory.due.is_empty());
}

#[test]
fn a_timer_that_is_replaced_fires_at_its_new_time_alone() {
    for (first, second) in [(5, 9), (9, 5)] {
        let mut stage = stage();
        stage.give(&later(0), vec![set("a", "first", first)]);
        stage.commit();
        stage.give(&later(0), vec![set("a", "second", second)]);
        stage.commit();
        let due_ms = after(u64::from(second));
        assert_eq!(stage.fire(due_ms - 1, 0), [], "{first} then {second}");
        let fired = stage.fire(due_ms, 0);
        assert_eq!(payloads(&fired), [text("second")]);
        stage.see(&fired[0]);
        assert_eq!(stage.fire(after(99), 0), []);
    }
}

#[test]
fn a_cancelled_timer_never_fires_and_cancelling_none_changes_nothing() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "", 5), cancel("a"), cancel("b")]);
    stage.commit();
    assert!(stage.memory.timers.is_empty());
    stage.give(&later(0), vec![set("a", "", 5)]);
    stage.commit();
    stage.give(&later(1), vec![cancel("a")]);
    assert_eq!(stage.fire(after(9), 0), []);
    stage.commit();
    assert!(stage.memory.timers.is_empty() && stage.memory.due.is_empty());
}

#[test]
fn a_timer_cancelled_after_it_fired_does_not_run() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "", 5)]);
    let fired = stage.fire(after(5), 0);
    stage.give(&later(5), vec![cancel("a")]);
    assert_eq!(stage.see(&fired[0]), Did::Duplicate);
}

#[test]
fn a_timer_put_off_after_it_fired_runs_at_its_new_time_alone() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "first", 5)]);
    let fired = stage.fire(after(5), 0);
    stage.give(&later(4), vec![set("a", "second", 5)]);
    assert_eq!(stage.see(&fired[0]).functions(), []);
    stage.commit();
    assert_eq!(stage.due_ms(), [after(9)]);
    let fired = stage.fire(after(9), 0);
    assert_eq!(payloads(&fired), [text("second")]);
    assert_eq!(trigger(&stage.see(&fired[0])), [1]);
}

#[test]
fn a_timer_replaced_after_it_fired_late_runs_with_what_it_was_set_with_last() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "first", 5)]);
    let first = stage.fire(after(60), 0);
    stage.give(&later(6), vec![set("a", "second", 1)]);
    assert_eq!(stage.see(&first[0]).functions(), [], "it was replaced");
    let second = stage.fire(after(60), 0);
    assert_eq!(payloads(&second), [text("second")]);
    assert_eq!(trigger(&stage.see(&second[0])), [1]);
    stage.commit();
    assert!(stage.memory.timers.is_empty() && stage.memory.due.is_empty());
}

#[test]
fn a_late_timer_fires_once_after_a_restart() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "", 5)]);
    stage.commit();
    stage.restart();
    let fired = stage.fire(after(1_000), 0);
    assert_eq!(fired.len(), 1);
    assert_eq!(trigger(&stage.see(&fired[0])), [1]);
    assert_eq!(stage.fire(after(1_000), 0), []);
}

#[test]
fn the_second_event_of_one_firing_is_dropped() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "", 5)]);
    stage.commit();
    let first = stage.fire(after(5), 0);
    stage.restart();
    let second = stage.fire(after(6), 0);
    assert_eq!(trigger(&stage.see(&first[0])), [1]);
    assert_eq!(stage.see(&second[0]), Did::Duplicate);
}

#[test]
fn the_second_event_of_one_firing_does_not_stand_for_the_timer_set_by_the_first() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "1", 5)]);
    stage.commit();
    let first = stage.fire(after(5), 0);
    stage.restart();
    let second = stage.fire(after(60), 0);
    assert_eq!(trigger(&stage.give(&first[0], vec![set("a", "2", 5)])), [1]);
    assert_eq!(stage.see(&second[0]).functions(), []);
    let third = stage.fire(after(60), 0);
    assert_eq!(payloads(&third), [text("2")]);
    assert_eq!(trigger(&stage.see(&third[0])), [1]);
}

#[test]
fn a_timer_for_which_the_log_had_no_room_fires_again() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "", 5)]);
    stage.commit();
    stage.fire(after(5), 0);
    let due = stage.memory.due.first().cloned().expect("it is set");
    stage.partition.handle_unfired(due);
    assert_eq!(stage.fire(after(5), 0).len(), 1);
}

#[test]
fn a_timer_that_failed_becomes_a_dead_letter_and_is_gone() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "", 5)]);
    let fired = stage.fire(after(5), 0);
    assert_eq!(stage.fail(&fired[0]).failures(), ["trap"]);
    stage.commit();
    assert_eq!((stage.memory.timers.len(), stage.memory.letters.len()), (0, 1));
}

#[test]
fn a_timer_of_a_function_that_is_gone_is_gone() {
    let mut stage = stage();
    stage.give(&later(0), vec![set("a", "", 5)]);
    stage.routes.handle_deployment(crate::Offset(stage.next), name("f"), None);
    stage.next += 1;
    let fired = stage.fire(after(5), 0);
    assert_eq!(stage.see(&fired[0]).functions(), []);
    stage.commit();
    assert!(stage.memory.timers.is_empty() && stage.memory.due.is_empty());
}

/// Timers with numbers as names.
fn numbered(range: core::ops::Range<usize>) -> Vec<Effect> {
    let timer = |number| Effect::TimerSet {
        name: Bytes::from(format!("{number}")),
        payload: Bytes::new(),
        delay_s: 5,
    };
    range.map(timer).collect()
}

#[test]
fn timers_beyond_the_bound_are_refused_wherever_turns_end() {
    for committed in [false, true] {
        let mut stage = stage();
        let mut give = |effects: Vec<Effect>| {
            let did = stage.give(&later(0), effects);
            if committed {
                stage.commit();
            }
            did.failures().into_iter().map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(give(numbered(0..200)), [""; 0]);
        // Setting again what is set takes no room.
        assert_eq!(give(numbered(0..200)), [""; 0]);
        assert_eq!(give(numbered(200..TIMERS_MAX)), [""; 0]);
        assert_eq!(give(numbered(TIMERS_MAX..TIMERS_MAX + 1)), ["timers"]);
        // What is cancelled makes room.
        assert_eq!(give(vec![Effect::TimerCancel { name: text("0") }]), [""; 0]);
        assert_eq!(give(numbered(TIMERS_MAX..TIMERS_MAX + 1)), [""; 0]);
    }
}

#[test]
fn whatever_comes_later_counts_as_a_timer() {
    let name = text("x");
    let kinds = [
        Effect::Send { entity: text("nsite"), name: name.clone(), payload: Bytes::new(), delay_s: 9 },
        Effect::StatePut { key: name.clone(), value: Bytes::new(), ttl_s: 9 },
        Effect::Command { name: name.clone(), payload: Bytes::new(), ttl_s: 0, timeout_s: 9 },
    ];
    for effect in kinds {
        let mut stage = stage();
        stage.give(&later(0), numbered(0..TIMERS_MAX));
        assert_eq!(stage.give(&later(0), vec![effect]).failures(), ["timers"]);
        assert_eq!(
            stage.play(&later(0), &mut |_, _| Err(Outcome::Rejected { code: 1 })).failures(),
            ["rejected"]
        );
    }
}
