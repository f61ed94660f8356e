//! The guests of the model: pure functions of event, version and what they read.

use crate::log::function;
use bytes::Bytes;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::invocation::StateReader;
use fleetfn_core::{Effect, Event, EventKind, Invocation, Offset, Outcome, Target};

/// How many things a script can ask for.
pub(crate) const OPS: u8 = 18;

/// Fuel that an invocation burns.
pub(crate) const FUEL: u64 = 10;

fn bytes(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into().into_bytes())
}

/// Names of the entities of the model; the last is no device.
pub(crate) const ENTITIES: [&str; 4] = ["dd0", "dd1", "dd2", "nsite"];

/// Runs the function for an event. Pairs of the script say what to do; what is later does the rest.
pub(crate) fn handle(target: &Target, offset: Offset, event: &Event, state: &impl StateReader) -> Invocation {
    let script = match event.kind() {
        EventKind::TimerFired => event.firing().expect("a firing").payload,
        EventKind::TwinReported => Bytes::from_static(&[13, 0]),
        _ => event.payload(),
    };
    let ModuleHash([version, ..]) = target.version;
    let mut effects = vec![trail(offset, version, target.trigger, state)];
    let mut outcome = Outcome::Done;
    if let [op, argument, rest @ ..] = &script[..] {
        let rest = Bytes::copy_from_slice(rest);
        match op {
            5 => outcome = Outcome::Rejected { code: i32::from(*argument) + 1 },
            6 => outcome = Outcome::Failed { error_type: "trap", detail: "unreachable".into() },
            14 => outcome = Outcome::Refused { detail: "no number".into() },
            // A version that fails where others do not.
            15 if version == 5 => outcome = Outcome::Rejected { code: 5 },
            // Only one function, or a loop would grow with each round.
            17 if target.function == function(0) => effects.push(around(*argument, &rest)),
            op => effects.extend(wish(*op, *argument, rest, offset, state)),
        }
    }
    if outcome != Outcome::Done {
        effects.clear();
    }
    Invocation {
        function: target.function,
        version: target.version,
        role: target.role,
        trigger: target.trigger,
        outcome,
        fuel: FUEL,
        guest_ns: 0,
        effects,
        reads: vec![],
        logs: vec![],
    }
}

fn wish(op: u8, argument: u8, rest: Bytes, offset: Offset, state: &impl StateReader) -> Option<Effect> {
    let key = Bytes::from(vec![b'k', argument]);
    let delay_s = u32::from(argument) + 1;
    let name = || bytes(format!("t{}", argument % 2));
    let entity = || bytes(ENTITIES[usize::from(argument)]);
    Some(match op {
        0 => Effect::StatePut { key, value: bytes(offset.to_string()), ttl_s: 0 },
        1 => Effect::StateDelete { key },
        2 => Effect::StatePut { key: bytes("all"), value: keys(state), ttl_s: 0 },
        3 => Effect::Command {
            name: bytes("c"),
            payload: keys(state),
            ttl_s: u32::from(argument),
            timeout_s: u32::from(argument % 2) * 2,
        },
        4 => Effect::Publish { topic: bytes("alerts"), payload: keys(state) },
        7 => Effect::StatePut { key, value: bytes(offset.to_string()), ttl_s: delay_s },
        8 => Effect::TimerSet { name: name(), payload: rest, delay_s },
        9 => Effect::TimerCancel { name: name() },
        10 => Effect::Send { entity: entity(), name: bytes("m"), payload: rest, delay_s: 0 },
        11 => Effect::Send { entity: entity(), name: bytes("m"), payload: rest, delay_s },
        12 => Effect::TwinPatch { patch: bytes(format!(r#"{{"r{argument}":{}}}"#, offset.0 % 3)) },
        13 => {
            let twin = state.twin().expect("the model's twins can be read").unwrap_or_default();
            Effect::StatePut { key: bytes("twin"), value: twin, ttl_s: 0 }
        }
        // The server answers with the request.
        16 => Effect::Http { tag: name(), request: rest },
        _ => return None,
    })
}

/// Asks the next entity to do the same: a loop.
fn around(argument: u8, rest: &[u8]) -> Effect {
    let next = (argument + 1) % 4;
    let payload = Bytes::from([&[17, next], rest].concat());
    Effect::Send { entity: bytes(ENTITIES[usize::from(next)]), name: bytes("m"), payload, delay_s: 0 }
}

/// Appends the event to the list of those that this function handled of this entity: tells repetition and order.
/// Every second version does the same as the one before it.
fn trail(offset: Offset, version: u8, trigger: u16, state: &impl StateReader) -> Effect {
    let key = Bytes::from_static(b"trail");
    let before = state.get(&key).expect("the model's state can be read").unwrap_or_default();
    let before = String::from_utf8(before.to_vec()).expect("it was text");
    Effect::StatePut { key, value: bytes(format!("{before} {offset}v{}t{trigger}", version / 2)), ttl_s: 0 }
}

/// All keys under `k`, read by a scan in pages of two.
fn keys(state: &impl StateReader) -> Bytes {
    let (mut keys, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let mut page = Vec::new();
        let mut visit = |key: &[u8], value: &Bytes| {
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
