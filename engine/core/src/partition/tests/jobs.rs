//! What rollouts offer to a device, from their message to its outbox: the partition with the function `update` itself.

use super::stage::{Did, NOW_MS, Stage, event, made, name, origin};
use super::update::{offer, ordered, outbox, said, state, withdrawal};
use super::*;
use crate::Builtin;
use crate::builtin::Handled;
use crate::deployment::Trigger;
use crate::event::{Event, EventKind};
use crate::invocation::Outcome;
use crate::rollout::{OFFER, WITHDRAW};
use crate::update::{ANSWER, QUESTION, State};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use fleetfn_protocol::update::Phase;

/// Bytes of an offer before the envelope: version, job, content.
const HEAD_BYTES: usize = 6;

fn message(message: &str, sender: &str, sequence: u64, payload: &str) -> Event {
    let origin = origin(sender, 1, sequence);
    made(EventKind::Message { name: message }, NOW_MS, Some(origin), "", payload.as_bytes())
}

fn offered(generation: u32, sequence: u32) -> Event {
    let envelope: String =
        offer(1, sequence)[HEAD_BYTES..].iter().map(|byte| format!("{byte:02x}")).collect();
    let payload = format!(
        r#"{{"rollout":"fw-2","generation":{generation},"weight":1,"whole":false,"expires_ms":{},
            "release":{{"product":"node","class":"m3","version":"2.0","sequence":{sequence},"digest":"{}",
            "envelope":"{envelope}"}}}}"#,
        NOW_MS + 60_000,
        "07".repeat(32),
    );
    message(OFFER, "rollout", generation.into(), &payload)
}

/// Handles an event as the engine does; deployed functions do nothing.
fn handle(stage: &mut Stage, event: &Event) -> Did {
    stage.play(event, &mut |target, reader| match Builtin::of(&target.version) {
        Some(builtin) => match builtin.handle(event, reader) {
            Handled { outcome: Outcome::Done, effects, .. } => Ok(effects),
            Handled { outcome, .. } => Err(outcome),
        },
        None => Ok(vec![]),
    })
}

/// Commits, and names the messages that the turn sends.
fn sent(stage: &mut Stage) -> Vec<String> {
    let changes = stage.commit();
    let named = changes.iter().filter_map(|change| match change {
        Change::SendPut { send, .. } => Some(String::from_utf8_lossy(&send.name).into_owned()),
        _ => None,
    });
    named.collect()
}

#[test]
fn an_offer_goes_to_the_device_as_an_order_does_and_its_steps_to_the_rollout() {
    let mut stage = Stage::new(&[]);
    handle(&mut stage, &offered(1, 7));
    assert_eq!(sent(&mut stage), [""; 0]);
    assert_eq!(outbox(&stage), [(1, offer(1, 7))], "it waits, whether the device is there or not");
    assert_eq!(state(&stage), Some((1, State::Queued)));
    for phase in [Phase::Downloading, Phase::Downloading, Phase::Verified] {
        handle(&mut stage, &said(1, 3, phase));
    }
    assert_eq!(sent(&mut stage), ["rollout/report", "rollout/report"]);
    assert_eq!(state(&stage), Some((1, State::Device(Phase::Verified))), "it is folded once");
    assert_eq!(stage.partition.take_steps().len(), 3);
}

#[test]
fn what_is_withdrawn_is_not_on_its_way_any_more() {
    let mut stage = Stage::new(&[]);
    handle(&mut stage, &offered(1, 7));
    let withdraw = r#"{"rollout":"fw-2","generation":1,"await_device":true,"why":"late"}"#;
    handle(&mut stage, &message(WITHDRAW, "rollout", 2, withdraw));
    stage.commit();
    assert_eq!((outbox(&stage), state(&stage)), (vec![(2, withdrawal(1))], Some((1, State::Withdrawn))));
    handle(&mut stage, &event(EventKind::Connected, NOW_MS, b""));
    assert_eq!(sent(&mut stage), ["rollout/here"]);
    handle(&mut stage, &offered(3, 7));
    stage.commit();
    assert_eq!(outbox(&stage), [(4, offer(2, 7))]);
}

#[test]
fn an_order_of_the_same_turn_is_known_and_goes_first() {
    let mut stage = Stage::new(&[]);
    handle(&mut stage, &ordered(&offer(1, 6)));
    handle(&mut stage, &offered(1, 7));
    assert_eq!(sent(&mut stage), ["rollout/deferred"]);
    assert_eq!(outbox(&stage), [(1, offer(1, 6))]);
}

#[test]
fn a_full_outbox_has_room_for_an_offer_and_for_its_withdrawal_in_its_place() {
    let mut stage = Stage::new(&[]);
    stage.outboxes.full = true;
    assert_eq!(handle(&mut stage, &offered(1, 7)).failures(), [""; 0]);
    stage.commit();
    assert_eq!((outbox(&stage), state(&stage)), (vec![(1, offer(1, 7))], Some((1, State::Queued))));
    let withdraw = r#"{"rollout":"fw-2","generation":1,"await_device":false,"why":"it burns"}"#;
    handle(&mut stage, &message(WITHDRAW, "rollout", 2, withdraw));
    stage.commit();
    assert_eq!((outbox(&stage), state(&stage)), (vec![(2, withdrawal(1))], Some((1, State::Withdrawn))));
    handle(&mut stage, &ordered(&offer(2, 8)));
    stage.commit();
    assert_eq!(outbox(&stage), [(3, offer(2, 8))], "an operator's order has room, too");
    let waiting = stage.outboxes.reserved - stage.outboxes.withdrawn.len();
    assert_eq!((waiting, stage.memory.letters.len()), (1, 0));
}

#[test]
fn a_function_that_wants_to_be_asked_is_and_nobody_else_is() {
    let mut stage = Stage::new(&["climate"]);
    stage.deploy("guard", vec![Trigger::UpdateOffer]);
    handle(&mut stage, &offered(1, 7));
    assert_eq!((sent(&mut stage), outbox(&stage)), (vec![QUESTION.into()], vec![]));
    let asked = message(QUESTION, "update", 2, "{}");
    assert_eq!(handle(&mut stage, &asked).functions(), [("guard", 0, Role::Live)]);
    let answer = |says: &str| format!(r#"{{"rollout":"fw-2","generation":1,"says":"{says}"}}"#);
    handle(&mut stage, &message(ANSWER, "climate", 3, &answer("accept")));
    stage.commit();
    assert_eq!(outbox(&stage), [], "it was not asked");
    handle(&mut stage, &message(ANSWER, "guard", 4, &answer("accept")));
    stage.commit();
    assert_eq!((outbox(&stage).len(), state(&stage)), (1, Some((1, State::Queued))));
    assert_eq!(stage.memory.letters.len(), 0, "{:?}", name("update"));
}
