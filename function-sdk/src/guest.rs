//! The guest interface on wasm32: imports, the event's buffer, memory, and what happens on a panic.
//!
//! All `unsafe` of this crate is here and below. A guest has one thread, its instance handles one event at a time, and its
//! memory is put back before the next: what the host writes, it writes while no code of the guest runs.
#![expect(unsafe_code, reason = "the border to the host is made of pointers")]

mod buffer;
mod memory;

use crate::Level;
use crate::fetch::Request;
pub use buffer::{Buffer, initialize};

// The attribute below takes a literal.
const _: () = assert!(matches!(fleetfn_abi::IMPORT_MODULE.as_bytes(), b"fleetfn_v1"));

macro_rules! externs {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*);)*) => {
        mod import {
            // On wasm32 a `usize` is an `i32`, which is what every argument is.
            #[link(wasm_import_module = "fleetfn_v1")]
            unsafe extern "C" {
                $($(#[$doc])* pub(super) fn $name($($arg: usize),*) -> i32;)*
            }
        }
    };
}

fleetfn_abi::for_each_import!(externs);

/// Where bytes are that the host reads.
fn at(bytes: &[u8]) -> usize {
    bytes.as_ptr().expose_provenance()
}

/// Where bytes are that the host writes.
fn at_mut(bytes: &mut [u8]) -> usize {
    bytes.as_mut_ptr().expose_provenance()
}

/// Reads the value of a key into `out`, as far as it goes; its full length if it is there.
pub(crate) fn state_get(key: &[u8], out: &mut [u8]) -> Option<usize> {
    let (room, out) = (out.len(), at_mut(out));
    // SAFETY: the host reads the key and writes at most `room` bytes to `out`, which is borrowed for that.
    let length = unsafe { import::state_get(at(key), key.len(), out, room) };
    usize::try_from(length).ok()
}

/// Keeps a value. What the limits do not allow ends the invocation: there is no error to return.
pub(crate) fn state_put(key: &[u8], value: &[u8]) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::state_put(at(key), key.len(), at(value), value.len()) };
}

/// Keeps a value for a time.
pub(crate) fn state_put_expiring(key: &[u8], value: &[u8], ttl_s: u32) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::state_put_expiring(at(key), key.len(), at(value), value.len(), ttl_s as usize) };
}

/// Forgets a key.
pub(crate) fn state_delete(key: &[u8]) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::state_delete(at(key), key.len()) };
}

/// Writes entries above `after` into `out`; their length, or that of a first one that does not fit.
pub(crate) fn state_scan(prefix: &[u8], after: &[u8], out: &mut [u8]) -> usize {
    let (room, out) = (out.len(), at_mut(out));
    // SAFETY: the host reads the names and writes at most `room` bytes to `out`, which is borrowed for that.
    let length = unsafe { import::state_scan(at(prefix), prefix.len(), at(after), after.len(), out, room) };
    usize::try_from(length).unwrap_or(0)
}

/// Publishes on a shared topic.
pub(crate) fn publish(topic: &str, payload: &[u8]) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::publish(at(topic.as_bytes()), topic.len(), at(payload), payload.len()) };
}

/// Sends a command to the event's device.
pub(crate) fn command(name: &str, payload: &[u8], ttl_s: u32) {
    let name = name.as_bytes();
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::command(at(name), name.len(), at(payload), payload.len(), ttl_s as usize) };
}

/// Sends a command to the event's device that is to be answered.
pub(crate) fn command_await(name: &str, payload: &[u8], ttl_s: u32, timeout_s: u32) {
    let name = name.as_bytes();
    let (ttl_s, timeout_s) = (ttl_s as usize, timeout_s as usize);
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::command_await(at(name), name.len(), at(payload), payload.len(), ttl_s, timeout_s) };
}

/// Sends a message to an entity.
pub(crate) fn send(entity: &str, name: &str, payload: &[u8], delay_s: u32) {
    let (entity, name) = (entity.as_bytes(), name.as_bytes());
    let delay_s = delay_s as usize;
    // SAFETY: the host only reads what is borrowed.
    unsafe {
        import::send(at(entity), entity.len(), at(name), name.len(), at(payload), payload.len(), delay_s)
    };
}

/// Sets a timer.
pub(crate) fn timer_set(name: &str, payload: &[u8], delay_s: u32) {
    let name = name.as_bytes();
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::timer_set(at(name), name.len(), at(payload), payload.len(), delay_s as usize) };
}

/// Cancels a timer.
pub(crate) fn timer_cancel(name: &str) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::timer_cancel(at(name.as_bytes()), name.len()) };
}

/// Reads the twin into `out`, as far as it goes; its full length if there is one.
pub(crate) fn twin_get(out: &mut [u8]) -> Option<usize> {
    let (room, out) = (out.len(), at_mut(out));
    // SAFETY: the host writes at most `room` bytes to `out`, which is borrowed for that.
    usize::try_from(unsafe { import::twin_get(out, room) }).ok()
}

/// Changes the twin.
pub(crate) fn twin_patch(patch: &[u8]) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::twin_patch(at(patch), patch.len()) };
}

/// Makes an HTTP request.
pub(crate) fn http(request: &Request<'_>) {
    let Request { tag, method, url, headers, body, timeout_s } = request;
    let [tag, method, url, headers] = [tag, method, url, headers].map(|text| text.as_bytes());
    // SAFETY: the host only reads what is borrowed.
    unsafe {
        import::http(
            at(tag),
            tag.len(),
            at(method),
            method.len(),
            at(url),
            url.len(),
            at(headers),
            headers.len(),
            at(body),
            body.len(),
            *timeout_s as usize,
        )
    };
}

/// Answers an HTTP request.
pub(crate) fn respond(status: u16, content_type: &str, body: &[u8]) {
    let content_type = content_type.as_bytes();
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::respond(status.into(), at(content_type), content_type.len(), at(body), body.len()) };
}

/// Reads a value of the configuration into `out`, as far as it goes; its full length if it is there.
pub(crate) fn config_get(key: &str, out: &mut [u8]) -> Option<usize> {
    let (room, out) = (out.len(), at_mut(out));
    // SAFETY: the host reads the key and writes at most `room` bytes to `out`, which is borrowed for that.
    usize::try_from(unsafe { import::config_get(at(key.as_bytes()), key.len(), out, room) }).ok()
}

/// Counts or measures.
pub(crate) fn metric(kind: u32, name: &str, value: f64) {
    let value = value.to_le_bytes();
    // SAFETY: the host only reads what is borrowed, of the value its 8 bytes.
    unsafe { import::metric(kind as usize, at(name.as_bytes()), name.len(), at(&value)) };
}

/// Writes a log line.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::log(level as usize, at(text.as_bytes()), text.len()) };
}
