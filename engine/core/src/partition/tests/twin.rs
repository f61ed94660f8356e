use super::stage::{NOW_MS, Stage, device, event, name, reading, readings, version};
use crate::commit::ParcelKind;
use crate::deployment::{Deployment, Trigger};
use crate::effect::Effect;
use crate::event::{Event, EventKind};
use crate::invocation::StateReader;
use crate::partition::OPERATOR;
use crate::twin::{TWIN_BYTES_MAX, Twin};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use bytes::Bytes;

fn reported(payload: &str) -> Event {
    event(EventKind::TwinReported, NOW_MS, payload.as_bytes())
}

fn requested(expected: &str, patch: &str) -> Event {
    event(EventKind::TwinRequested { expected }, NOW_MS, patch.as_bytes())
}

fn patch(patch: &'static str) -> Effect {
    Effect::TwinPatch { patch: Bytes::from_static(patch.as_bytes()) }
}

/// A function that sees readings and reports.
fn stage() -> Stage {
    let mut stage = Stage::new(&[]);
    stage.deploy("f", vec![readings(), Trigger::Twin]);
    stage
}

fn twin(stage: &Stage) -> Twin {
    stage.memory.twins.get(&device()).cloned().unwrap_or_default()
}

/// The failures of dead letters, and whose they are.
fn letters(stage: &Stage) -> Vec<(String, &str)> {
    let letters = stage.memory.letters.values();
    letters.map(|letter| (letter.function.to_string(), letter.error_type.as_str())).collect()
}

/// What waits for the device.
fn outbox(stage: &Stage) -> Vec<(u64, ParcelKind, &[u8])> {
    let entries = stage.memory.outbox.iter();
    entries.map(|(key, entry)| (key.effect.offset, entry.parcel, &entry.payload[..])).collect()
}

#[test]
fn a_report_is_merged_before_handlers_run() {
    let mut stage = stage();
    stage.see(&reported(r#"{"rate":5}"#));
    let mut seen = None;
    let did = stage.play(&reported(r#"{"led":true}"#), &mut |_, state| {
        seen = state.twin().expect("it can be read");
        Ok(vec![])
    });
    assert_eq!(did.functions().iter().map(|(_, trigger, _)| *trigger).collect::<Vec<_>>(), [1]);
    let expected = r#"{"delta":{},"desired":{},"reported":{"led":true,"rate":5},"version":2}"#;
    assert_eq!(seen.as_deref(), Some(expected.as_bytes()));
    stage.commit();
    assert_eq!(twin(&stage).shown(), expected.as_bytes());
}

#[test]
fn a_report_is_kept_though_its_handler_fails() {
    let mut stage = stage();
    stage.fail(&reported(r#"{"rate":5}"#));
    stage.commit();
    assert_eq!((twin(&stage).version, letters(&stage)), (1, vec![("f".into(), "trap")]));
}

#[test]
fn a_report_that_is_no_object_runs_nothing_and_is_a_dead_letter() {
    let mut stage = stage();
    for report in ["[1]", "{", "", "7"] {
        assert_eq!(stage.see(&reported(report)).functions(), []);
    }
    stage.commit();
    assert_eq!(letters(&stage), vec![(OPERATOR.to_string(), "twin"); 4]);
    assert!(stage.memory.twins.is_empty());
}

#[test]
fn a_report_that_is_no_object_does_not_wait_for_a_function_either() {
    let mut stage = Stage::new(&[]);
    let live = Some(version("f", 1, vec![Trigger::Twin]));
    let line = Deployment { live, paused: Some("for now".into()), ..Deployment::default() };
    stage.deploy_line("f", &line);
    stage.see(&reported("[1]"));
    stage.commit();
    assert_eq!((letters(&stage).len(), stage.memory.backlog.len()), (1, 0));
}

#[test]
fn a_report_that_changes_nothing_is_not_committed() {
    let mut stage = Stage::new(&[]);
    stage.see(&reported(r#"{"rate":5}"#));
    stage.commit();
    stage.see(&reported(r#"{"rate":5}"#));
    assert_eq!(stage.commit(), []);
}

#[test]
fn a_desired_change_is_sent_and_withdraws_the_older_message() {
    for committed in [true, false] {
        let mut stage = stage();
        stage.see(&requested("", r#"{"rate":5}"#));
        if committed {
            stage.commit();
        }
        stage.give(&reading(), vec![patch(r#"{"rate":6}"#), patch(r#"{"led":true}"#)]);
        stage.commit();
        let newest = &br#"{"desired":{"led":true,"rate":6},"version":3}"#[..];
        assert_eq!(outbox(&stage), [(3, ParcelKind::Twin, newest)], "committed between: {committed}");
        let withdrawn: Vec<_> = stage.outboxes.withdrawn.iter().map(|key| key.effect.offset).collect();
        assert_eq!((stage.outboxes.reserved, withdrawn), (3, vec![2, 3]));
    }
}

#[test]
fn a_message_that_the_device_has_is_not_withdrawn() {
    let mut stage = stage();
    stage.see(&requested("", r#"{"rate":5}"#));
    stage.commit();
    let key = *stage.memory.outbox.keys().next().expect("it waits");
    stage.partition.handle_acknowledged(key, NOW_MS);
    stage.see(&requested("", r#"{"rate":6}"#));
    stage.commit();
    assert_eq!((outbox(&stage).len(), stage.outboxes.withdrawn.len()), (1, 0));
}

#[test]
fn a_change_that_changes_nothing_takes_no_place_in_the_outbox() {
    let mut stage = stage();
    stage.give(&reading(), vec![patch(r#"{"rate":5}"#)]);
    stage.give(&reading(), vec![patch(r#"{"rate":5}"#)]);
    stage.see(&requested("", r#"{"rate":5}"#));
    stage.commit();
    assert_eq!((stage.outboxes.reserved, outbox(&stage).len(), twin(&stage).version), (1, 1, 1));
}

#[test]
fn a_change_for_another_version_is_refused() {
    let mut stage = stage();
    stage.see(&requested("0", r#"{"rate":5}"#));
    stage.see(&requested("0", r#"{"rate":6}"#));
    stage.see(&requested("1", r#"{"rate":7}"#));
    stage.commit();
    assert_eq!(twin(&stage).desired.get("rate"), Some(&7.into()));
    assert_eq!(letters(&stage), [(OPERATOR.to_string(), "twin-version")]);
}

#[test]
fn a_change_that_does_not_fit_fails_its_invocation_as_a_whole() {
    let mut stage = stage();
    let no_object = stage.give(&reading(), vec![patch(r#"{"rate":5}"#), patch("[]")]);
    assert_eq!(no_object.failures(), ["twin"]);
    let large = Effect::TwinPatch { patch: format!(r#"{{"a":"{}"}}"#, "x".repeat(TWIN_BYTES_MAX)).into() };
    assert_eq!(stage.give(&reading(), vec![large]).failures(), ["twin-bytes"]);
    stage.commit();
    assert!(stage.memory.twins.is_empty() && stage.memory.outbox.is_empty());
}

#[test]
fn functions_that_change_a_twin_together_stay_within_its_bound() {
    let mut stage = Stage::new(&["a", "b"]);
    let half = "x".repeat(TWIN_BYTES_MAX * 2 / 3);
    let did = stage.play(&reading(), &mut |target, _| {
        let patch = format!(r#"{{"{}":"{half}"}}"#, target.function).into();
        Ok(vec![Effect::TwinPatch { patch }])
    });
    assert_eq!(did.failures(), ["twin-bytes"]);
    stage.commit();
    assert_eq!(twin(&stage).desired.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(stage.memory.letters.keys().map(|(_, function)| *function).collect::<Vec<_>>(), [name("b")]);
}

#[test]
fn a_change_for_which_the_outbox_has_no_room_is_a_dead_letter() {
    let mut stage = stage();
    stage.outboxes.full = true;
    stage.see(&requested("", r#"{"rate":5}"#));
    assert_eq!(stage.give(&reading(), vec![patch(r#"{"rate":5}"#)]).failures(), ["outbox-full"]);
    stage.commit();
    assert!(stage.memory.twins.is_empty());
    assert_eq!(letters(&stage).len(), 2);
}
