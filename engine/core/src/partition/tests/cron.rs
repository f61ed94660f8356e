use super::stage::{NOW_MS, Stage, name, reading_at};
use crate::commit::Setting;
use crate::deployment::{Deployment, Per, Trigger};
use crate::event::{Entity, Event};
use crate::partition::Cron;
use crate::partition::tests::stage::{Did, device, version};
use crate::position::Offset;
use crate::settings::BUDGET_KEY;
use alloc::vec;

const HOUR_MS: u64 = 3_600_000;
const HOURLY: &str = "0 * * * *";

fn trigger() -> Trigger {
    Trigger::Cron { expression: HOURLY.into(), per: Per::Device }
}

/// A function with a timer of the calendar that is set for the next hour.
fn stage() -> Stage {
    let mut stage = Stage::new(&[]);
    stage.deploy("f", vec![trigger()]);
    arm(&mut stage, NOW_MS + HOUR_MS, NOW_MS);
    stage
}

fn arm(stage: &mut Stage, next_ms: u64, now_ms: u64) {
    let entity = Entity::Device(device()).canonical();
    let cron = Cron { entity: &entity, function: name("f"), expression: HOURLY, cause: Offset(1) };
    let Ok(()) = stage.partition.arm_cron(&cron, next_ms, now_ms, &stage.memory);
    stage.commit();
}

fn fire(stage: &mut Stage, at_ms: u64) -> Event {
    let fired = stage.fire(at_ms, at_ms + HOUR_MS);
    let [event] = &fired[..] else { panic!("one fires: {fired:?}") };
    event.clone()
}

#[test]
fn a_timer_of_the_calendar_is_set_again_when_it_fires() {
    let mut stage = stage();
    for round in 1..4 {
        let at_ms = NOW_MS + round * HOUR_MS;
        let event = fire(&mut stage, at_ms);
        assert_eq!(stage.see(&event).functions().len(), 1);
        stage.commit();
        assert_eq!(stage.due_ms(), [at_ms + HOUR_MS]);
    }
}

#[test]
fn a_late_timer_of_the_calendar_fires_once() {
    let mut stage = stage();
    stage.restart();
    let event = fire(&mut stage, NOW_MS + 9 * HOUR_MS);
    stage.see(&event);
    assert_eq!(stage.fire(NOW_MS + 9 * HOUR_MS, 0), []);
    stage.commit();
    assert_eq!(stage.due_ms(), [NOW_MS + 10 * HOUR_MS]);
}

#[test]
fn the_second_event_of_one_firing_of_the_calendar_is_dropped() {
    let mut stage = stage();
    let first = fire(&mut stage, NOW_MS + HOUR_MS);
    stage.restart();
    let second = fire(&mut stage, NOW_MS + 5 * HOUR_MS);
    assert_eq!(stage.see(&first).functions().len(), 1);
    // The first set it for a time that has passed as well: that one is fired for itself.
    assert_eq!(stage.see(&second).functions(), []);
    let third = fire(&mut stage, NOW_MS + 5 * HOUR_MS);
    assert_eq!(stage.see(&third).functions().len(), 1);
    stage.commit();
    assert_eq!(stage.due_ms(), [NOW_MS + 6 * HOUR_MS]);
}

#[test]
fn arming_again_changes_nothing_unless_the_zone_has_changed() {
    let mut stage = stage();
    let before = stage.memory.clone();
    arm(&mut stage, NOW_MS + HOUR_MS, NOW_MS);
    assert_eq!(stage.memory.timers, before.timers);
    for next_ms in [NOW_MS + HOUR_MS / 2, NOW_MS + 2 * HOUR_MS] {
        arm(&mut stage, next_ms, NOW_MS);
        assert_eq!(stage.due_ms(), [next_ms]);
    }
}

#[test]
fn a_timer_of_the_calendar_that_is_late_is_not_moved() {
    let mut stage = stage();
    arm(&mut stage, NOW_MS + 5 * HOUR_MS, NOW_MS + 4 * HOUR_MS);
    assert_eq!(stage.due_ms(), [NOW_MS + HOUR_MS]);
}

#[test]
fn a_timer_of_the_calendar_is_not_set_again_when_no_version_has_it() {
    let mut stage = stage();
    stage.deploy("f", vec![]);
    let event = fire(&mut stage, NOW_MS + HOUR_MS);
    assert_eq!(stage.see(&event).functions(), []);
    stage.commit();
    assert!(stage.memory.timers.is_empty() && stage.memory.due.is_empty());
}

#[test]
fn a_timer_of_the_calendar_goes_on_while_its_function_is_paused_or_out_of_fuel() {
    for paused in [true, false] {
        let mut stage = stage();
        if paused {
            let live = Some(version("f", 1, vec![trigger()]));
            let line = Deployment { live, paused: Some("for now".into()), ..Deployment::default() };
            stage.deploy_line("f", &line);
        } else {
            stage.settings.handle_setting(Offset(2), name("f"), BUDGET_KEY, Some(&Setting::Budget(0)));
            stage.next = 3;
        }
        let event = fire(&mut stage, NOW_MS + HOUR_MS);
        assert_eq!(stage.see(&event).functions(), []);
        stage.commit();
        assert_eq!(stage.memory.backlog.len(), 1);
        assert_eq!(stage.due_ms(), [NOW_MS + 2 * HOUR_MS]);
    }
}

#[test]
fn a_timer_of_a_device_that_is_gone_is_dropped() {
    let mut stage = stage();
    fire(&mut stage, NOW_MS + HOUR_MS);
    let due = stage.memory.due.first().cloned().expect("it is set");
    let Ok(()) = stage.partition.drop_timer(&due, NOW_MS, &stage.memory);
    stage.commit();
    assert!(stage.memory.timers.is_empty() && stage.memory.due.is_empty());
    assert!(!matches!(stage.see(&reading_at(NOW_MS)), Did::Duplicate));
}

#[test]
fn a_dark_version_alone_does_not_keep_a_timer_of_the_calendar() {
    let mut stage = stage();
    let dark = Some(version("f", 2, vec![trigger()]));
    let live = Some(version("f", 3, vec![]));
    stage.deploy_line("f", &Deployment { live, dark, ..Deployment::default() });
    let event = fire(&mut stage, NOW_MS + HOUR_MS);
    stage.see(&event);
    stage.commit();
    assert!(stage.due_ms().is_empty());
}
