//! The host that a test pretends: what the imports do while a handler runs on this thread.

use super::reply::{Effect, LogLine, Payload};
use crate::{Function, Level};
use fleetfn_abi::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::resume_unwind;

/// Largest payload of a message.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Longest topic name.
const TOPIC_BYTES_MAX: usize = 512;
/// Longest command name.
const COMMAND_NAME_BYTES_MAX: usize = 128;

/// State of a device under one function.
pub(super) type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// All that a handler can see and change.
pub(super) struct World {
    pub(super) function: Function,
    pub(super) state: State,
    pub(super) effects: Vec<Effect>,
    pub(super) logs: Vec<LogLine>,
}

/// Thrown through the handler by a host call that the engine would end the invocation for.
pub(super) struct Ended(pub(super) String);

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Puts a world in place, or takes it away; what was there before.
pub(super) fn exchange(world: Option<World>) -> Option<World> {
    WORLD.replace(world)
}

/// Acts on the world; an error ends the invocation.
fn act<R>(act: impl FnOnce(&mut World) -> Result<R, String>) -> R {
    let done = WORLD.with_borrow_mut(|world| match world {
        Some(world) => act(world),
        None => Err("there is no event that is handled: begin with testing::Device".into()),
    });
    match done {
        Ok(result) => result,
        Err(reason) => resume_unwind(Box::new(Ended(reason))),
    }
}

fn check_key(key: &[u8]) -> Result<(), String> {
    match key.len() {
        1..=KEY_BYTES_MAX => Ok(()),
        other => Err(format!("a state key has 1 to {KEY_BYTES_MAX} bytes, this one has {other}")),
    }
}

fn check_payload(payload: &[u8]) -> Result<(), String> {
    match payload.len() {
        ..=PAYLOAD_BYTES_MAX => Ok(()),
        other => Err(format!("a payload has at most {PAYLOAD_BYTES_MAX} bytes, this one has {other}")),
    }
}

fn is_name(topic: &str, bytes_max: usize) -> bool {
    let fits = (1..=bytes_max).contains(&topic.len()) && !topic.contains(['+', '#']);
    fits && !topic.chars().any(char::is_control)
}

/// Copies as much as fits.
fn fill(out: &mut [u8], value: &[u8]) {
    for (to, from) in out.iter_mut().zip(value) {
        *to = *from;
    }
}

pub(crate) fn state_get(key: &[u8], out: &mut [u8]) -> Option<usize> {
    act(|world| {
        check_key(key)?;
        Ok(world.state.get(key).map(|value| {
            fill(out, value);
            value.len()
        }))
    })
}

pub(crate) fn state_put(key: &[u8], value: &[u8]) {
    act(|world| {
        check_key(key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(format!(
                "a state value has at most {VALUE_BYTES_MAX} bytes, this one has {}",
                value.len()
            ));
        }
        world.state.insert(key.into(), value.into());
        let key = String::from_utf8_lossy(key).into_owned();
        world.effects.push(Effect::Put { key, value: value.into() });
        Ok(())
    });
}

pub(crate) fn state_delete(key: &[u8]) {
    act(|world| {
        check_key(key)?;
        world.state.remove(key);
        world.effects.push(Effect::Delete { key: String::from_utf8_lossy(key).into_owned() });
        Ok(())
    });
}

pub(crate) fn state_scan(prefix: &[u8], after: &[u8], out: &mut [u8]) -> usize {
    act(|world| {
        let mut page = Vec::new();
        let wanted = |key: &[u8]| key.starts_with(prefix) && key > after;
        for (key, value) in world.state.iter().filter(|(key, _)| wanted(key)) {
            let mut entry = u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes().to_vec();
            entry.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
            entry.extend_from_slice(key);
            entry.extend_from_slice(value);
            if page.len() + entry.len() > out.len() {
                if page.is_empty() {
                    return Ok(entry.len());
                }
                break;
            }
            page.append(&mut entry);
        }
        fill(out, &page);
        Ok(page.len())
    })
}

pub(crate) fn publish(topic: &str, payload: &[u8]) {
    act(|world| {
        check_payload(payload)?;
        if !is_name(topic, TOPIC_BYTES_MAX) {
            return Err(format!("cannot publish on '{topic}': it is no topic name"));
        }
        if !world.function.publish.iter().any(|filter| matches(filter, topic)) {
            return Err(format!("the manifest grants no publish on '{topic}'"));
        }
        world.effects.push(Effect::Publish { topic: topic.into(), payload: Payload::new(payload) });
        Ok(())
    });
}

pub(crate) fn command(name: &str, payload: &[u8], ttl_s: u32) {
    act(|world| {
        check_payload(payload)?;
        if !world.function.command {
            return Err("the manifest does not ask for commands".into());
        }
        if !is_name(name, COMMAND_NAME_BYTES_MAX) || name.contains('/') {
            return Err(format!("'{name}' is no command name: one topic level of 1 to 128 bytes"));
        }
        world.effects.push(Effect::Command { name: name.into(), payload: Payload::new(payload), ttl_s });
        Ok(())
    });
}

pub(crate) fn log(level: Level, text: &str) {
    let line = LogLine { level, text: text.into() };
    let shown = WORLD.with_borrow_mut(|world| match world {
        Some(world) => {
            world.logs.push(line);
            None
        }
        None => Some(line),
    });
    // Code that a test calls by itself may log, too.
    if let Some(line) = shown {
        eprintln!("{line}");
    }
}

/// Whether a name falls under a filter: `+` and `{name}` take one level, a last `#` the rest, also nothing.
pub(super) fn matches(filter: &str, name: &str) -> bool {
    let mut names = name.split('/');
    for level in filter.split('/') {
        let one = level == "+" || level.starts_with('{') && level.ends_with('}');
        match (level, names.next()) {
            ("#", _) => return true,
            (_, Some(name)) if one || level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}
