//! The host that a test pretends: what the imports do while a handler runs on this thread.

use super::effect::{Effect, LogLine, Payload, Request};
use super::rules;
use crate::ask::COUNTER;
use crate::{Function, Level, fetch};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::resume_unwind;

/// State of an entity under one function.
pub(super) type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// All that a handler can see and change.
pub(super) struct World {
    pub(super) function: Function,
    /// Whether the event is about a device.
    pub(super) is_device: bool,
    /// Whether the event is an HTTP request that is not answered yet.
    pub(super) is_request: bool,
    pub(super) state: State,
    /// The twin as the interface shows it, if the event is about a device.
    pub(super) twin: Option<String>,
    pub(super) config: BTreeMap<String, String>,
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

/// Asks for an effect.
fn ask(effect: impl FnOnce(&World) -> Result<Effect, String>) {
    act(|world| {
        let effect = effect(world)?;
        world.effects.push(effect);
        Ok(())
    });
}

/// Copies as much as fits; the full length.
fn fill(out: &mut [u8], value: &[u8]) -> usize {
    for (to, from) in out.iter_mut().zip(value) {
        *to = *from;
    }
    value.len()
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

pub(crate) fn state_get(key: &[u8], out: &mut [u8]) -> Option<usize> {
    act(|world| {
        rules::key(key)?;
        Ok(world.state.get(key).map(|value| fill(out, value)))
    })
}

pub(crate) fn state_put(key: &[u8], value: &[u8]) {
    put(key, value, 0);
}

pub(crate) fn state_put_expiring(key: &[u8], value: &[u8], ttl_s: u32) {
    put(key, value, ttl_s);
}

fn put(key: &[u8], value: &[u8], ttl_s: u32) {
    act(|world| {
        rules::key(key)?;
        rules::value(value)?;
        world.state.insert(key.into(), value.into());
        world.effects.push(Effect::Put { key: text(key), value: value.into(), ttl_s });
        Ok(())
    });
}

pub(crate) fn state_delete(key: &[u8]) {
    act(|world| {
        rules::key(key)?;
        world.state.remove(key);
        world.effects.push(Effect::Delete { key: text(key) });
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
        Ok(fill(out, &page))
    })
}

pub(crate) fn publish(topic: &str, payload: &[u8]) {
    ask(|world| {
        rules::payload(payload)?;
        rules::publish(&world.function, topic)?;
        Ok(Effect::Publish { topic: topic.into(), payload: Payload::new(payload) })
    });
}

pub(crate) fn command(name: &str, payload: &[u8], ttl_s: u32) {
    command_await(name, payload, ttl_s, 0);
}

pub(crate) fn command_await(name: &str, payload: &[u8], ttl_s: u32, timeout_s: u32) {
    ask(|world| {
        rules::payload(payload)?;
        rules::command(&world.function, world.is_device, name)?;
        Ok(Effect::Command { name: name.into(), payload: Payload::new(payload), ttl_s, timeout_s })
    });
}

pub(crate) fn send(entity: &str, name: &str, payload: &[u8], delay_s: u32) {
    ask(|world| {
        rules::name("message", name)?;
        rules::payload(payload)?;
        rules::send(&world.function, entity, name)?;
        Ok(Effect::Send { entity: entity.into(), name: name.into(), payload: Payload::new(payload), delay_s })
    });
}

pub(crate) fn timer_set(name: &str, payload: &[u8], delay_s: u32) {
    ask(|_| {
        rules::name("timer", name)?;
        rules::payload(payload)?;
        Ok(Effect::SetTimer { name: name.into(), payload: Payload::new(payload), delay_s })
    });
}

pub(crate) fn timer_cancel(name: &str) {
    ask(|_| {
        rules::name("timer", name)?;
        Ok(Effect::CancelTimer { name: name.into() })
    });
}

pub(crate) fn twin_get(out: &mut [u8]) -> Option<usize> {
    act(|world| Ok(world.twin.as_ref().map(|twin| fill(out, twin.as_bytes()))))
}

pub(crate) fn twin_patch(patch: &[u8]) {
    ask(|world| {
        rules::payload(patch)?;
        rules::twin(&world.function, world.is_device)?;
        super::twin::object(patch)?;
        Ok(Effect::PatchTwin { patch: Payload::new(patch) })
    });
}

pub(crate) fn http(request: &fetch::Request<'_>) {
    ask(|world| {
        let headers = rules::fetch(&world.function, request)?;
        Ok(Effect::Fetch(Request {
            tag: request.tag.into(),
            method: request.method.into(),
            url: request.url.into(),
            headers,
            body: Payload::new(request.body),
            timeout_s: request.timeout_s,
        }))
    });
}

pub(crate) fn respond(status: u16, content_type: &str, body: &[u8]) {
    act(|world| {
        rules::payload(body)?;
        if !world.is_request {
            return Err("the event is no HTTP request that could be answered, or is answered already".into());
        }
        if !(200..=599).contains(&status) {
            return Err(format!("the status of a response is 200 to 599, not {status}"));
        }
        world.is_request = false;
        let (content_type, body) = (content_type.into(), Payload::new(body));
        world.effects.push(Effect::Respond { status, content_type, body });
        Ok(())
    });
}

pub(crate) fn config_get(key: &str, out: &mut [u8]) -> Option<usize> {
    act(|world| {
        rules::name("key of the configuration", key)?;
        Ok(world.config.get(key).map(|value| fill(out, value.as_bytes())))
    })
}

pub(crate) fn metric(kind: u32, name: &str, value: f64) {
    ask(|_| {
        let is_counter = kind == COUNTER;
        rules::metric(name, value, is_counter)?;
        Ok(match is_counter {
            true => Effect::Counter { name: name.into(), add: value },
            false => Effect::Gauge { name: name.into(), value },
        })
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
