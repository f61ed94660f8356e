//! The interface between host and guest, version 1: one table from which both sides are made.
//!
//! A guest is a WebAssembly core module. It exports
//!
//! - `memory`;
//! - `fleetfn_v1_buffer() -> i64`: `capacity << 32 | pointer` of a buffer of its own, into which the host
//!   writes the event ([`EventHeader`], then names and payload);
//! - `fleetfn_v1_on_event(len: i32) -> i32`: handles the event of `len` bytes in the buffer; 0 commits its
//!   effects, anything else drops them and makes the event a dead letter;
//! - optionally `_initialize()`, run once before the first event.
//!
//! It imports functions of module [`IMPORT_MODULE`], listed by [`for_each_import!`]. Bytes pass as pointer and
//! length into the guest's memory. A result of 0 or more is a length or plain success,
//! [`MISSING`] means that there is nothing. An out-buffer that is too short is filled as far as it goes and
//! the full length is returned. A pointer outside the memory or a passed limit ends the invocation.
//!
//! The manifest is a custom section named [`MANIFEST_SECTION`] that holds UTF-8 JSON:
//! `{"abi":1,"name":"climate","triggers":[{"telemetry":"climate"}],"publish":["alerts/#"],"command":true}`.
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
}

/// The fixed part of an event in the guest's buffer, little-endian, [`EventHeader::BYTES`] long.
///
/// After it come, without padding, the device id, the detail (for telemetry the channel) and the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// An [`EventCode`].
    pub code: u16,
    /// Length of the device id in bytes.
    pub device_len: u16,
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
    /// Seed for randomness, the same whenever this event is run by this function.
    pub seed: u64,
}

impl EventHeader {
    /// Length of the encoded header.
    pub const BYTES: usize = 40;

    /// Encodes the header; bytes 0 and 1 hold [`ABI_VERSION`], bytes 14 and 15 are zero.
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
        put(&self.device_len.to_le_bytes());
        put(&self.detail_len.to_le_bytes());
        put(&self.trigger.to_le_bytes());
        put(&self.payload_len.to_le_bytes());
        put(&[0, 0]);
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
            device_len: u16::from_le_bytes(take(bytes, 4)?),
            detail_len: u16::from_le_bytes(take(bytes, 6)?),
            trigger: u16::from_le_bytes(take(bytes, 8)?),
            payload_len: u32::from_le_bytes(take(bytes, 10)?),
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
            device_len: 2,
            detail_len: 3,
            trigger: 4,
            payload_len: 5,
            offset: 6,
            received_at_ms: 7,
            seed: 8,
        };
        assert_eq!(EventHeader::from_bytes(&header.to_bytes()), Some(header));
        assert_eq!(EventHeader::from_bytes(&header.to_bytes()[..39]), None);
    }
}
