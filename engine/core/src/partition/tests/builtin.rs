//! Functions of the engine's own, as a partition sees them.

use super::stage::{NOW_MS, Stage, device, event, made, name, origin};
use super::*;
use crate::Builtin;
use crate::event::{EventKind, Origin};
use crate::position::PartitionId;

/// A message of an operator or a node.
fn said(message: &str) -> Event {
    let origin = Origin { partition: PartitionId::CONTROL, ..origin(OPERATOR, u64::MAX, 0) };
    made(EventKind::Message { name: message }, NOW_MS, Some(origin), "", b"{}")
}

#[test]
fn a_device_that_is_no_part_of_a_rollout_costs_nothing_when_it_comes_and_goes() {
    let mut stage = Stage::new(&[]);
    let came = event(EventKind::Connected, NOW_MS, b"");
    assert_eq!(stage.see(&came).functions(), []);
    assert_eq!(stage.commit(), []);
    assert_eq!(stage.give(&said("update/x"), vec![put("job", "1")]).functions(), [("update", 0, Role::Live)]);
    for known in 0..2 {
        assert_eq!(stage.see(&came).functions(), [("update", 0, Role::Live)], "{known}");
        assert_eq!(stage.see(&reading()).functions(), [], "it is not watched");
        stage.commit();
    }
    stage.give(&said("update/x"), vec![put(crate::update::WATCH_ROW, "1")]);
    for known in 0..2 {
        assert_eq!(stage.see(&reading()).functions(), [("update", 0, Role::Live)], "{known}");
        stage.commit();
    }
    let delete = |key| Effect::StateDelete { key: text(key) };
    stage.give(&said("update/x"), vec![delete("job"), delete(crate::update::WATCH_ROW)]);
    stage.commit();
    assert_eq!((stage.see(&came).functions(), stage.see(&reading()).functions()), (vec![], vec![]));
}

#[test]
fn what_does_nothing_leaves_no_trace() {
    let mut stage = Stage::new(&[]);
    stage.fuel = 0;
    let status = event(EventKind::UpdateStatus, NOW_MS, b"");
    assert_eq!(stage.see(&status).functions(), [("update", 0, Role::Live)]);
    stage.commit();
    assert_eq!(stage.recordings.len(), 0);
    stage.give(&status, vec![put("job", "1")]);
    stage.commit();
    assert_eq!(stage.recordings.len(), 1);
}

#[test]
fn each_message_of_an_operator_is_handled_and_leaves_no_mark() {
    let mut stage = Stage::new(&[]);
    for _ in 0..2 {
        assert_eq!(stage.see(&said("update/x")).functions(), [("update", 0, Role::Live)]);
    }
    let marks = |change: &Change| matches!(change, Change::Mark { .. });
    assert!(!stage.commit().iter().any(marks));
}

#[test]
fn what_one_of_the_engines_own_cannot_handle_is_a_dead_letter_that_can_be_handled_again() {
    let mut stage = Stage::new(&[]);
    stage.fail(&said("update/x"));
    let letter = |change: &Change| match change {
        Change::DeadLetterPut { letter } => Some((letter.function, letter.version)),
        _ => None,
    };
    let letters: Vec<_> = stage.commit().iter().filter_map(letter).collect();
    assert_eq!(letters, [(name("update"), Builtin::Update.version())]);
    let again = made(EventKind::Redrive, NOW_MS, Some(origin("update", 1, 0)), "", said("update/x").bytes());
    assert_eq!(stage.see(&again).functions(), [("update", 0, Role::Live)]);
    let gone = |change: &Change| matches!(change, Change::DeadLetterDelete { .. });
    assert!(stage.commit().iter().any(gone));
}

#[test]
fn its_timers_fire_for_it() {
    let mut stage = Stage::new(&[]);
    let timer = Effect::TimerSet { name: text("tick"), payload: text(""), delay_s: 5 };
    stage.give(&said("update/x"), vec![timer]);
    stage.commit();
    let fired = stage.fire(NOW_MS + 5_000, 0);
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].device(), Some(device()));
    assert_eq!(stage.see(&fired[0]).functions(), [("update", 0, Role::Live)]);
}
