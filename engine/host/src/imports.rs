//! The host's side of the table of imports: one function for each row.
//!
//! A row without a function does not compile. Each function charges fuel before it works, checks every pointer
//! before it reads or writes, and keeps nothing of the guest's memory. A panic ends the call here: the engine's
//! frames below cannot be unwound, it would take the process with it.

mod command;
mod config;
mod http;
mod log;
mod metric;
mod publish;
mod respond;
mod send;
mod state;
mod timer;
mod twin;

use crate::failure::Failure;
use crate::guest::{Guest, part};
use crate::host::panic_text;
use crate::wishes::Kind;
use command::{command, command_await};
use config::config_get;
use fleetfn_abi::limits::NAME_BYTES_MAX;
use fleetfn_protocol::limits::PAYLOAD_BYTES_MAX;
use fleetfn_protocol::validate_name;
use http::http;
use log::log;
use metric::metric;
use publish::publish;
use respond::respond;
use send::send;
use state::{state_delete, state_get, state_put, state_put_expiring, state_scan};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use timer::{timer_cancel, timer_set};
use twin::{twin_get, twin_patch};
use wasmi::errors::LinkerError;
use wasmi::{Caller, Engine, Error, Linker};

/// Bytes of a refused text that an error shows.
const SHOWN_BYTES_MAX: usize = 128;

macro_rules! link {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*);)*) => {
        /// A linker with every row of the table.
        pub(crate) fn linker(engine: &Engine) -> Result<Linker<Guest>, LinkerError> {
            let mut linker = Linker::new(engine);
            $(
                linker.func_wrap(
                    fleetfn_abi::IMPORT_MODULE,
                    stringify!($name),
                    |mut caller: Caller<'_, Guest>, $($arg: u32),*| -> Result<i32, Error> {
                        let work = AssertUnwindSafe(|| $name(&mut caller, $($arg),*));
                        let result = catch_unwind(work)
                            .unwrap_or_else(|panic| Err(Failure::Panic(panic_text(&*panic))));
                        result.map_err(Error::host)
                    },
                )?;
            )*
            Ok(linker)
        }
    };
}

fleetfn_abi::for_each_import!(link);

/// Keeps an effect, if it stays within the limits.
pub(crate) fn wish(guest: &mut Guest, kind: Kind, parts: &[&[u8]]) -> Result<i32, Failure> {
    if guest.wishes.len() >= guest.limits.effects {
        return Err(Failure::Effects(guest.limits.effects));
    }
    let more = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    if guest.wishes.bytes().saturating_add(more) > guest.limits.effect_bytes {
        return Err(Failure::EffectBytes(guest.limits.effect_bytes));
    }
    guest.wishes.push(kind, parts);
    Ok(0)
}

/// A payload of what leaves.
fn payload(memory: &[u8], pointer: u32, length: u32) -> Result<&[u8], Failure> {
    let payload = part(memory, pointer, length)?;
    if payload.len() > PAYLOAD_BYTES_MAX { Err(Failure::Payload(length)) } else { Ok(payload) }
}

/// A name of the kind that `what` says: a topic name of bounded length.
fn name<'a>(what: &'static str, memory: &'a [u8], pointer: u32, length: u32) -> Result<&'a str, Failure> {
    let bytes = part(memory, pointer, length)?;
    let refused = |reason: String| Failure::Name { what, name: shown(bytes), reason };
    if bytes.len() > NAME_BYTES_MAX {
        return Err(refused(format!("it has {} bytes, at most {NAME_BYTES_MAX} are allowed", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| refused(error.to_string()))?;
    match validate_name(text) {
        Ok(()) => Ok(text),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// Seconds from `min` on.
fn seconds(what: &'static str, got: u32, allowed: RangeInclusive<u32>) -> Result<u32, Failure> {
    let (min, max) = (*allowed.start(), *allowed.end());
    if allowed.contains(&got) { Ok(got) } else { Err(Failure::Seconds { what, got, min, max }) }
}

/// What a guest gave, as far as it is worth showing.
fn shown(bytes: &[u8]) -> String {
    let start = bytes.get(..bytes.len().min(SHOWN_BYTES_MAX)).unwrap_or_default();
    String::from_utf8_lossy(start).into_owned()
}
