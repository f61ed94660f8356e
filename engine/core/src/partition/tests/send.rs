use super::stage::{Did, NOW_MS, PARTITION, Stage, made, name, origin, reading, readings, text};
use crate::commit::Send;
use crate::deployment::Trigger;
use crate::effect::Effect;
use crate::event::{Event, EventKind, Origin};
use crate::partition::HOPS_MAX;
use crate::position::PartitionId;
use alloc::vec;
use alloc::vec::Vec;
use fleetfn_protocol::EffectId;

fn send(payload: &'static str, delay_s: u32) -> Effect {
    Effect::Send { entity: text("nsite/berlin"), name: text("alarm"), payload: text(payload), delay_s }
}

/// A message of another partition.
fn message(partition: u16, sequence: u64, hops: u8) -> Event {
    let origin =
        Origin { partition: PartitionId(partition), hops, source: "site/berlin", ..origin("g", 7, sequence) };
    made(EventKind::Message { name: "alarm" }, NOW_MS, Some(origin), "7.0.g", b"hot")
}

fn stage() -> Stage {
    let mut stage = Stage::new(&[]);
    stage.deploy("f", vec![readings(), Trigger::Message { filter: "alarm".into() }]);
    stage
}

fn sends(stage: &Stage) -> Vec<(u64, u8, &[u8])> {
    stage.memory.sends.iter().map(|(number, send)| (*number, send.hops, &send.payload[..])).collect()
}

#[test]
fn sends_are_numbered_and_go_on_counting_after_a_restart() {
    let mut stage = stage();
    stage.give(&reading(), vec![send("0", 0), send("1", 0)]);
    stage.give(&reading(), vec![send("2", 0)]);
    stage.commit();
    stage.restart();
    stage.give(&reading(), vec![send("3", 0)]);
    stage.commit();
    assert_eq!(sends(&stage), [(0, 1, &b"0"[..]), (1, 1, b"1"), (2, 1, b"2"), (3, 1, b"3")]);
    let first = Send {
        to: text("nsite/berlin"),
        from: text("dd"),
        effect: EffectId { offset: 2, function: name("f"), index: 0 },
        hops: 1,
        name: text("alarm"),
        payload: text("0"),
    };
    assert_eq!(stage.memory.sends.get(&0), Some(&first));
}

#[test]
fn a_send_that_is_durable_is_deleted() {
    let mut stage = stage();
    stage.give(&reading(), vec![send("0", 0), send("1", 0)]);
    stage.commit();
    stage.partition.handle_sent(0, NOW_MS);
    stage.commit();
    assert_eq!(sends(&stage), [(1, 1, &b"1"[..])]);
}

#[test]
fn a_message_is_handled_once_whatever_is_repeated() {
    let mut stage = stage();
    assert_eq!(stage.see(&message(5, 0, 1)).functions().len(), 1);
    assert_eq!(stage.see(&message(5, 0, 1)), Did::Duplicate);
    assert_eq!(stage.see(&message(5, 1, 1)).functions().len(), 1);
    assert_eq!(stage.see(&message(6, 0, 1)).functions().len(), 1, "partitions count for themselves");
    stage.commit();
    stage.restart();
    for (partition, sequence) in [(5, 0), (5, 1), (6, 0)] {
        assert_eq!(stage.see(&message(partition, sequence, 1)), Did::Duplicate);
    }
    assert_eq!(stage.see(&message(5, 9, 1)).functions().len(), 1, "what lies between was for others");
}

#[test]
fn a_message_that_nobody_handles_is_marked_as_well() {
    let mut stage = Stage::new(&[]);
    stage.see(&message(5, 4, 1));
    stage.commit();
    assert_eq!(stage.memory.marks.get(&PartitionId(5)), Some(&4));
}

#[test]
fn the_seventeenth_message_of_a_chain_is_a_dead_letter() {
    let mut stage = stage();
    let last = message(5, 0, HOPS_MAX - 1);
    assert_eq!(stage.give(&last, vec![send("", 0)]).failures(), [""; 0]);
    let beyond = message(5, 1, HOPS_MAX);
    assert_eq!(stage.give(&beyond, vec![send("", 0)]).failures(), ["hops"]);
    // Handling it without another message is fine, and so is one that waits: it cannot run wild.
    assert_eq!(stage.give(&message(5, 2, HOPS_MAX), vec![send("", 9)]).failures(), [""; 0]);
    stage.commit();
    assert_eq!(sends(&stage), [(0, HOPS_MAX, &b""[..])]);
}

#[test]
fn a_delayed_message_is_sent_when_its_time_has_come() {
    let mut stage = stage();
    stage.give(&reading(), vec![send("a", 5), send("b", 5)]);
    stage.commit();
    assert_eq!((sends(&stage), stage.memory.timers.len()), (vec![], 2));
    let fired = stage.fire(NOW_MS + 5_000, 0);
    for event in &fired {
        assert_eq!(stage.see(event).functions(), [], "nobody is told");
    }
    assert_eq!(stage.see(&fired[0]), Did::Duplicate);
    stage.commit();
    assert_eq!((sends(&stage), stage.memory.timers.len()), (vec![(0, 1, &b"a"[..]), (1, 1, b"b")], 0));
    let effects = stage.memory.sends.values().map(|send| (send.effect, &send.to, &send.from, &send.name));
    let id = |index| EffectId { offset: 2, function: name("f"), index };
    let (to, from, named) = (text("nsite/berlin"), text("dd"), text("alarm"));
    assert_eq!(effects.collect::<Vec<_>>(), [(id(0), &to, &from, &named), (id(1), &to, &from, &named)]);
}

#[test]
fn a_message_of_the_partition_to_itself_is_handled_once() {
    let mut stage = stage();
    assert_eq!(stage.see(&message(PARTITION.0, 0, 1)).functions().len(), 1);
    assert_eq!(stage.see(&message(PARTITION.0, 0, 1)), Did::Duplicate);
}
