//! Handlers of every form, run as a test of an author's runs them.

use fleetfn_function::testing::{Device, Effect, Outcome};
use fleetfn_function::{Context, Error, Function, Json, Level, Postcard, debug, error, function, info, warn};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Parts of the channel, as text and parsed.
#[function(telemetry = "gps/{vehicle}/{axle}", telemetry = "seen/{vehicle}", publish = "seen/#")]
fn parts(axle: Option<u8>, vehicle: &str, context: &Context) -> Result<(), Error> {
    let axle = axle.map_or("all".to_owned(), |axle| axle.to_string());
    let text = format!("{vehicle} {axle} {} {}", context.trigger(), context.channel());
    context.publish("seen/here", text)
}

#[test]
fn parts_of_the_channel_are_parameters_by_name() {
    let mut device = Device::new("d-1", parts);
    let seen = |channel: &str, device: &mut Device| {
        let reply = device.telemetry(channel, "").expect_done();
        reply.published("seen/here").first().map(|payload| payload.text().to_owned())
    };
    assert_eq!(seen("gps/van-7/2", &mut device).as_deref(), Some("van-7 2 0 gps/van-7/2"));
    assert_eq!(seen("seen/van-8", &mut device).as_deref(), Some("van-8 all 1 seen/van-8"));
}

#[test]
fn a_part_that_does_not_parse_is_rejected_with_the_reason() {
    let reply = Device::new("d-1", parts).telemetry("gps/van-7/256", "").expect_rejected(Error::CHANNEL);
    assert!(reply.logged("the part {axle} of the channel is '256'"), "{reply:?}");
}

#[test]
#[should_panic(expected = "none takes 'gps'")]
fn a_channel_that_triggers_nothing_is_an_error_of_the_test() {
    Device::new("d-1", parts).telemetry("gps", "");
}

/// Borrows from the payload, and returns nothing.
#[function(name = "borrowed-2", telemetry = "text", command)]
fn borrowed(Json(words): Json<Vec<&str>>) {
    if let Some(first) = words.first() {
        info!("{first}");
    }
}

#[test]
fn a_handler_may_borrow_and_return_nothing() {
    let mut device = Device::new("d-1", borrowed);
    let reply = device.telemetry("text", r#"["a","b"]"#).expect_done();
    assert_eq!(reply.logs.len(), 1);
    assert!(reply.logged("a"));
    assert_eq!(borrowed.name, "borrowed-2");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    number: u32,
    text: String,
}

/// Does with state what the payload says.
#[function(telemetry = "state", payload_bytes_max = 65_536)]
fn state(payload: &str, context: &Context) -> Result<(), Error> {
    let state = context.state();
    match payload.split_once(' ') {
        Some(("put", key)) => state.put(key, &Entry { number: 7, text: key.repeat(20) })?,
        Some(("delete", key)) => state.delete(key),
        Some(("sum", prefix)) => {
            let mut keys = String::new();
            for entry in state.scan::<Entry>(prefix) {
                let (key, entry) = entry?;
                assert_eq!(entry.text, key.repeat(20));
                keys.push_str(&key);
                keys.push(' ');
            }
            info!("{keys}");
        }
        Some(("wrong", key)) => {
            state.get::<u8>(key)?;
        }
        Some(("large", _)) => {
            state.put_bytes("large", &[7; 60_000]);
            assert_eq!(state.get_bytes("large"), Some(vec![7; 60_000]));
            assert_eq!(state.get_bytes("larger"), None);
        }
        Some(("fail", key)) => {
            state.put(key, "never")?;
            "x".parse::<u8>()?;
        }
        _ => return Err(Error::new("what is to be done?").with_code(9)),
    }
    Ok(())
}

#[test]
fn state_lasts_from_one_event_to_the_next() {
    let mut device = Device::new("d-1", state);
    device.telemetry("state", "put a").expect_done();
    let entry = Entry { number: 7, text: "a".repeat(20) };
    assert_eq!(device.state::<Entry>("a"), Some(entry));
    device.telemetry("state", "delete a").expect_done();
    device.telemetry("state", "delete a").expect_done();
    assert_eq!(device.state::<Entry>("a"), None);
    device.telemetry("state", "large -").expect_done();
}

#[test]
fn a_scan_gives_every_entry_of_many_pages_once_and_in_order() {
    let mut device = Device::new("d-1", state);
    let keys: Vec<String> = (0..60).map(|number| format!("key/{number:02}")).collect();
    for key in keys.iter().rev() {
        device.telemetry("state", format!("put {key}")).expect_done();
    }
    device.telemetry("state", "put other").expect_done();
    // Longer than a page.
    let long = "key/99".to_owned() + &"x".repeat(200);
    device.telemetry("state", format!("put {long}")).expect_done();
    let reply = device.telemetry("state", "sum key/").expect_done();
    assert!(reply.logged(&format!("{} {long} ", keys.join(" "))), "{reply:?}");
}

#[test]
fn a_value_of_another_type_is_rejected() {
    let mut device = Device::new("d-1", state);
    device.telemetry("state", "put a").expect_done();
    let reply = device.telemetry("state", "wrong a").expect_rejected(Error::STATE);
    assert!(reply.logged("'a' is not of the type that is expected"), "{reply:?}");
    let mut device = Device::new("d-1", state);
    device.set_state("key/1", &1_u8);
    device.telemetry("state", "sum key/").expect_rejected(Error::STATE);
}

#[test]
fn an_error_drops_every_effect() {
    let mut device = Device::new("d-1", state);
    let reply = device.telemetry("state", "fail a").expect_rejected(Error::REJECTED);
    assert!(reply.effects.is_empty() && reply.logged("invalid digit"), "{reply:?}");
    assert_eq!(device.state::<String>("a"), None);
    device.telemetry("state", "nothing").expect_rejected(9);
    device.telemetry("state", &[0xff][..]).expect_rejected(Error::PAYLOAD);
}

/// Asks for what the payload says, with and without grants.
#[function(telemetry = "ask", publish = "alerts/+", command)]
fn granted(payload: &str, context: &Context) -> Result<(), Error> {
    ask(payload, context)
}

/// The same with no grant at all.
#[function(telemetry = "ask")]
fn not_granted(payload: &str, context: &Context) -> Result<(), Error> {
    ask(payload, context)
}

fn ask(payload: &str, context: &Context) -> Result<(), Error> {
    match payload.split_once(' ') {
        Some(("command", name)) => {
            context.command_with_ttl(name, Postcard(7_u32), Duration::from_millis(1_500))
        }
        Some(("publish", topic)) => context.publish(topic, Json(7)),
        Some(("key", length)) => context.state().put(&"k".repeat(length.parse()?), &7),
        _ => Ok(()),
    }
}

#[test]
fn what_is_granted_happens() {
    let mut device = Device::new("d-1", granted);
    let reply = device.telemetry("ask", "command fan").expect_done();
    assert_eq!(reply.command("fan").postcard::<u32>(), 7);
    assert_eq!(reply.commands().first().map(|command| command.ttl_s), Some(2));
    let reply = device.telemetry("ask", "publish alerts/a").expect_done();
    assert!(matches!(&reply.effects[..], [Effect::Publish { payload, .. }] if payload.json::<u8>() == 7));
}

#[test]
fn what_is_not_granted_or_has_no_form_ends_the_invocation() {
    let refused = |function: Function, payload: &str| {
        let reply = Device::new("d-1", function).telemetry("ask", payload);
        match reply.outcome {
            Outcome::Failed { detail } => detail,
            other => panic!("{payload}: {other:?}"),
        }
    };
    assert!(refused(not_granted, "command fan").contains("does not ask for commands"));
    assert!(refused(not_granted, "publish alerts/a").contains("grants no publish on 'alerts/a'"));
    assert!(refused(granted, "publish alerts/a/b").contains("alerts/a/b"));
    assert!(refused(granted, "publish alerts/+").contains("no topic name"));
    assert!(refused(granted, "command fan/a").contains("no command name"));
    assert!(refused(granted, "key 0").contains("1 to 256"));
    assert!(refused(granted, "key 257").contains("257"));
    Device::new("d-1", granted).telemetry("ask", "key 256").expect_done();
}

/// Looks at the clock, throws dice, logs on every level, and panics if it is told to.
#[function(telemetry = "#")]
fn chance(payload: &[u8], context: &Context) {
    debug!("{}", context.received_at_ms());
    info!("{}", context.random());
    warn!("{}", context.random());
    error!("{} {}", context.device(), context.offset());
    assert!(payload.is_empty(), "told to");
}

#[test]
fn two_devices_with_the_same_events_see_the_same() {
    let run = || {
        let mut device = Device::new("d-1", chance);
        let first = device.telemetry("a", "").expect_done();
        device.advance(Duration::from_millis(5));
        [first, device.telemetry("a/b", "").expect_done()]
    };
    let [first, second] = run();
    assert_eq!([first.clone(), second.clone()], run());
    assert!(first.logged("1700000000000") && second.logged("1700000000005"));
    assert!(first.logged("d-1 1") && second.logged("d-1 2"));
    let levels: Vec<Level> = first.logs.iter().map(|line| line.level).collect();
    assert_eq!(levels, [Level::Debug, Level::Info, Level::Warn, Level::Error]);
    let random = |reply: &fleetfn_function::testing::Reply| reply.logs[1].text.clone();
    assert_ne!(random(&first), random(&second));
    assert_ne!(random(&first), first.logs[2].text);
}

#[test]
#[should_panic(expected = "told to")]
fn a_panic_of_the_handler_fails_the_test() {
    Device::new("d-1", chance).telemetry("a", "x");
}

#[test]
fn a_manifest_says_what_the_attribute_says() {
    let expected = r#"{"abi":1,"name":"granted","triggers":[{"telemetry":"ask"}],"publish":["alerts/+"],"command":true}"#;
    assert_eq!(granted.manifest, expected);
    assert_eq!((granted.payload_bytes_max, state.payload_bytes_max), (4_096, 65_536));
    assert_eq!(not_granted.name, "not-granted");
}
