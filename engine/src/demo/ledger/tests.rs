use super::{Ledger, Report};
use crate::follow::{Cursor, Shown};
use bytes::Bytes;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::event::EventParts;
use fleetfn_core::invocation::Role;
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_core::{Effect, Entity, EventKind, Given, Offset};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use std::time::Instant;

fn function() -> FunctionName {
    FunctionName::parse("climate").expect("a name")
}

fn ledger() -> Ledger {
    let devices = ["a", "b"].map(|id| DeviceId::parse(id).expect("an id"));
    let mut ledger = Ledger::new(devices.into_iter(), function(), Offset(10));
    ledger.report(Report::Ready);
    ledger.report(Report::Ready);
    ledger
}

/// An invocation for device `a` that keeps a value, and then asks for a command.
fn invocation(offset: u64, sequence: u64) -> Shown {
    let put = Effect::StatePut { key: Bytes::from_static(b"k"), value: Bytes::new(), ttl_s: 0 };
    let (name, payload) = (Bytes::from_static(b"fan"), Bytes::from_static(b"{\"on\":true}"));
    let command = Effect::Command { name, payload, ttl_s: 0, timeout_s: 0 };
    let entity = Entity::Device(DeviceId::parse("a").expect("an id"));
    let payload = format!("{{\"temperature\":1.5,\"sequence\":{sequence}}}");
    let event = EventParts {
        entity,
        kind: EventKind::Telemetry { channel: "climate" },
        received_at_ms: 1,
        expiry_s: 0,
        message_id: "",
        origin: None,
        payload: payload.as_bytes(),
    };
    let given = Given::decode(event.encode().expect("an event")).expect("an event");
    Shown {
        cursor: Cursor { commit: Offset(offset + 1), index: 0 },
        given: Some(given),
        recording: Recording {
            offset: Offset(offset),
            entity: entity.canonical().into(),
            function: function(),
            version: ModuleHash([0; 32]),
            role: Role::Live,
            trigger: 0,
            outcome: RecordedOutcome::Done,
            fuel: 1,
            guest_ns: 1,
            reads: Vec::new(),
            effects: vec![put, command],
            logs: Vec::new(),
        },
    }
}

fn sent_and_acked(ledger: &mut Ledger, sequence: u64) {
    ledger.report(Report::Sent { device: 0, sequence, at: Instant::now() });
    ledger.report(Report::Acked { device: 0 });
}

fn command(ledger: &mut Ledger, offset: u64) {
    let effect = EffectId { offset, function: function(), index: 1 };
    ledger.report(Report::Command { device: 0, effect, at: Instant::now() });
}

#[test]
fn a_clean_run_is_good_whichever_side_tells_first() {
    let mut ledger = ledger();
    for (sequence, offset) in [(0, 11), (1, 13)] {
        sent_and_acked(&mut ledger, sequence);
        assert!(!ledger.is_settled(), "it is acknowledged and not handled");
        if sequence == 0 {
            ledger.invocation(&invocation(offset, sequence));
            assert!(!ledger.is_settled(), "its command has not arrived");
            command(&mut ledger, offset);
        } else {
            command(&mut ledger, offset);
            ledger.invocation(&invocation(offset, sequence));
        }
    }
    assert!(!ledger.is_settled(), "the devices may still publish");
    ledger.drain();
    assert!(ledger.is_settled());
    let verdict = ledger.verdict();
    assert!(verdict.is_good(), "{}", verdict.reproach());
    assert_eq!((verdict.sent, verdict.acked, verdict.handled, verdict.commands), (2, 2, 2, 2));
}

#[test]
fn an_acknowledged_reading_that_is_not_handled_is_lost() {
    let mut ledger = ledger();
    sent_and_acked(&mut ledger, 0);
    sent_and_acked(&mut ledger, 1);
    ledger.invocation(&invocation(12, 1));
    command(&mut ledger, 12);
    assert_eq!(ledger.verdict().lost, 1);
    assert!(!ledger.verdict().is_good());
}

#[test]
fn a_command_that_does_not_arrive_is_lost() {
    let mut ledger = ledger();
    sent_and_acked(&mut ledger, 0);
    ledger.invocation(&invocation(11, 0));
    assert_eq!(ledger.verdict().lost, 1);
}

#[test]
fn a_reading_handled_twice_and_a_command_received_twice_are_duplicates() {
    let mut ledger = ledger();
    sent_and_acked(&mut ledger, 0);
    ledger.invocation(&invocation(11, 0));
    command(&mut ledger, 11);
    command(&mut ledger, 11);
    assert_eq!(ledger.verdict().duplicated, 1);
    let mut again = invocation(12, 0);
    again.recording.effects.clear();
    ledger.invocation(&again);
    assert_eq!(ledger.verdict().duplicated, 2);
    assert!(!ledger.verdict().is_good());
}

#[test]
fn a_later_reading_handled_first_and_a_later_command_received_first_are_out_of_order() {
    let mut ledger = ledger();
    sent_and_acked(&mut ledger, 0);
    sent_and_acked(&mut ledger, 1);
    ledger.invocation(&invocation(11, 1));
    ledger.invocation(&invocation(12, 0));
    assert_eq!(ledger.verdict().disordered, 1);
    command(&mut ledger, 12);
    command(&mut ledger, 11);
    assert_eq!(ledger.verdict().disordered, 2);
    assert_eq!(ledger.verdict().lost, 0);
}

#[test]
fn a_demo_in_which_nothing_happened_is_not_good() {
    assert!(!ledger().verdict().is_good());
}

#[test]
fn what_a_former_demo_left_does_not_count() {
    let mut ledger = ledger();
    ledger.invocation(&invocation(9, 5));
    command(&mut ledger, 9);
    let verdict = ledger.verdict();
    assert_eq!((verdict.handled, verdict.commands, verdict.unexplained), (0, 0, 0));
}
