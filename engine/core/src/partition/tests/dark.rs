use super::stage::{Stage, device, name, reading, readings, text, version};
use crate::deployment::Deployment;
use crate::effect::Effect;
use crate::invocation::{Outcome, Role, StateReader};
use crate::partition::EVENT_BYTES_MAX;
use crate::position::Offset;
use crate::route::Target;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

fn line(dark: u8, since: u64) -> Deployment {
    Deployment {
        live: Some(version("f", 1, vec![readings()])),
        dark: Some(version("f", dark, vec![readings()])),
        dark_since: Offset(since),
        ..Deployment::default()
    }
}

/// A function whose version 2 runs dark.
fn stage() -> Stage {
    let mut stage = Stage::new(&[]);
    stage.deploy_line("f", &line(2, 1));
    stage
}

fn put(value: &'static str) -> Effect {
    Effect::StatePut { key: text("k"), value: text(value), ttl_s: 0 }
}

/// Each version reads a key and puts its own name there. What they read, live first.
fn round(stage: &mut Stage) -> Vec<Option<Bytes>> {
    let mut read = vec![];
    stage.play(&reading(), &mut |target: &Target, state| {
        read.push(state.get(b"k").expect("it can be read"));
        Ok(vec![put(if target.role == Role::Live { "live" } else { "dark" })])
    });
    read
}

#[test]
fn a_dark_version_writes_what_only_it_reads() {
    for committed in [true, false] {
        let mut stage = stage();
        assert_eq!(round(&mut stage), [None, None]);
        if committed {
            stage.commit();
            stage.restart();
        }
        assert_eq!(round(&mut stage), [Some(text("live")), Some(text("dark"))]);
        stage.commit();
        let state: Vec<_> = stage.memory.state.values().map(|value| value.bytes.clone()).collect();
        assert_eq!((state, stage.memory.shadows.len()), (vec![text("live")], 1));
    }
}

#[test]
fn a_dark_version_reads_what_it_has_not_written_and_may_hide_it() {
    let mut stage = stage();
    stage.play(&reading(), &mut |target: &Target, _| {
        Ok(if target.role == Role::Live { vec![put("live")] } else { vec![] })
    });
    let mut read = vec![];
    for _ in 0..2 {
        stage.play(&reading(), &mut |target: &Target, state| {
            read.push(state.get(b"k").expect("it can be read"));
            let delete = Effect::StateDelete { key: text("k") };
            Ok(if target.role == Role::Live { vec![] } else { vec![delete] })
        });
        stage.commit();
    }
    assert_eq!(read, [Some(text("live")), Some(text("live")), Some(text("live")), None]);
}

#[test]
fn another_dark_version_begins_with_the_state_as_it_is() {
    let mut stage = stage();
    round(&mut stage);
    stage.commit();
    let since = stage.next;
    stage.deploy_line("f", &line(3, since));
    assert_eq!(round(&mut stage), [Some(text("live")), Some(text("live"))]);
}

#[test]
fn nothing_but_its_state_happens_of_a_dark_version() {
    let mut stage = stage();
    let effects = || {
        vec![
            Effect::Publish { topic: text("alerts"), payload: text("x") },
            Effect::Command { name: text("fan"), payload: text("on"), ttl_s: 9, timeout_s: 9 },
            Effect::Send { entity: text("nsite"), name: text("m"), payload: text(""), delay_s: 0 },
            Effect::Send { entity: text("nsite"), name: text("m"), payload: text(""), delay_s: 9 },
            Effect::TimerSet { name: text("t"), payload: text(""), delay_s: 9 },
            Effect::TwinPatch { patch: text("{\"rate\":5}") },
            Effect::Http { tag: text("t"), request: text("GET") },
            Effect::StatePut { key: text("k"), value: text("v"), ttl_s: 9 },
        ]
    };
    stage.play(&reading(), &mut |target: &Target, _| {
        Ok(if target.role == Role::Live { vec![] } else { effects() })
    });
    stage.commit();
    let memory = &stage.memory;
    let rows = [memory.state.len(), memory.outbox.len(), memory.timers.len(), memory.sends.len()];
    assert_eq!((rows, memory.requests.len(), memory.twins.contains_key(&device())), ([0; 4], 0, false));
    assert_eq!((stage.publishes.len(), stage.outboxes.reserved), (0, 0));
    assert_eq!(stage.memory.shadows.len(), 1);
}

#[test]
fn differences_are_noted_and_agreement_is_not() {
    let mut stage = stage();
    stage.give(&reading(), vec![put("same")]);
    stage.fail(&reading());
    round(&mut stage);
    stage.play(&reading(), &mut |target: &Target, _| match target.role {
        Role::Live => Ok(vec![]),
        Role::Dark => Err(Outcome::Rejected { code: 1 }),
    });
    stage.commit();
    let noted: Vec<_> = stage.memory.differences.keys().copied().collect();
    assert_eq!(noted, [(Offset(4), name("f")), (Offset(5), name("f"))]);
    let last = stage.memory.differences.values().next_back().expect("noted");
    let failure = last.dark.as_ref().and_then(|dark| dark.failure.clone()).map(|(word, _)| word);
    assert_eq!(failure.as_deref(), Some("rejected"));
    assert_eq!(stage.memory.letters.len(), 1, "of the live version alone");
}

#[test]
fn a_dark_version_takes_no_room_from_those_that_count() {
    let mut stage = stage();
    stage.deploy("z", vec![readings()]);
    let large = |bytes| Effect::StatePut { key: text("k"), value: Bytes::from(vec![0; bytes]), ttl_s: 0 };
    let did = stage.play(&reading(), &mut |target: &Target, _| {
        Ok(if target.function == name("z") || target.role == Role::Dark {
            vec![large(EVENT_BYTES_MAX / 2 + 1)]
        } else {
            vec![]
        })
    });
    assert_eq!(did.failures(), [""; 0]);
}

#[test]
fn a_dark_version_that_cannot_run_holds_up_nothing() {
    let mut stage = stage();
    let did = stage.play(&reading(), &mut |target: &Target, _| match target.role {
        Role::Live => Ok(vec![put("live")]),
        Role::Dark => Err(Outcome::Interrupted { detail: "late".into() }),
    });
    assert!(matches!(did, super::stage::Did::Ran(crate::Settled::Handled, _)));
    stage.commit();
    assert_eq!((stage.memory.state.len(), stage.memory.differences.len()), (1, 1));
}

#[test]
fn a_failed_dark_version_leaves_no_trace_in_its_shadow() {
    let mut stage = stage();
    stage.play(&reading(), &mut |target: &Target, _| match target.role {
        Role::Live => Ok(vec![put("live")]),
        Role::Dark => Err(Outcome::Rejected { code: 1 }),
    });
    stage.commit();
    assert!(stage.memory.shadows.is_empty() && stage.memory.letters.is_empty());
}
