use super::stage::{Did, NOW_MS, Stage, made, name, origin, readings, text};
use crate::deployment::Trigger;
use crate::effect::Effect;
use crate::event::{Event, EventKind};
use crate::invocation::Outcome;
use crate::partition::tests::stage::{reading, reading_at};
use crate::position::Offset;
use alloc::vec;

/// The event that redrives the letter of `function` at an offset.
fn redrive(function: &str, offset: u64, event: &Event) -> Event {
    made(EventKind::Redrive, NOW_MS + 9_000, Some(origin(function, offset, 0)), "", event.bytes())
}

fn put() -> Effect {
    Effect::StatePut { key: text("k"), value: text("v"), ttl_s: 0 }
}

/// Two functions of which `f` has failed, at offset 3.
fn stage() -> Stage {
    let mut stage = Stage::new(&["f", "g"]);
    stage.play(&reading(), &mut |target, _| match target.function.as_str() {
        "f" => Err(Outcome::Rejected { code: 1 }),
        _ => Ok(vec![]),
    });
    stage.commit();
    assert_eq!(stage.memory.letters.len(), 1);
    stage
}

#[test]
fn a_redrive_that_succeeds_deletes_the_letter_and_runs_nobody_else() {
    let mut stage = stage();
    let did = stage.give(&redrive("f", 3, &reading()), vec![put()]);
    assert_eq!(did.functions().iter().map(|(function, ..)| *function).collect::<vec::Vec<_>>(), ["f"]);
    stage.commit();
    assert!(stage.memory.letters.is_empty());
    assert_eq!(stage.memory.state.len(), 1);
}

#[test]
fn a_second_redrive_of_a_letter_is_dropped() {
    for committed in [true, false] {
        let mut stage = stage();
        stage.see(&redrive("f", 3, &reading()));
        if committed {
            stage.commit();
        }
        assert_eq!(stage.see(&redrive("f", 3, &reading())), Did::Duplicate);
    }
    assert_eq!(stage().see(&redrive("g", 3, &reading())), Did::Duplicate, "it did not fail");
}

#[test]
fn a_redrive_that_fails_replaces_the_letter() {
    let mut stage = stage();
    stage.fail(&redrive("f", 3, &reading()));
    stage.commit();
    let letter = stage.memory.letters.get(&(Offset(3), name("f"))).expect("it is kept");
    assert_eq!((stage.memory.letters.len(), letter.error_type.as_str()), (1, "trap"));
    assert_eq!(letter.event, *reading().bytes(), "the first event, not the one that redrove it");
    // It can be redriven again.
    stage.see(&redrive("f", 3, &reading()));
    stage.commit();
    assert!(stage.memory.letters.is_empty());
}

#[test]
fn a_redriven_handler_sees_the_event_as_it_was() {
    let mut stage = stage();
    let effect = Effect::StatePut { key: text("k"), value: text("v"), ttl_s: 5 };
    stage.give(&redrive("f", 3, &reading_at(NOW_MS)), vec![effect]);
    stage.commit();
    let value = stage.memory.state.values().next().expect("it was put");
    assert_eq!(value.expires_at_ms, NOW_MS + 5_000, "counted from the event's own time");
}

#[test]
fn a_redriven_reading_breaks_no_silence_and_a_redriven_report_merges_nothing() {
    let mut stage = Stage::new(&[]);
    let quiet = Trigger::Quiet { filter: "#".into(), for_s: 9 };
    stage.deploy("f", vec![readings(), Trigger::Twin, quiet]);
    let report = made(EventKind::TwinReported, NOW_MS, None, "", br#"{"rate":5}"#);
    stage.fail(&reading());
    stage.fail(&report);
    stage.commit();
    let before = (stage.memory.timers.clone(), stage.memory.twins.clone());
    assert_eq!((before.0.len(), before.1.len()), (1, 1));
    assert_eq!(stage.see(&redrive("f", 2, &reading())).functions().len(), 1);
    assert_eq!(stage.see(&redrive("f", 3, &report)).functions().len(), 1);
    stage.commit();
    assert_eq!((stage.memory.timers.clone(), stage.memory.twins.clone()), before);
}

#[test]
fn a_redriven_timer_runs_its_trigger_and_leaves_the_timer_set_since_alone() {
    let mut stage = Stage::new(&[]);
    stage.deploy("f", vec![readings(), Trigger::Timer { filter: "a".into() }]);
    let set = Effect::TimerSet { name: text("a"), payload: text(""), delay_s: 5 };
    stage.give(&reading(), vec![set.clone()]);
    let fired = stage.fire(NOW_MS + 5_000, 0);
    stage.fail(&fired[0]);
    stage.give(&reading(), vec![set]);
    stage.commit();
    let did = stage.see(&redrive("f", 3, &fired[0]));
    assert_eq!(did.functions().iter().map(|(_, trigger, _)| *trigger).collect::<vec::Vec<_>>(), [1]);
    stage.commit();
    assert_eq!((stage.memory.letters.len(), stage.memory.timers.len()), (0, 1));
}

#[test]
fn what_a_schema_refused_is_counted_and_no_dead_letter() {
    let mut stage = Stage::new(&["f"]);
    for detail in ["first", "second"] {
        stage.play(&reading(), &mut |_, _| Err(Outcome::Refused { detail: detail.into() }));
    }
    stage.commit();
    assert!(stage.memory.letters.is_empty());
    let refused = stage.memory.refused.get(&name("f")).expect("the newest is kept");
    assert_eq!((refused.offset, refused.detail.as_str()), (Offset(3), "second"));
    let usage = stage.memory.usage.values().next().expect("it is counted");
    assert_eq!((usage.refused, usage.invocations, usage.errors), (2, 0, 0));
}
