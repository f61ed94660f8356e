//! What Extism's PDKs import. Inputs, outputs and variables pass through blocks of memory that the host keeps; a
//! plug-in reads and writes them byte by byte.
//!
//! The input is the event's payload, the configuration is ours with what is known of the event under `fleetfn.`, a
//! variable is a key of the entity's state. The output answers an HTTP request, and is of no use for other events. HTTP
//! requests are refused: an invocation cannot wait.

mod blocks;

pub(crate) use blocks::Blocks;

use super::{Refusal, Signature, guarded};
use crate::failure::Failure;
use crate::guest::{Guest, burn, fuel_of};
use crate::imports::wish;
use crate::limits::{CALL_FUEL, READ_FUEL};
use crate::wishes::Kind;
use bytes::Bytes;
use fleetfn_abi::limits::{KEY_BYTES_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX};
use fleetfn_core::invocation::LogLevel;
use fleetfn_protocol::limits::PAYLOAD_BYTES_MAX;
use std::mem;
use wasmi::errors::LinkerError;
use wasmi::{Caller, Linker};

pub(super) const MODULE: &str = "extism:host/env";

/// What names of the configuration begin with that stand for what is known of the event.
const FACT_PREFIX: &str = "fleetfn.";

/// Fuel of a call that moves up to eight bytes: PDKs move every byte of input and output so.
const MOVE_FUEL: u64 = 20;

/// Extism's number for "debug": lines below are not worth passing.
const LOG_LEVEL_DEBUG: i32 = 1;

/// The media type of an answer that is JSON, and of one that is not.
const JSON: &[u8] = b"application/json";
const TEXT: &[u8] = b"text/plain; charset=utf-8";

pub(super) const ROWS: [(&str, &str, &str); 27] = [
    ("alloc", "I", "I"),
    ("config_get", "I", "I"),
    ("error_set", "I", ""),
    ("free", "I", ""),
    ("get_log_level", "", "i"),
    ("http_headers", "", "I"),
    ("http_request", "II", "I"),
    ("http_status_code", "", "i"),
    ("input_length", "", "I"),
    ("input_load_u64", "I", "I"),
    ("input_load_u8", "I", "i"),
    ("input_offset", "", "I"),
    ("length", "I", "I"),
    ("length_unsafe", "I", "I"),
    ("load_u64", "I", "I"),
    ("load_u8", "I", "i"),
    ("log_debug", "I", ""),
    ("log_error", "I", ""),
    ("log_info", "I", ""),
    ("log_trace", "I", ""),
    ("log_warn", "I", ""),
    ("output_set", "II", ""),
    ("reset", "", ""),
    ("store_u64", "II", ""),
    ("store_u8", "Ii", ""),
    ("var_get", "I", "I"),
    ("var_set", "II", ""),
];

pub(super) fn signature(name: &str) -> Option<Signature> {
    let row = ROWS.iter().find(|(known, ..)| *known == name);
    row.map(|(_, params, results)| Signature::new(params, results))
}

type C<'a> = Caller<'a, Guest>;

pub(super) fn link(linker: &mut Linker<Guest>) -> Result<(), LinkerError> {
    link_memory(linker)?;
    linker.func_wrap(MODULE, "config_get", |mut c: C<'_>, key: u64| guarded(|| config_get(&mut c, key)))?;
    linker.func_wrap(MODULE, "var_get", |mut c: C<'_>, key: u64| guarded(|| var_get(&mut c, key)))?;
    linker.func_wrap(MODULE, "var_set", |mut c: C<'_>, key: u64, value: u64| {
        guarded(|| var_set(&mut c, key, value))
    })?;
    linker.func_wrap(MODULE, "http_request", |_: C<'_>, _: u64, _: u64| {
        guarded(|| Err::<u64, _>(Failure::Foreign(Refusal::HttpRequest)))
    })?;
    linker.func_wrap(MODULE, "http_status_code", |_: C<'_>| 0_i32)?;
    linker.func_wrap(MODULE, "http_headers", |_: C<'_>| 0_u64)?;
    linker.func_wrap(MODULE, "get_log_level", |_: C<'_>| LOG_LEVEL_DEBUG)?;
    let levels = [
        ("log_trace", LogLevel::Debug),
        ("log_debug", LogLevel::Debug),
        ("log_info", LogLevel::Info),
        ("log_warn", LogLevel::Warn),
        ("log_error", LogLevel::Error),
    ];
    for (name, level) in levels {
        linker
            .func_wrap(MODULE, name, move |mut c: C<'_>, text: u64| guarded(|| log(&mut c, level, text)))?;
    }
    Ok(())
}

/// The functions that move bytes.
fn link_memory(linker: &mut Linker<Guest>) -> Result<(), LinkerError> {
    linker.func_wrap(MODULE, "alloc", |mut c: C<'_>, length: u64| guarded(|| alloc(&mut c, length)))?;
    linker.func_wrap(MODULE, "free", |mut c: C<'_>, block: u64| {
        guarded(|| {
            burn(&mut c, CALL_FUEL)?;
            blocks(&mut c).map(|blocks| blocks.free(block))
        })
    })?;
    linker.func_wrap(MODULE, "reset", |mut c: C<'_>| {
        guarded(|| blocks(&mut c).map(|blocks| *blocks = Blocks::default()))
    })?;
    for name in ["length", "length_unsafe"] {
        linker.func_wrap(MODULE, name, |mut c: C<'_>, block: u64| {
            guarded(|| blocks(&mut c).map(|blocks| blocks.length(block)))
        })?;
    }
    linker.func_wrap(MODULE, "load_u8", |mut c: C<'_>, at: u64| {
        guarded(|| blocks(&mut c)?.load::<1>(at).map(|[byte]| i32::from(byte)))
    })?;
    linker.func_wrap(MODULE, "load_u64", |mut c: C<'_>, at: u64| {
        guarded(|| blocks(&mut c)?.load(at).map(u64::from_le_bytes))
    })?;
    linker.func_wrap(MODULE, "store_u8", |mut c: C<'_>, at: u64, byte: u32| {
        let [byte, ..] = byte.to_le_bytes();
        guarded(|| blocks(&mut c)?.store(at, [byte]))
    })?;
    linker.func_wrap(MODULE, "store_u64", |mut c: C<'_>, at: u64, word: u64| {
        guarded(|| blocks(&mut c)?.store(at, word.to_le_bytes()))
    })?;
    linker.func_wrap(MODULE, "input_length", |mut c: C<'_>| guarded(|| input_length(&mut c)))?;
    linker.func_wrap(MODULE, "input_offset", |mut c: C<'_>| guarded(|| input_offset(&mut c)))?;
    linker.func_wrap(MODULE, "input_load_u8", |mut c: C<'_>, at: u64| {
        guarded(|| input_load::<1>(&mut c, at).map(|[byte]| i32::from(byte)))
    })?;
    linker.func_wrap(MODULE, "input_load_u64", |mut c: C<'_>, at: u64| {
        guarded(|| input_load(&mut c, at).map(u64::from_le_bytes))
    })?;
    linker.func_wrap(MODULE, "output_set", |mut c: C<'_>, at: u64, length: u64| {
        guarded(|| blocks(&mut c)?.set_output(at, length))
    })?;
    linker.func_wrap(MODULE, "error_set", |mut c: C<'_>, block: u64| {
        guarded(|| blocks(&mut c).map(|blocks| blocks.set_error(block)))
    })?;
    Ok(())
}

/// The blocks, for a call that moves few bytes.
fn blocks<'a>(caller: &'a mut C<'_>) -> Result<&'a mut Blocks, Failure> {
    burn(caller, MOVE_FUEL)?;
    Ok(&mut caller.data_mut().session.blocks)
}

/// Makes a block; 0 for an empty one.
fn alloc(caller: &mut C<'_>, length: u64) -> Result<u64, Failure> {
    // What is allocated is zeroed.
    burn(caller, CALL_FUEL.saturating_add(length / crate::limits::BYTES_PER_FUEL))?;
    let guest = caller.data_mut();
    let max = guest.limits.memory_bytes;
    guest.session.blocks.alloc(length, max)
}

/// Makes a block of bytes.
fn give(caller: &mut C<'_>, bytes: &[u8]) -> Result<u64, Failure> {
    let block = alloc(caller, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    burn(caller, fuel_of(bytes.len()))?;
    caller.data_mut().session.blocks.fill(block, bytes);
    Ok(block)
}

/// The bytes of a block, for a call that reads them.
fn take(caller: &mut C<'_>, block: u64, fuel: u64) -> Result<Vec<u8>, Failure> {
    let bytes = caller.data().session.blocks.bytes(block).to_vec();
    burn(caller, fuel.saturating_add(fuel_of(bytes.len())))?;
    Ok(bytes)
}

fn input_length(caller: &mut C<'_>) -> Result<u64, Failure> {
    burn(caller, MOVE_FUEL)?;
    Ok(u64::try_from(caller.data().session.payload.len()).unwrap_or(u64::MAX))
}

/// The input as a block.
fn input_offset(caller: &mut C<'_>) -> Result<u64, Failure> {
    let payload = caller.data().session.payload.clone();
    give(caller, &payload)
}

fn input_load<const N: usize>(caller: &mut C<'_>, at: u64) -> Result<[u8; N], Failure> {
    burn(caller, MOVE_FUEL)?;
    let payload = &caller.data().session.payload;
    let part = usize::try_from(at).ok().and_then(|at| payload.get(at..)?.first_chunk::<N>());
    part.copied().ok_or(Failure::Foreign(Refusal::Block { offset: at, length: N }))
}

/// Fails before the first event: there is nothing to act on yet.
fn during_an_event(caller: &C<'_>) -> Result<(), Failure> {
    if caller.data().state.is_some() { Ok(()) } else { Err(Failure::TooEarly) }
}

fn config_get(caller: &mut C<'_>, key: u64) -> Result<u64, Failure> {
    during_an_event(caller)?;
    let key = take(caller, key, READ_FUEL)?;
    let guest = caller.data();
    let Some(key) = std::str::from_utf8(&key).ok().filter(|key| key.len() <= NAME_BYTES_MAX) else {
        return Ok(0);
    };
    let found = match (key.strip_prefix(FACT_PREFIX), &guest.state) {
        (Some(wanted), _) => {
            let fact = guest.session.facts.iter().find(|(name, _)| *name == wanted);
            fact.map(|(_, text)| Bytes::copy_from_slice(text.as_bytes()))
        }
        (None, Some(state)) => state.config(key)?,
        (None, None) => None,
    };
    found.map_or(Ok(0), |value| give(caller, &value))
}

/// The key of state that a variable is.
fn variable(caller: &mut C<'_>, key: u64, fuel: u64) -> Result<Vec<u8>, Failure> {
    during_an_event(caller)?;
    let key = take(caller, key, fuel)?;
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Failure::Key(u32::try_from(key.len()).unwrap_or(u32::MAX)));
    }
    Ok(key)
}

fn var_get(caller: &mut C<'_>, key: u64) -> Result<u64, Failure> {
    let key = variable(caller, key, READ_FUEL)?;
    let guest = caller.data();
    let found = match (guest.wishes.find(&key), &guest.state) {
        (Some(written), _) => written.map(|range| Bytes::copy_from_slice(guest.wishes.part(&range))),
        (None, Some(state)) => state.get(&key)?,
        (None, None) => None,
    };
    found.map_or(Ok(0), |value| give(caller, &value))
}

/// Sets a variable, or takes it away when the value is block 0.
fn var_set(caller: &mut C<'_>, key: u64, value: u64) -> Result<(), Failure> {
    let key = variable(caller, key, CALL_FUEL)?;
    if value == 0 {
        return wish(caller.data_mut(), Kind::Delete, &[&key]).map(drop);
    }
    let value = take(caller, value, 0)?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(Failure::Value(u32::try_from(value.len()).unwrap_or(u32::MAX)));
    }
    wish(caller.data_mut(), Kind::Put { ttl_s: 0 }, &[&key, &value]).map(drop)
}

fn log(caller: &mut C<'_>, level: LogLevel, text: u64) -> Result<(), Failure> {
    let text = take(caller, text, CALL_FUEL)?;
    caller.data_mut().log(level, &text)
}

/// Takes what a plug-in leaves: its error as a log line, its output as the answer to an HTTP request.
pub(super) fn finish(guest: &mut Guest, code: i32) -> Result<(), Failure> {
    let blocks = mem::take(&mut guest.session.blocks);
    let error = blocks.error();
    if code != 0 && !error.is_empty() {
        guest.log(LogLevel::Error, error)?;
    }
    let output = blocks.output();
    let is_answered = guest.wishes.any(|kind| matches!(kind, Kind::Respond { .. }));
    if code == 0 && guest.about.request && !is_answered && !output.is_empty() {
        if output.len() > PAYLOAD_BYTES_MAX {
            return Err(Failure::Payload(u32::try_from(output.len()).unwrap_or(u32::MAX)));
        }
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(output).is_ok();
        let content_type = if is_json { JSON } else { TEXT };
        wish(guest, Kind::Respond { status: 200 }, &[content_type, output])?;
    }
    Ok(())
}
