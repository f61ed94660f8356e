//! The interface between host and guest, version 1: one table from which both sides are made.
//!
//! A guest is a WebAssembly core module. It exports
//!
//! - `memory`;
//! - `fleetfn_v1_buffer() -> i64`: `capacity << 32 | pointer` of a buffer of its own, into which the host
//!   writes the event ([`EventHeader`], then names and payload);
//! - `fleetfn_v1_on_event(len: i32) -> i32`: handles the event of `len` bytes in the buffer; 0 commits its
//!   effects, anything else drops them and makes the event a dead letter;
//! - optionally `_initialize()`, run once before the first event;
//! - with `state_version` in the manifest `fleetfn_v1_migrate(from: i32) -> i32`: brings the state of the event's
//!   entity from an older version to that of the manifest, right before the first event of that entity that the
//!   new version handles, and as part of the same invocation; 0 is success.
//!
//! It imports functions of module [`IMPORT_MODULE`], listed by [`for_each_import!`]. Bytes pass as pointer and
//! length into the guest's memory. A result of 0 or more is a length or plain success,
//! [`MISSING`] means that there is nothing. An out-buffer that is too short is filled as far as it goes and
//! the full length is returned. A pointer outside the memory or a passed limit ends the invocation.
//!
//! The manifest is a custom section named [`MANIFEST_SECTION`] that holds UTF-8 JSON; all but `abi`, `name` and
//! `triggers` may be left out:
//!
//! ```json
//! {
//!   "abi": 1,
//!   "name": "climate",
//!   "triggers": [
//!     {"telemetry": "climate", "schema": {"type": "object"}},
//!     {"quiet": "climate", "for_s": 300},
//!     {"presence": true},
//!     {"twin": true},
//!     {"timer": "+"},
//!     {"cron": "0 2 * * *", "per": "device"},
//!     {"message": "reading/+"},
//!     {"reply": "reboot"},
//!     {"http": "hooks/#"}
//!   ],
//!   "publish": ["alerts/#"],
//!   "command": true,
//!   "send": ["site/+", "devices/+"],
//!   "twin": true,
//!   "http": ["https://api.example.com/v1/"],
//!   "secrets": ["api-token"],
//!   "state_version": 2
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]

/// Version of the interface: part of every name, so that a module is checked without running it.
pub const ABI_VERSION: u16 = 1;

/// Module under which guests import host functions.
pub const IMPORT_MODULE: &str = "fleetfn_v1";

/// Export: the guest's linear memory.
pub const EXPORT_MEMORY: &str = "memory";
/// Export: where the host writes the event.
pub const EXPORT_BUFFER: &str = "fleetfn_v1_buffer";
/// Export: handles one event.
pub const EXPORT_ON_EVENT: &str = "fleetfn_v1_on_event";
/// Export, optional: brings an entity's state to the manifest's `state_version`.
pub const EXPORT_MIGRATE: &str = "fleetfn_v1_migrate";
/// Export, optional: runs once before the first event.
pub const EXPORT_INITIALIZE: &str = "_initialize";

/// What every versioned name starts with; the version's number follows.
pub const VERSIONED_PREFIX: &str = "fleetfn_v";

/// Custom section that holds the manifest.
pub const MANIFEST_SECTION: &str = "fleetfn_v1_manifest";

/// Result of a host call: there is nothing under that key.
pub const MISSING: i32 = -1;

/// Calls a macro with the table of imports: `name(argument: type, ...) -> i32;`, every argument an `i32`.
///
/// Order of the arguments is their order on the wasm stack. `_ptr` is an offset into guest memory, `_len` and
/// `_cap` are bytes.
#[macro_export]
macro_rules! for_each_import {
    ($callback:path) => {
        $callback! {
            /// Reads the value of a key of the event's entity into `out`; its full length, or `MISSING`.
            state_get(key_ptr, key_len, out_ptr, out_cap);
            /// Keeps a value under a key of the event's entity.
            state_put(key_ptr, key_len, value_ptr, value_len);
            /// Keeps a value for `ttl_s` seconds after the event's time, at least 1; events from then on do not see
            /// it. A later put of the key takes the end of its time away or replaces it.
            state_put_expiring(key_ptr, key_len, value_ptr, value_len, ttl_s);
            /// Forgets a key of the event's entity; forgetting what is not there is no error.
            state_delete(key_ptr, key_len);
            /// Writes entries with keys under `prefix` and above `after` (empty: from the start) into `out`,
            /// ascending, each as `key_len u16 | value_len u32 | key | value`, little-endian, as many as fit.
            /// The bytes written; 0 when there are no more. If the first entry does not fit alone, nothing is
            /// written and its full length, greater than `out_cap`, is returned.
            state_scan(prefix_ptr, prefix_len, after_ptr, after_len, out_ptr, out_cap);
            /// Publishes on a shared topic, once the invocation is committed. The topic must fall under a filter
            /// of the manifest.
            publish(topic_ptr, topic_len, payload_ptr, payload_len);
            /// Sends a command to the event's device, once the invocation is committed; `ttl_s` seconds until it
            /// is pointless, 0 for never. The manifest must ask for commands.
            command(name_ptr, name_len, payload_ptr, payload_len, ttl_s);
            /// Like `command`, and if no reply of that name has come `timeout_s` seconds after the event's time (at
            /// least 1), the function gets a reply event with the source `timeout`.
            command_await(name_ptr, name_len, payload_ptr, payload_len, ttl_s, timeout_s);
            /// Sends a message to an entity, `devices/ID` or any other name, at once or `delay_s` seconds after the
            /// event's time: an event there, in order with other sends of this entity, exactly once. The entity
            /// must fall under a `send` filter of the manifest.
            send(entity_ptr, entity_len, name_ptr, name_len, payload_ptr, payload_len, delay_s);
            /// Sets the timer of a name, or replaces it: an event of this entity for this function, `delay_s`
            /// seconds after the event's time (at least 1), with the payload.
            timer_set(name_ptr, name_len, payload_ptr, payload_len, delay_s);
            /// Cancels the timer of a name; cancelling what is not set is no error.
            timer_cancel(name_ptr, name_len);
            /// Writes the twin of the event's device as JSON into `out`: `{"version":7,"desired":{},"reported":{},
            /// "delta":{}}`, delta being what is desired and not reported; its full length, or `MISSING` if the
            /// event is not about a device.
            twin_get(out_ptr, out_cap);
            /// Merges a JSON object into the desired part of the twin of the event's device (RFC 7396) and sends
            /// the result to the device, once the invocation is committed. The manifest must ask for `twin`.
            twin_patch(patch_ptr, patch_len);
            /// Makes an HTTP request once the invocation is committed, at least once, with retries, for at most
            /// `timeout_s` seconds each (1 to 60). The response comes as a message `response/TAG` of this entity.
            /// Headers are `Name: value` lines; `{{secret:NAME}}` in a value is filled in on the way out. The URL
            /// must begin with one of the manifest's `http`.
            http(tag_ptr, tag_len, method_ptr, method_len, url_ptr, url_len, headers_ptr, headers_len, body_ptr,
                 body_len, timeout_s);
            /// Answers the HTTP request that the event is, once the invocation is committed.
            respond(status, type_ptr, type_len, body_ptr, body_len);
            /// Reads a value of the function's configuration into `out`; its full length, or `MISSING`.
            config_get(key_ptr, key_len, out_ptr, out_cap);
            /// Adds to a counter (`kind` 0) or sets a gauge (`kind` 1) of the function, once the invocation is
            /// committed; `value_ptr` points to 8 bytes, an IEEE 754 double, little-endian.
            metric(kind, name_ptr, name_len, value_ptr);
            /// Writes a log line; level 0 debug, 1 info, 2 warn, 3 error.
            log(level, text_ptr, text_len);
        }
    };
}

/// One row of the table of imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// Name within [`IMPORT_MODULE`].
    pub name: &'static str,
    /// How many `i32` it takes; it returns one `i32`.
    pub params: usize,
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*);)*) => {
        /// The table of [`for_each_import!`] as values, for whoever checks a module.
        pub const IMPORTS: &[Import] =
            &[$(Import { name: stringify!($name), params: [$(stringify!($arg)),*].len() }),*];
    };
}

for_each_import!(rows);

/// What happened, as the guest sees it. The discriminants are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum EventCode {
    /// A reading; the detail is the channel.
    Telemetry = 1,
    /// A device came or went; the detail is `connected` or `disconnected`, the source the reason.
    Presence = 2,
    /// A device said nothing for the time of the trigger; the detail is `quiet`.
    Quiet = 3,
    /// A device reported its state; the payload is the report.
    Twin = 4,
    /// A timer of the function is due; the detail is its name.
    Timer = 5,
    /// The time of a `cron` trigger has come; the detail is its expression.
    Cron = 6,
    /// A message that a function sent; the detail is its name, the source the sending entity.
    Message = 7,
    /// A device answered a command, or did not; the detail is the command's name, the source `device` or `timeout`.
    Reply = 8,
    /// An HTTP request; the detail is the path below the function, the source the method.
    Http = 9,
    /// The response to an HTTP request of the function; the detail is `response/TAG`, the source the status, or 0 and
    /// why there is none.
    Response = 10,
    /// A device is about to be offered a release; the detail is `update/offer`, the payload JSON.
    UpdateOffer = 11,
    /// The job of a device has come a step further; the detail is `update/report`, the payload JSON.
    UpdateReport = 12,
    /// A rollout asks the function whether to go on; the detail is `rollout/gate/NAME`, the payload JSON, the source the
    /// rollout's entity.
    Gate = 13,
}

/// The fixed part of an event in the guest's buffer, little-endian, [`EventHeader::BYTES`] long.
///
/// After it come, without padding, the entity, the detail, the payload, and to the end of the event the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// An [`EventCode`].
    pub code: u16,
    /// Length of the entity in bytes: a device's id, or the name of another entity.
    pub entity_len: u16,
    /// Length of the detail in bytes.
    pub detail_len: u16,
    /// Which of the manifest's triggers fired, from 0.
    pub trigger: u16,
    /// Length of the payload in bytes.
    pub payload_len: u32,
    /// Log offset of the event.
    pub offset: u64,
    /// When the event was admitted, in milliseconds since 1970: the only clock of a handler.
    pub received_at_ms: u64,
    /// Whether the entity is a device.
    pub is_device: bool,
    /// Seed for randomness, the same whenever this event is run by this function.
    pub seed: u64,
}

impl EventHeader {
    /// Length of the encoded header.
    pub const BYTES: usize = 40;

    /// Encodes the header; bytes 0 and 1 hold [`ABI_VERSION`], byte 14 is 1 if the entity is a device, byte 15 is zero.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            if let Some(room) = out.get_mut(at..at + bytes.len()) {
                room.copy_from_slice(bytes);
            }
            at += bytes.len();
        };
        put(&ABI_VERSION.to_le_bytes());
        put(&self.code.to_le_bytes());
        put(&self.entity_len.to_le_bytes());
        put(&self.detail_len.to_le_bytes());
        put(&self.trigger.to_le_bytes());
        put(&self.payload_len.to_le_bytes());
        put(&[u8::from(self.is_device), 0]);
        put(&self.offset.to_le_bytes());
        put(&self.received_at_ms.to_le_bytes());
        put(&self.seed.to_le_bytes());
        out
    }

    /// Decodes a header; `None` if it is too short or of another version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
            bytes.get(at..)?.first_chunk::<N>().copied()
        }
        if u16::from_le_bytes(take(bytes, 0)?) != ABI_VERSION {
            return None;
        }
        Some(Self {
            code: u16::from_le_bytes(take(bytes, 2)?),
            entity_len: u16::from_le_bytes(take(bytes, 4)?),
            detail_len: u16::from_le_bytes(take(bytes, 6)?),
            trigger: u16::from_le_bytes(take(bytes, 8)?),
            payload_len: u32::from_le_bytes(take(bytes, 10)?),
            is_device: bytes.get(14) == Some(&1),
            offset: u64::from_le_bytes(take(bytes, 16)?),
            received_at_ms: u64::from_le_bytes(take(bytes, 24)?),
            seed: u64::from_le_bytes(take(bytes, 32)?),
        })
    }
}

/// Limits that every guest lives under; more is refused, at admission or when it is asked for.
pub mod limits {
    /// Capacity that the guest's buffer must have: header, the longest names, and a small reading. An event
    /// takes header, names and payload; one that does not fit the buffer fails without running the guest.
    pub const BUFFER_BYTES_MIN: usize = 1024;
    /// Longest state key in bytes; a key has at least one, so that a scan can go on after it.
    pub const KEY_BYTES_MAX: usize = 256;
    /// Longest name of a timer, message or metric, tag of a request and key of the configuration, in bytes.
    pub const NAME_BYTES_MAX: usize = 128;
    /// Longest state value in bytes.
    pub const VALUE_BYTES_MAX: usize = 64 * 1024;
}

#[cfg(test)]
mod tests {
    use super::EventHeader;

    #[test]
    fn the_table_counts_its_arguments() {
        let scan = super::IMPORTS.iter().find(|import| import.name == "state_scan");
        assert_eq!(scan.map(|import| import.params), Some(6));
    }

    #[test]
    fn a_header_survives_its_bytes() {
        let header = EventHeader {
            code: 1,
            entity_len: 2,
            detail_len: 3,
            trigger: 4,
            payload_len: 5,
            is_device: true,
            offset: 6,
            received_at_ms: 7,
            seed: 8,
        };
        assert_eq!(EventHeader::from_bytes(&header.to_bytes()), Some(header));
        assert_eq!(EventHeader::from_bytes(&header.to_bytes()[..39]), None);
    }
}
