//! What the engine would end an invocation for: the rules that do not depend on the sandbox.

use crate::fetch::Request;
use crate::{Function, Trigger};
use fleetfn_abi::limits::{KEY_BYTES_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX};

/// Largest payload of a message.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Longest topic name.
const TOPIC_BYTES_MAX: usize = 512;
/// Longest command name.
const COMMAND_NAME_BYTES_MAX: usize = 128;
/// Longest name of an entity that is no device.
const ENTITY_BYTES_MAX: usize = 128;
/// Longest id of a device.
const ID_BYTES_MAX: usize = 63;

pub(super) fn key(key: &[u8]) -> Result<(), String> {
    match key.len() {
        1..=KEY_BYTES_MAX => Ok(()),
        other => Err(format!("a state key has 1 to {KEY_BYTES_MAX} bytes, this one has {other}")),
    }
}

pub(super) fn value(value: &[u8]) -> Result<(), String> {
    match value.len() {
        ..=VALUE_BYTES_MAX => Ok(()),
        other => Err(format!("a state value has at most {VALUE_BYTES_MAX} bytes, this one has {other}")),
    }
}

pub(super) fn payload(payload: &[u8]) -> Result<(), String> {
    match payload.len() {
        ..=PAYLOAD_BYTES_MAX => Ok(()),
        other => Err(format!("a payload has at most {PAYLOAD_BYTES_MAX} bytes, this one has {other}")),
    }
}

pub(super) fn name(what: &str, name: &str) -> Result<(), String> {
    match is_name(name, NAME_BYTES_MAX) {
        true => Ok(()),
        false => Err(format!("'{name}' is no name of a {what}: a topic name of 1 to {NAME_BYTES_MAX} bytes")),
    }
}

pub(super) fn publish(function: &Function, topic: &str) -> Result<(), String> {
    if !is_name(topic, TOPIC_BYTES_MAX) {
        return Err(format!("cannot publish on '{topic}': it is no topic name"));
    }
    match function.publish.iter().any(|filter| matches(filter, topic)) {
        true => Ok(()),
        false => Err(format!("the manifest grants no publish on '{topic}'")),
    }
}

pub(super) fn command(function: &Function, is_device: bool, name: &str) -> Result<(), String> {
    if !function.command {
        return Err("the manifest does not ask for commands".into());
    }
    if !is_device {
        return Err("the event is not about a device that could get a command".into());
    }
    if !is_name(name, COMMAND_NAME_BYTES_MAX) || name.contains('/') {
        return Err(format!("'{name}' is no command name: one topic level of 1 to 128 bytes"));
    }
    Ok(())
}

/// Whether a message is an answer that a trigger asks for: it needs no grant.
fn is_answer(trigger: &Trigger, entity: &str, name: &str) -> bool {
    match trigger {
        Trigger::UpdateOffer => name == "update/answer" && entity.starts_with("devices/"),
        Trigger::Gate => name == "rollout/verdict" && entity.starts_with("rollout/"),
        _ => false,
    }
}

pub(super) fn send(function: &Function, entity: &str, name: &str) -> Result<(), String> {
    let fits = match entity.strip_prefix("devices/") {
        Some(id) => is_name(id, ID_BYTES_MAX) && !id.contains('/'),
        None => entity != "devices" && is_name(entity, ENTITY_BYTES_MAX),
    };
    if !fits {
        return Err(format!("'{entity}' is no entity: 'devices/ID' or another topic name"));
    }
    let is_answer = function.triggers.iter().any(|trigger| is_answer(trigger, entity, name));
    match is_answer || function.send.iter().any(|filter| matches(filter, entity)) {
        true => Ok(()),
        false => Err(format!("the manifest grants no send to '{entity}'")),
    }
}

pub(super) fn twin(function: &Function, is_device: bool) -> Result<(), String> {
    if !function.patch_twin {
        return Err("the manifest does not ask for changes of the twin".into());
    }
    match is_device {
        true => Ok(()),
        false => Err("the event is not about a device that has a twin".into()),
    }
}

/// Checks a request and takes its headers apart. The engine resolves a URL before it compares.
pub(super) fn fetch(function: &Function, request: &Request<'_>) -> Result<Vec<(String, String)>, String> {
    let Request { tag, url, headers, body, timeout_s, .. } = request;
    name("tag", tag)?;
    payload(body)?;
    if !(1..=60).contains(timeout_s) {
        return Err(format!("the time that a request may take is 1 to 60 seconds, not {timeout_s}"));
    }
    if !function.fetch.iter().any(|prefix| url.starts_with(prefix)) {
        return Err(format!("the manifest grants no HTTP request to '{url}'"));
    }
    let header = |line: &str| match line.split_once(':') {
        Some((name, value))
            if !name.is_empty() && !name.contains(' ') && !line.contains(char::is_control) =>
        {
            secrets(function, value)?;
            Ok((name.to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("the header '{line}' cannot be sent")),
    };
    headers.lines().map(header).collect()
}

fn secrets(function: &Function, value: &str) -> Result<(), String> {
    for part in value.split("{{secret:").skip(1) {
        let secret = part.split_once("}}").map_or(part, |(secret, _)| secret);
        if !function.secrets.contains(&secret) {
            return Err(format!("the manifest does not ask for the secret '{secret}'"));
        }
    }
    Ok(())
}

pub(super) fn metric(name: &str, value: f64, is_counter: bool) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    if !begins || !name.bytes().all(fits) || name.len() > NAME_BYTES_MAX {
        return Err(format!(
            "'{name}' is no name of a metric: a small letter, then small letters, digits and '_'"
        ));
    }
    match value.is_finite() && !(is_counter && value < 0.0) {
        true => Ok(()),
        false => Err(format!("the metric '{name}' cannot take the value {value}")),
    }
}

fn is_name(topic: &str, bytes_max: usize) -> bool {
    let fits = (1..=bytes_max).contains(&topic.len()) && !topic.contains(['+', '#']);
    fits && !topic.chars().any(char::is_control)
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
