//! What a function is told when something has not happened, and what it keeps for a time.

use super::stage::{Did, NOW_MS, Stage, event, reading_at, readings, text};
use crate::deployment::{Deployment, Trigger};
use crate::effect::Effect;
use crate::event::{Event, EventKind};
use crate::invocation::StateReader;
use crate::partition::tests::stage::version;
use alloc::vec;
use bytes::Bytes;

fn after(seconds: u64) -> u64 {
    NOW_MS + seconds * 1_000
}

fn later(seconds: u64) -> Event {
    reading_at(after(seconds))
}

#[test]
fn silence_is_told_once_and_each_reading_puts_it_off() {
    let mut stage = Stage::new(&[]);
    stage.deploy("f", vec![Trigger::Quiet { filter: "t".into(), for_s: 10 }]);
    stage.see(&event(EventKind::Telemetry { channel: "other" }, NOW_MS, b""));
    assert_eq!(stage.commit(), []);
    for seconds in [0, 7, 12] {
        assert_eq!(stage.see(&later(seconds)).functions(), []);
        stage.commit();
        assert_eq!(stage.due_ms(), [after(seconds + 10)]);
    }
    assert_eq!(stage.fire(after(21), 0), []);
    let fired = stage.fire(after(22), 0);
    assert_eq!(stage.see(&fired[0]).functions().len(), 1);
    stage.commit();
    assert!(stage.due_ms().is_empty(), "it begins anew with the next reading");
    stage.see(&later(30));
    stage.commit();
    assert_eq!(stage.due_ms(), [after(40)]);
}

#[test]
fn silence_goes_on_over_a_version_that_has_its_trigger_at_another_place() {
    let mut stage = Stage::new(&[]);
    let quiet = |for_s| Trigger::Quiet { filter: "t".into(), for_s };
    stage.deploy("f", vec![quiet(10)]);
    stage.see(&later(0));
    stage.commit();
    stage.deploy("f", vec![readings(), quiet(5), quiet(10)]);
    let fired = stage.fire(after(10), 0);
    let did = stage.see(&fired[0]);
    assert_eq!(did.functions().len(), 1);
    assert!(matches!(&did, Did::Ran(_, ran) if ran[0].trigger == 2), "{did:?}");
}

#[test]
fn a_reading_that_comes_before_the_event_of_silence_breaks_it() {
    let mut stage = Stage::new(&[]);
    stage.deploy("f", vec![Trigger::Quiet { filter: "t".into(), for_s: 10 }]);
    stage.see(&later(0));
    let fired = stage.fire(after(10), 0);
    stage.see(&later(10));
    assert_eq!(stage.see(&fired[0]).functions(), []);
    stage.commit();
    assert_eq!(stage.due_ms(), [after(20)]);
    assert_eq!(stage.fire(after(20), 0).len(), 1);
}

fn command() -> Effect {
    Effect::Command { name: text("fan"), payload: text("on"), ttl_s: 0, timeout_s: 10 }
}

fn reply(name: &str) -> Event {
    event(EventKind::CommandReply { name }, after(5), b"done")
}

/// A function that commands on readings, and hears of replies.
fn with_replies() -> Stage {
    let mut stage = Stage::new(&[]);
    stage.deploy("f", vec![readings(), Trigger::Reply { filter: "+".into() }]);
    stage.give(&later(0), vec![command()]);
    stage.commit();
    stage
}

#[test]
fn a_reply_ends_the_wait_for_it() {
    let mut stage = with_replies();
    assert_eq!(stage.due_ms(), [after(10)]);
    stage.see(&reply("door"));
    stage.commit();
    assert_eq!(stage.due_ms(), [after(10)], "another command's reply");
    assert_eq!(stage.see(&reply("fan")).functions().len(), 1);
    stage.commit();
    assert!(stage.due_ms().is_empty());
    assert_eq!(stage.fire(after(99), 0), []);
}

#[test]
fn a_reply_that_does_not_come_is_told() {
    let mut stage = with_replies();
    let fired = stage.fire(after(10), 0);
    let did = stage.see(&fired[0]);
    assert_eq!(did.functions().iter().map(|(_, trigger, _)| *trigger).collect::<vec::Vec<_>>(), [1]);
    // One that comes after all is told as well.
    assert_eq!(stage.see(&reply("fan")).functions().len(), 1);
}

#[test]
fn a_reply_ends_the_wait_also_while_the_function_is_paused() {
    let mut stage = with_replies();
    let live = Some(version("f", 1, vec![readings(), Trigger::Reply { filter: "+".into() }]));
    let line = Deployment { live, paused: Some("for now".into()), ..Deployment::default() };
    stage.deploy_line("f", &line);
    stage.see(&reply("fan"));
    stage.commit();
    assert_eq!((stage.due_ms(), stage.memory.backlog.len()), (vec![], 1));
}

fn put(value: &'static str, ttl_s: u32) -> Effect {
    Effect::StatePut { key: text("k"), value: text(value), ttl_s }
}

/// What an event of a time reads.
fn read(stage: &mut Stage, seconds: u64) -> Option<Bytes> {
    let mut read = None;
    stage.play(&later(seconds), &mut |_, state| {
        read = state.get(b"k").expect("it can be read");
        Ok(vec![])
    });
    read
}

#[test]
fn a_value_is_seen_until_its_time_is_over_and_deleted_then() {
    let mut stage = Stage::new(&["f"]);
    stage.give(&later(0), vec![put("1", 5)]);
    for committed in [false, true] {
        if committed {
            stage.commit();
        }
        assert_eq!(read(&mut stage, 4), Some(text("1")));
        assert_eq!(read(&mut stage, 5), None, "whether or not the row is there");
    }
    let fired = stage.fire(after(5), 0);
    assert_eq!(stage.see(&fired[0]).functions(), [], "nobody is told");
    stage.commit();
    assert!(stage.memory.state.is_empty() && stage.memory.timers.is_empty());
}

#[test]
fn a_value_that_was_put_for_longer_is_not_deleted() {
    for (ttl_s, expires) in [(20, after(20) + 1_000), (0, u64::MAX)] {
        let mut stage = Stage::new(&["f"]);
        stage.give(&later(0), vec![put("1", 5)]);
        stage.commit();
        stage.give(&later(1), vec![put("2", ttl_s)]);
        for event in stage.fire(after(5), 0) {
            stage.see(&event);
        }
        stage.commit();
        let value = stage.memory.state.values().next().expect("it is kept");
        assert_eq!((&value.bytes, value.expires_at_ms), (&text("2"), expires));
        for event in stage.fire(after(21), 0) {
            stage.see(&event);
        }
        stage.commit();
        assert_eq!((stage.memory.state.len(), stage.memory.timers.len()), (usize::from(ttl_s == 0), 0));
    }
}

#[test]
fn a_value_put_between_firing_and_its_event_is_kept() {
    let mut stage = Stage::new(&["f"]);
    stage.give(&later(0), vec![put("1", 5)]);
    let fired = stage.fire(after(5), 0);
    stage.give(&later(5), vec![put("2", 5)]);
    assert!(!matches!(stage.see(&fired[0]), Did::Duplicate), "it arms the timer anew");
    stage.commit();
    assert_eq!((stage.memory.state.len(), stage.due_ms()), (1, vec![after(10)]));
}

#[test]
fn a_value_that_was_deleted_before_its_time_leaves_nothing() {
    let mut stage = Stage::new(&["f"]);
    stage.give(&later(0), vec![put("1", 5)]);
    stage.give(&later(1), vec![Effect::StateDelete { key: text("k") }]);
    for event in stage.fire(after(5), 0) {
        stage.see(&event);
    }
    stage.commit();
    assert!(stage.memory.state.is_empty() && stage.memory.timers.is_empty());
}
