//! A recorded slice of traffic, as `fleetfn record` writes it, as what a simulated device does.
//!
//! A device publishes and comes and goes; timers, messages and whatever else a case may hold the engine makes itself when it
//! is time, so those events are left out. What the case expects is not compared: that is what `fn test` is for.

use crate::cli::{Case, Step, case_bytes};
use crate::scenario::{Device, Program, Replies};
use fleetfn_device::mqtt::Qos;
use fleetfn_device::simulation::{Act, Message};
use fleetfn_protocol::{DeviceId, Topic};
use std::collections::BTreeSet;

/// The device of a case that names none, as `fn test` has it.
const DEVICE_DEFAULT: &str = "device-1";

/// Events of one file: as many as `record` writes.
const EVENTS_MAX: usize = 10_000;

/// What was recorded, ready to be done again.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) device: Device,
    /// What is left out, in words.
    pub(super) remarks: BTreeSet<String>,
}

/// Reads a case, or says why it cannot be published.
pub(super) fn parse(text: &str) -> Result<Replay, String> {
    let case = Case::parse(text)?;
    if let Some(entity) = &case.entity {
        return Err(format!("it is about the entity {entity}, and only a device can publish"));
    }
    if case.events.len() > EVENTS_MAX {
        return Err(format!("it has more than {EVENTS_MAX} events"));
    }
    let name = case.device.as_deref().unwrap_or(DEVICE_DEFAULT);
    let id = DeviceId::parse(name).map_err(|error| format!("its device '{name}': {error}"))?;
    let (mut script, mut remarks, mut at_ms) = (Vec::new(), BTreeSet::new(), 0_u64);
    for (number, step) in case.events.iter().enumerate() {
        if number > 0 {
            at_ms = at_ms.saturating_add(step.after_s.unwrap_or(1).saturating_mul(1_000));
        }
        match act(step).map_err(|why| format!("events[{number}]: {why}"))? {
            Some(act) => script.push((at_ms, act)),
            None => drop(remarks.insert("events that no device makes are left out".to_owned())),
        }
    }
    if script.is_empty() {
        return Err("none of its events is one that a device makes".into());
    }
    if !case.state.is_empty() || !case.config.is_empty() || case.twin.is_some() {
        remarks.insert("state, twin and configuration before it are not put in place".into());
    }
    let program = Program::scripted(script, Replies::default());
    Ok(Replay { device: Device::new(id, program), remarks })
}

/// What a device does for a step; `None` if it does nothing.
fn act(step: &Step) -> Result<Option<Act>, String> {
    let message = |topic: String, payload: Vec<u8>| {
        let name = format!("devices/d/{topic}");
        Topic::parse(&name).map_err(|error| format!("'{topic}': {error}"))?;
        Ok(Some(Act::Publish(Message { topic, payload, qos: Qos::AtLeastOnce })))
    };
    let payload = || match &step.payload {
        Some(payload) => case_bytes(payload).map(|bytes| bytes.to_vec()),
        None => Ok(Vec::new()),
    };
    if let Some(channel) = &step.telemetry {
        return message(format!("telemetry/{channel}"), payload()?);
    }
    if let Some(report) = &step.twin {
        return message(
            "twin/reported".into(),
            serde_json::Value::Object(report.clone()).to_string().into_bytes(),
        );
    }
    if let Some(name) = &step.reply {
        return match step.source.as_deref() {
            None | Some("device") => message(format!("commands/{name}/reply"), payload()?),
            Some(_) => Ok(None),
        };
    }
    match step.presence.as_deref() {
        Some("connected") => Ok(Some(Act::Connect)),
        // What the broker says, and what `fn test` says, of a client that left in order.
        Some("disconnected")
            if matches!(step.source.as_deref(), None | Some("goodbye" | "client disconnected")) =>
        {
            Ok(Some(Act::Disconnect))
        }
        Some("disconnected") => Ok(Some(Act::Vanish)),
        Some(other) => Err(format!("'{other}' is neither connected nor disconnected")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn replay(case: &Value) -> Result<Replay, String> {
        parse(&case.to_string())
    }

    #[test]
    fn a_case_is_done_again_with_its_spacing() {
        let case = json!({"name": "n", "device": "lamp-7", "state": {"on": "1"}, "events": [
            {"telemetry": "t", "payload": {"a": 1}, "expect": {"effects": []}},
            {"cron": "0 2 * * *", "after_s": 5},
            {"reply": "fan", "payload": "ok", "after_s": 10},
            {"presence": "disconnected", "source": "connection lost"},
            {"presence": "connected", "after_s": 0},
            {"telemetry": "raw", "payload": {"base64": "/wA="}},
            {"reply": "fan", "source": "timeout"},
        ]});
        let Replay { mut device, remarks } = replay(&case).expect("can be replayed");
        assert_eq!((device.id.as_str(), remarks.len()), ("lamp-7", 2), "{remarks:?}");
        assert!(device.program.is_online(), "it goes before it comes");
        let mut done = Vec::new();
        while let Some(at_ms) = device.program.next_deadline() {
            while let Some(act) = device.program.poll(at_ms, 0) {
                done.push((at_ms, act));
            }
        }
        let publish = |topic: &str, payload: &[u8]| {
            Act::Publish(Message { topic: topic.into(), payload: payload.into(), qos: Qos::AtLeastOnce })
        };
        let expected = [
            (0, publish("telemetry/t", b"{\"a\":1}")),
            (15_000, publish("commands/fan/reply", b"ok")),
            (16_000, Act::Vanish),
            (16_000, Act::Connect),
            (17_000, publish("telemetry/raw", b"\xff\0")),
        ];
        assert_eq!(done, expected);
    }

    #[test]
    fn what_no_device_can_do_is_refused() {
        let refused = |case: Value| replay(&case).expect_err("is refused");
        let tick = json!([{"cron": "* * * * *"}]);
        assert!(
            refused(json!({"name": "n", "entity": "site/berlin", "events": tick})).contains("site/berlin")
        );
        assert!(refused(json!({"name": "n", "events": tick})).contains("none of its events"));
        assert!(refused(json!({"name": "n", "device": "a/b", "events": tick})).contains("a/b"));
        let wrong = refused(json!({"name": "n", "events": [{"telemetry": "a/#", "payload": 1}]}));
        assert!(wrong.starts_with("events[0]"), "{wrong}");
    }
}
