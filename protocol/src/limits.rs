//! Every bound of the wire protocol, each with its reason.

/// Longest device, product or function name in bytes: a name fits a DNS label (RFC 1035, section 2.3.4)
/// and costs a fixed 64 bytes wherever it is kept.
pub const NAME_BYTES_MAX: usize = 63;

/// Longest topic name or filter in bytes. MQTT allows 65,535 (MQTT 5, section 1.5.4); every topic here is
/// a few names long, and a topic is kept for each parked message.
pub const TOPIC_BYTES_MAX: usize = 512;

/// Most levels in a topic: bounds the work of matching one filter.
pub const TOPIC_LEVELS_MAX: usize = 16;

/// Largest payload of one message in bytes: the largest value that the state store takes in one record.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// Largest MQTT packet that a client may send, in bytes: payload, topic, and room for properties.
pub const PACKET_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 8 * 1024;

/// Longest MQTT client id in bytes. Brokers must take 23 (MQTT 3.1.1, section 3.1.3.1); ours may carry a
/// device id and a suffix.
pub const CLIENT_ID_BYTES_MAX: usize = 128;

/// Longest message id that a sender may attach for de-duplication, in bytes: a UUID with room to spare.
pub const MESSAGE_ID_BYTES_MAX: usize = 64;

/// Longest name of an entity that is no device, in bytes: an event keeps it in a byte's worth of length.
pub const ENTITY_BYTES_MAX: usize = 128;

/// Longest text by which people call a firmware, in bytes: a semantic version with a short build, as it fits a table.
pub const VERSION_BYTES_MAX: usize = 32;

/// Most signatures of one manifest: k of n people, and a device checks each for some hundred milliseconds.
pub const UPDATE_SIGNATURES_MAX: usize = 4;

/// Most dependencies of one manifest: a device holds them all on its stack.
pub const UPDATE_DEPENDENCIES_MAX: usize = 4;

/// Longest signed manifest, in bytes: the sum of its longest fields.
pub const MANIFEST_BYTES_MAX: usize = 16
    + 1
    + 2 * (1 + NAME_BYTES_MAX)
    + (1 + VERSION_BYTES_MAX)
    + 4
    + 4
    + 32
    + 8
    + 1
    + UPDATE_DEPENDENCIES_MAX * (1 + NAME_BYTES_MAX + 4);

/// Longest envelope, in bytes: the longest manifest with all its signatures.
pub const ENVELOPE_BYTES_MAX: usize = 2 + UPDATE_SIGNATURES_MAX * (8 + 64) + MANIFEST_BYTES_MAX;

/// Longest offer of an update, in bytes: that of a patch, with the longest envelope.
pub const OFFER_BYTES_MAX: usize = 1 + 4 + 1 + 2 * (4 + 32) + ENVELOPE_BYTES_MAX;

/// Longest status of an update, in bytes.
pub const STATUS_BYTES_MAX: usize = 1 + 4 + 4 + (1 + VERSION_BYTES_MAX) + 1 + 1 + 4 + 4;

/// Shortest block of an update, in bytes: below, more is header than block.
pub const BLOCK_BYTES_MIN: u16 = 64;

/// Longest block of an update, in bytes: a page of the flash of common microcontrollers.
pub const BLOCK_BYTES_MAX: u16 = 4096;
