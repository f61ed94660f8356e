//! The guests of the model: pure functions of event, version and state.

use bytes::Bytes;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::invocation::{LogLevel, LogLine, StateReader};
use fleetfn_core::{Effect, Event, Invocation, Offset, Outcome, Target};

fn bytes(text: String) -> Bytes {
    Bytes::from(text.into_bytes())
}

/// Runs the function for an event. The payload holds what to do and an argument.
pub(crate) fn handle(target: &Target, offset: Offset, event: &Event, state: &impl StateReader) -> Invocation {
    let payload = event.payload();
    let (op, arg) = (payload[0], payload[1]);
    let ModuleHash([version, ..]) = target.version;
    let mut effects = vec![trail(offset, version, state)];
    let mut outcome = Outcome::Done;
    let key = Bytes::from(vec![b'k', arg]);
    match op {
        0 => effects.push(Effect::StatePut { key, value: bytes(offset.to_string()) }),
        1 => effects.push(Effect::StateDelete { key }),
        2 => effects.push(Effect::StatePut { key: Bytes::from_static(b"keys"), value: keys(state) }),
        3 => effects.push(Effect::Command {
            name: bytes("c".into()),
            payload: keys(state),
            ttl_s: u32::from(arg),
        }),
        4 => effects.push(Effect::Publish { topic: bytes("alerts".into()), payload: keys(state) }),
        5 => outcome = Outcome::Rejected { code: i32::from(arg) + 1 },
        6 => outcome = Outcome::Failed { error_type: "trap", detail: "unreachable".into() },
        _ => effects.extend([
            Effect::Command { name: bytes("d".into()), payload: bytes(offset.to_string()), ttl_s: 0 },
            Effect::Publish { topic: bytes("alerts".into()), payload: bytes(offset.to_string()) },
            Effect::StatePut { key, value: bytes(version.to_string()) },
        ]),
    }
    if outcome != Outcome::Done {
        effects.clear();
    }
    let logs = vec![LogLine { level: LogLevel::Info, text: format!("at {offset}") }];
    Invocation { function: target.function, version: target.version, outcome, fuel: offset.0, effects, logs }
}

/// Appends the event to the list of those that this function handled of this entity: tells repetition and order.
fn trail(offset: Offset, version: u8, state: &impl StateReader) -> Effect {
    let key = Bytes::from_static(b"trail");
    let before = state.get(&key).expect("the model's state can be read").unwrap_or_default();
    let before = String::from_utf8(before.to_vec()).expect("it was text");
    Effect::StatePut { key, value: bytes(format!("{before} {offset}v{version}")) }
}

/// All keys under `k`, read by a scan in pages of two.
fn keys(state: &impl StateReader) -> Bytes {
    let (mut keys, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let mut page = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            page.push((key.to_vec(), value.to_vec()));
            page.len() < 2
        };
        state.scan(b"k", after.as_deref(), &mut visit).expect("the model's state can be read");
        match page.last() {
            Some((last, _)) => after = Some(last.clone()),
            None => return Bytes::from(keys),
        }
        page.into_iter().for_each(|(key, value)| keys.extend([key, value].concat()));
    }
}
