//! What a guest is told about events of every kind.

use crate::events::{event, told as event_of};
use crate::fixtures::{Bench, State, handler, module_with};
use crate::golden::firing;
use fleetfn_core::event::Purpose;
use fleetfn_core::{Effect, Event, EventKind, Outcome};
use fleetfn_host::Limits;

/// Publishes the event as it stands in the buffer, and what an invocation with it amounts to: the code, whether the
/// entity is a device, and entity, detail, payload and source with a bar after each.
fn told(event: &Event) -> Result<(u16, bool, String), Outcome> {
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&handler(
        r#"(call $publish (i32.const 0) (i32.const 8) (i32.const 4096) (local.get $len)))
           (data (i32.const 0) "alerts/x""#,
    ));
    let invocation = bench.handle(&module, event, &State::default());
    let [Effect::Publish { payload, .. }] = &invocation.effects[..] else { return Err(invocation.outcome) };
    let header = fleetfn_abi::EventHeader::from_bytes(payload).expect("a header");
    let mut rest = &payload[fleetfn_abi::EventHeader::BYTES..];
    let mut text = String::new();
    let lengths = [header.entity_len.into(), header.detail_len.into(), header.payload_len as usize];
    for length in lengths {
        let (part, after) = rest.split_at(length);
        text.push_str(std::str::from_utf8(part).expect("text"));
        text.push('|');
        rest = after;
    }
    text.push_str(std::str::from_utf8(rest).expect("text"));
    Ok((header.code, header.is_device, text))
}

/// A message of a function.
fn own(function: &str, entity: &str, name: &str, source: &str) -> Event {
    event_of(function, entity, EventKind::Message { name }, source, b"{}")
}

#[test]
fn an_event_of_every_kind_is_told_in_the_words_of_the_interface() {
    let device = "devices/d-1";
    let cases = [
        (event(device, EventKind::Telemetry { channel: "a/b" }, "", b"31.5"), 1, true, "d-1|a/b|31.5|"),
        (event(device, EventKind::Connected, "", b""), 2, true, "d-1|connected||"),
        (
            event(device, EventKind::Disconnected { reason: "keep-alive" }, "", b""),
            2,
            true,
            "d-1|disconnected||keep-alive",
        ),
        (firing(Purpose::Quiet(9, "room")), 3, true, "d-1|quiet||"),
        (event(device, EventKind::TwinReported, "", b"{}"), 4, true, "d-1||{}|"),
        (firing(Purpose::Named("check")), 5, true, "d-1|check|set|"),
        (firing(Purpose::Cron("0 2 * * *")), 6, true, "d-1|0 2 * * *||"),
        (
            event("site/berlin", EventKind::Message { name: "reading" }, "devices/d-7", b"31.5"),
            7,
            false,
            "site/berlin|reading|31.5|devices/d-7",
        ),
        (
            event(device, EventKind::CommandReply { name: "reboot" }, "", b"ok"),
            8,
            true,
            "d-1|reboot|ok|device",
        ),
        (firing(Purpose::Reply("reboot")), 8, true, "d-1|reboot||timeout"),
        (event("hooks", EventKind::Request { path: "a" }, "POST", b"body"), 9, false, "hooks|a|body|POST"),
        (
            event(device, EventKind::Response { name: "response/alarm" }, "0 timed out", b""),
            10,
            true,
            "d-1|response/alarm||0 timed out",
        ),
        (own("update", device, "update/offer", device), 11, true, "d-1|update/offer|{}|devices/d-1"),
        (own("update", device, "update/report", device), 12, true, "d-1|update/report|{}|devices/d-1"),
        (
            own("rollout", "guard/a", "rollout/gate/f", "rollout/fw"),
            13,
            false,
            "guard/a|rollout/gate/f|{}|rollout/fw",
        ),
        (own("f", device, "update/offer", device), 7, true, "d-1|update/offer|{}|devices/d-1"),
    ];
    for (event, code, is_device, text) in cases {
        assert_eq!(told(&event), Ok((code, is_device, text.into())), "{event:?}");
    }
}

#[test]
fn what_is_the_engines_own_is_not_handed_to_functions() {
    let device = "devices/d-1";
    for event in [
        event(device, EventKind::UpdateStatus, "", b""),
        event(device, EventKind::CommandRequested { name: "a" }, "", b""),
        event(device, EventKind::TwinRequested { expected: "" }, "", b"{}"),
        event(device, EventKind::Shared { topic: "a" }, "", b""),
        event(device, EventKind::Redrive, "", b""),
        event(device, EventKind::TimerFired, "", b"cut"),
        firing(Purpose::Expiry(b"k")),
        firing(Purpose::Send(7, 1)),
    ] {
        match told(&event) {
            Err(Outcome::Failed { error_type, .. }) => assert_eq!(error_type, "event-kind", "{event:?}"),
            other => unreachable!("{event:?}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_needs_no_grant_where_the_trigger_asks_for_it() {
    let send = |triggers: &str, entity: &str, name: &str| {
        let manifest = format!(r#"{{"abi":1,"name":"f","triggers":[{triggers}]}}"#);
        let body = format!(
            r#"(func (export "fleetfn_v1_on_event") (param $len i32) (result i32) (call $send (i32.const 0) (i32.const {}) (i32.const 64) (i32.const {}) (i32.const 0) (i32.const 0) (i32.const 0)))
               (data (i32.const 0) "{entity}") (data (i32.const 64) "{name}")"#,
            entity.len(),
            name.len(),
        );
        let mut bench = Bench::new(Limits::default());
        let module = bench.add(&module_with(&manifest, &body));
        bench.handle(&module, &own("update", "devices/d-1", "update/offer", ""), &State::default()).outcome
    };
    let (offer, gate) = (r#"{"update":"offer"}"#, r#"{"gate":true}"#);
    assert_eq!(send(offer, "devices/d-1", "update/answer"), Outcome::Done);
    assert_eq!(send(gate, "rollout/fw-2", "rollout/verdict"), Outcome::Done);
    for (triggers, entity, name) in [
        (gate, "devices/d-1", "update/answer"),
        (offer, "rollout/fw-2", "rollout/verdict"),
        (offer, "devices/d-1", "update/offer"),
        (gate, "site/berlin", "rollout/verdict"),
        (r#"{"update":"report"}"#, "devices/d-1", "update/answer"),
    ] {
        match send(triggers, entity, name) {
            Outcome::Failed { error_type, .. } => {
                assert_eq!(error_type, "grant", "{triggers} {entity} {name}")
            }
            other => unreachable!("{triggers} {entity} {name}: {other:?}"),
        }
    }
}
