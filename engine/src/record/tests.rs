use super::case;
use crate::follow::{Cursor, Shown};
use bytes::Bytes;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::event::EventParts;
use fleetfn_core::invocation::{LogLevel, LogLine, Read, Role};
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_core::{Effect, Entity, EventKind, Given, Offset};
use fleetfn_protocol::DeviceId;
use serde_json::json;

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn shown(kind: EventKind<'_>, received_at_ms: u64, reads: Vec<Read>, effects: Vec<Effect>) -> Shown {
    let entity = Entity::Device(DeviceId::parse("lamp").expect("an id"));
    let parts = EventParts {
        entity,
        kind,
        received_at_ms,
        expiry_s: 0,
        message_id: "",
        origin: None,
        payload: b"21",
    };
    let given = Given::decode(parts.encode().expect("an event")).expect("an event");
    let recording = Recording {
        offset: Offset(received_at_ms),
        entity: entity.canonical().into(),
        function: "climate".parse().expect("a name"),
        version: ModuleHash([0; 32]),
        role: Role::Live,
        trigger: 0,
        outcome: RecordedOutcome::Done,
        fuel: 1,
        guest_ns: 1,
        reads,
        effects,
        logs: vec![LogLine { level: LogLevel::Info, text: "seen".into() }],
    };
    Shown { cursor: Cursor { commit: Offset(0), index: 0 }, given: Some(given), recording }
}

fn read(key: &'static str, value: Option<&'static str>) -> Read {
    Read::State { key: bytes(key), value: value.map(bytes) }
}

#[test]
fn a_case_begins_with_what_was_read_and_expects_what_was_done() {
    let put = Effect::StatePut { key: bytes("n"), value: bytes("2"), ttl_s: 0 };
    let climate = EventKind::Telemetry { channel: "climate" };
    let limit = Read::Config { key: "limit".into(), value: Some(bytes("30")) };
    let twin = Read::Twin { document: Some(bytes(r#"{"version":7,"desired":{"a":1},"reported":{}}"#)) };
    let version = Read::State { key: Bytes::new(), value: Some(Bytes::from_static(&[3, 0, 0, 0])) };
    let invocations = [
        shown(climate, 1_000, vec![version, read("n", Some("1")), read("gone", None), limit], vec![put]),
        // It put `n` itself, and another entity's function cannot have put `gone` in between.
        shown(climate, 4_500, vec![read("n", Some("2")), read("gone", Some("x")), twin], Vec::new()),
        shown(EventKind::Shared { topic: "alerts" }, 5_000, Vec::new(), Vec::new()),
    ];
    let recorded = case(&invocations);
    let logs = json!([{"level": "info", "text": "seen"}]);
    let expected = json!({
        "name": "what climate did for devices/lamp",
        "device": "lamp",
        "start_ms": 1_000,
        "config": {"limit": "30"},
        "twin": {"desired": {"a": 1}, "reported": {}},
        "state_version": 3,
        "state": {"n": "1"},
        "events": [
            {"telemetry": "climate", "payload": "21",
                "expect": {"effects": [{"kind": "state-put", "key": "n", "value": "2"}], "logs": logs}},
            {"telemetry": "climate", "payload": "21", "after_s": 3, "expect": {"effects": [], "logs": logs}},
        ],
    });
    assert_eq!(recorded.case, Some(expected));
    let remarks: Vec<_> = recorded.remarks.into_iter().collect();
    assert_eq!(remarks, ["events of the kind shared are left out: a case has no word for them"]);
}

#[test]
fn nothing_that_ran_is_no_case_and_what_was_not_kept_is_said() {
    assert_eq!(case(&[]).case, None);
    let recorded = case(&[shown(EventKind::Connected, 5, vec![Read::Lost], Vec::new())]);
    assert_eq!(recorded.case.expect("a case")["events"][0]["presence"], "connected");
    assert!(recorded.remarks.iter().any(|remark| remark.contains("not whole")));
}
