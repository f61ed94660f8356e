//! Events of every kind, time, and what can be asked for beyond state, commands and topics.

use fleetfn_function::testing::{Device, Effect, Outcome};
use fleetfn_function::{Context, Error, Function, Json, Kind, Trigger, Twin, function, info};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Says what it was run for.
#[function(
    telemetry = "climate",
    quiet(filter = "climate", for_s = 300),
    presence,
    twin,
    timer = "check/{name}",
    cron(expression = "0 2 * * *", per = "device"),
    message = "reading/{name}",
    message = "response/+",
    reply = "reboot",
    http = "hooks/{name}",
    command
)]
fn every(name: Option<&str>, payload: Option<&str>, context: &Context) -> Result<(), Error> {
    info!("{} {:?} {:?} {:?} {}", context.trigger(), context.kind(), name, payload, context.entity());
    match (context.kind(), payload) {
        (Kind::Telemetry { .. }, Some("check")) => context.set_timer("check/a", "7", Duration::from_secs(60)),
        (Kind::Telemetry { .. }, Some("cancel")) => {
            context.cancel_timer("check/a");
            Ok(())
        }
        (Kind::Telemetry { .. }, Some("reboot")) => {
            context.command_awaiting("reboot", "", Duration::from_secs(30))
        }
        (Kind::Http { method, path }, _) => context.respond(201, format!("{method} {path}")),
        _ => Ok(()),
    }
}

#[test]
fn every_kind_of_event_is_told_with_its_parts() {
    let mut device = Device::new("d-1", every);
    let mut said = |run: &mut dyn FnMut(&mut Device) -> fleetfn_function::testing::Reply| {
        run(&mut device).expect_done().logs.remove(0).text
    };
    assert_eq!(
        said(&mut |device| device.telemetry("climate", "31.5")),
        r#"0 Telemetry { channel: "climate" } None Some("31.5") devices/d-1"#
    );
    assert_eq!(
        said(&mut |device| device.connect()),
        r#"2 Presence { online: true, reason: "" } None None devices/d-1"#
    );
    assert_eq!(
        said(&mut |device| device.disconnect("keep-alive")),
        r#"2 Presence { online: false, reason: "keep-alive" } None None devices/d-1"#
    );
    assert_eq!(said(&mut |device| device.report("{}")), r#"3 Twin None Some("{}") devices/d-1"#);
    assert_eq!(
        said(&mut |device| device.cron("0 2 * * *")),
        r#"5 Cron { expression: "0 2 * * *" } None None devices/d-1"#
    );
    assert_eq!(
        said(&mut |device| device.message("site/a", "reading/b", "7")),
        r#"6 Message { name: "reading/b", from: "site/a" } Some("b") Some("7") devices/d-1"#
    );
    assert_eq!(
        said(&mut |device| device.response("a", 204, "")),
        r#"7 Response { tag: "a", status: 204, reason: "" } None None devices/d-1"#
    );
    assert_eq!(
        said(&mut |device| device.no_response("a", "timed out")),
        r#"7 Response { tag: "a", status: 0, reason: "timed out" } None None devices/d-1"#
    );
    assert_eq!(
        said(&mut |device| device.reply("reboot", "ok")),
        r#"8 Reply { command: "reboot", reply: Answered } None Some("ok") devices/d-1"#
    );
}

#[test]
fn an_http_request_is_answered() {
    let mut hooks = Device::named("functions/every", every);
    let reply = hooks.http("POST", "hooks/a", "body").expect_done();
    assert_eq!((reply.response().0, reply.response().1.text()), (201, "POST hooks/a"));
    assert!(
        reply.logged(r#"9 Http { method: "POST", path: "hooks/a" } Some("a") Some("body") functions/every"#)
    );
    let content = |effect: &Effect| matches!(effect, Effect::Respond { content_type, .. } if content_type.starts_with("text/plain"));
    assert!(reply.effects.iter().any(content));
}

#[test]
fn timers_fire_at_their_time_and_in_order() {
    let mut device = Device::new("d-1", every);
    device.telemetry("climate", "check").expect_done();
    assert_eq!(device.timer("check/a"), Some(Duration::from_secs(60)));
    device.telemetry("climate", "reboot").expect_done();
    let start = device.now_ms();
    let replies = device.advance(Duration::from_secs(299));
    let said: Vec<&str> = replies.iter().map(|reply| reply.logs[0].text.as_str()).collect();
    assert_eq!(
        said,
        [
            r#"8 Reply { command: "reboot", reply: TimedOut } None None devices/d-1"#,
            r#"4 Timer { name: "check/a" } Some("a") Some("7") devices/d-1"#,
        ]
    );
    assert_eq!(device.now_ms(), start + 299_000);
    // Ten seconds after the last reading the quiet trigger is due, once.
    let replies = device.advance(Duration::from_secs(1_000));
    assert_eq!(replies.len(), 1);
    assert!(replies[0].logged("1 Quiet None None devices/d-1"));
    device.telemetry("climate", "check").expect_done();
    device.telemetry("climate", "cancel").expect_done();
    assert_eq!(device.timer("check/a"), None);
}

#[derive(Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Fan {
    #[serde(skip_serializing_if = "Option::is_none")]
    fan: Option<String>,
}

/// Asks for what the payload says.
#[function(
    telemetry = "ask",
    telemetry = "ask/{what}",
    message = "ask",
    send = "site/+",
    send = "devices/+",
    patch_twin,
    fetch = "https://api.example.com/v1/",
    secret = "api-token"
)]
fn asks(payload: &str, context: &Context) -> Result<(), Error> {
    ask(payload, context)
}

/// The same without a grant.
#[function(telemetry = "ask", message = "ask")]
fn may_not(payload: &str, context: &Context) -> Result<(), Error> {
    ask(payload, context)
}

fn ask(payload: &str, context: &Context) -> Result<(), Error> {
    let (word, rest) = payload.split_once(' ').unwrap_or((payload, ""));
    match word {
        "send" => context.send(rest, "reading", Json(7))?,
        "send-later" => context.send_later(rest, "reading", "", Duration::from_millis(1_500))?,
        "twin" => {
            let twin: Option<Twin<Fan>> = context.twin()?;
            info!("{twin:?}");
        }
        "patch" => context.patch_twin(&Fan { fan: Some(rest.into()) })?,
        "patch-list" => context.patch_twin(&[1])?,
        "get" => context.fetch("status", rest).send(),
        "post" => context
            .fetch("alarm", "https://api.example.com/v1/alarms")
            .header("Authorization", "Bearer {{secret:api-token}}")
            .timeout(Duration::from_secs(5))
            .body(Json(rest))?
            .send(),
        "break" => context.fetch("a", "https://api.example.com/v1/").header("A", "b\nC: d").send(),
        "secret" => context.fetch("a", "https://api.example.com/v1/").header("A", "{{secret:other}}").send(),
        "respond" => context.respond(200, "")?,
        "config" => info!("{:?}", context.config::<u32>(rest)?),
        "count" => context.counter(rest, 1),
        "gauge" => context.gauge(rest, 2.5),
        "keep" => context.state().put_for("k", &7_u8, Duration::from_secs(10))?,
        "fields" => info!(room = rest, temp = 31.5, none = ""; "fan {}", "on"),
        _ => return Err(Error::new("what?")),
    }
    Ok(())
}

fn done(function: Function, payload: &str) -> fleetfn_function::testing::Reply {
    Device::new("d-1", function).telemetry("ask", payload).expect_done()
}

#[test]
fn what_is_asked_for_is_there_to_be_looked_at() {
    let reply = done(asks, "send site/berlin");
    assert_eq!(reply.sent("site/berlin")[0].payload.json::<u8>(), 7);
    assert_eq!(done(asks, "send-later devices/d-7").sent("devices/d-7")[0].delay_s, 2);
    let reply = done(asks, "get https://api.example.com/v1/status");
    assert_eq!((reply.requests()[0].method.as_str(), reply.requests()[0].timeout_s), ("GET", 10));
    let reply = done(asks, "post fire");
    let request = reply.requests()[0];
    assert_eq!((request.method.as_str(), request.tag.as_str(), request.timeout_s), ("POST", "alarm", 5));
    assert_eq!(request.body.text(), r#""fire""#);
    let headers = [("Authorization", "Bearer {{secret:api-token}}"), ("Content-Type", "application/json")];
    assert_eq!(request.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(done(asks, "count a").effects, [Effect::Counter { name: "a".into(), add: 1.0 }]);
    assert_eq!(done(asks, "gauge a_2").effects, [Effect::Gauge { name: "a_2".into(), value: 2.5 }]);
}

#[test]
fn a_twin_is_read_typed_and_patched() {
    let mut device = Device::new("d-1", asks);
    device.desire(r#"{"fan":"on"}"#);
    let said = device.telemetry("ask", "twin").expect_done().logs.remove(0).text;
    let expected = r#"Some(Twin { version: 1, desired: Fan { fan: Some("on") }, reported: Fan { fan: None }, settled: false })"#;
    assert_eq!(said, expected);
    device.telemetry("ask", "patch off").expect_done();
    assert_eq!(device.desired().to_string(), r#"{"fan":"off"}"#);
    device.desire(r#"{"fan":7}"#);
    device.telemetry("ask", "twin").expect_rejected(Error::TWIN);
    let mut site = Device::named("site/berlin", asks);
    assert!(site.message("devices/d-1", "ask", "twin").expect_done().logged("None"));
}

#[test]
fn configuration_is_parsed() {
    let mut device = Device::new("d-1", asks);
    assert!(device.telemetry("ask", "config limit").expect_done().logged("None"));
    device.set_config("limit", "30");
    assert!(device.telemetry("ask", "config limit").expect_done().logged("Some(30)"));
    device.set_config("limit", "many");
    assert!(
        device
            .telemetry("ask", "config limit")
            .expect_rejected(Error::CONFIG)
            .logged("limit is not of the type")
    );
}

#[test]
fn a_value_with_an_end_is_gone_after_its_time() {
    let mut device = Device::new("d-1", asks);
    device.telemetry("ask", "keep").expect_done();
    device.advance(Duration::from_millis(9_999));
    assert_eq!(device.state::<u8>("k"), Some(7));
    assert!(device.advance(Duration::from_millis(1)).is_empty());
    assert_eq!(device.state::<u8>("k"), None);
}

#[test]
fn fields_of_a_log_line_follow_its_text() {
    assert!(done(asks, "fields a b=c").logs[0].text == r#"fan on room="a b=c" temp=31.5 none="""#);
}

#[test]
fn what_is_not_granted_ends_the_invocation() {
    let refused = |function: Function, payload: &str| {
        let reply = Device::new("d-1", function).telemetry("ask", payload);
        match reply.outcome {
            Outcome::Failed { detail } => detail,
            other => panic!("{payload}: {other:?}"),
        }
    };
    assert!(refused(may_not, "send site/berlin").contains("grants no send to 'site/berlin'"));
    assert!(refused(asks, "send region/eu").contains("grants no send"));
    assert!(refused(asks, "send devices/a/b").contains("no entity"));
    assert!(refused(may_not, "patch on").contains("does not ask for changes of the twin"));
    assert!(refused(asks, "patch-list").contains("a JSON object"));
    assert!(refused(asks, "get https://api.example.com/v2/").contains("grants no HTTP request"));
    assert!(refused(asks, "secret").contains("the secret 'other'"));
    assert!(refused(asks, "break").contains("cannot be sent"));
    assert!(refused(asks, "respond").contains("no HTTP request that could be answered"));
    assert!(refused(asks, "count A").contains("no name of a metric"));
    assert!(refused(asks, "config").contains("no name of a key"));
    let reply = Device::named("site/berlin", asks).message("devices/d-1", "ask", "patch on");
    assert!(matches!(reply.outcome, Outcome::Failed { detail } if detail.contains("not about a device")));
}

/// Version 2 counts in `u64`, before it was `u8`.
#[function(telemetry = "beat", state_version = 2, migrate = widen)]
fn heart(context: &Context) -> Result<(), Error> {
    let beats = context.state().get::<u64>("beats")?.unwrap_or(0) + 1;
    context.state().put("beats", &beats)
}

fn widen(from: u32, context: &Context) -> Result<(), Error> {
    info!("from {from} for {}", context.device());
    let beats = context.state().get::<u8>("beats")?.ok_or_else(|| Error::new("no beats"))?;
    context.state().put("beats", &u64::from(beats))
}

#[test]
fn older_state_is_brought_on_once() {
    let mut device = Device::new("d-1", heart);
    device.set_state("beats", &200_u8);
    device.set_state_version(1);
    assert!(device.telemetry("beat", "").expect_done().logged("from 1 for d-1"));
    assert!(device.telemetry("beat", "").expect_done().logs.is_empty());
    assert_eq!(device.state::<u64>("beats"), Some(202));
    // Nothing to bring anywhere.
    let mut device = Device::new("d-2", heart);
    device.set_state_version(0);
    assert!(device.telemetry("beat", "").expect_done().logs.is_empty());
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let mut device = Device::new("d-1", heart);
    device.set_state("other", &1_u8);
    device.set_state_version(0);
    device.telemetry("beat", "").expect_rejected(Error::REJECTED);
    assert_eq!(device.state::<u64>("beats"), None);
}

#[test]
fn a_function_says_what_triggers_it() {
    assert_eq!(asks.triggers[2], Trigger::Message("ask"));
    assert_eq!(every.triggers[1], Trigger::Quiet { filter: "climate", for_s: 300 });
    assert_eq!((heart.state_version, asks.secrets), (2, &["api-token"][..]));
}
