//! What a packet and its acknowledgement have in common.

use core::fmt;
use core::num::NonZeroU16;

/// Packet identifier (MQTT 5, section 2.2.1): names a PUBLISH of QoS 1 or 2, a SUBSCRIBE or an UNSUBSCRIBE until it is
/// acknowledged. Afterwards another packet may get the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The number, if it is one; 0 is none.
    pub(super) const fn new(id: u16) -> Option<Self> {
        match NonZeroU16::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The identifier that is tried after `last`.
    pub(crate) const fn after(last: u16) -> Self {
        match NonZeroU16::new(last.wrapping_add(1)) {
            Some(id) => Self(id),
            None => Self(NonZeroU16::MIN),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
