//! What an event is about.

use crate::position::PartitionId;
use alloc::vec::Vec;
use core::fmt;
use fleetfn_protocol::limits::ENTITY_BYTES_MAX;
use fleetfn_protocol::{DeviceId, validate_name};

/// What an event is about: the key under which events are ordered and state lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity<'a> {
    /// A device.
    Device(DeviceId),
    /// Anything else, by name.
    Named(&'a str),
}

impl<'a> Entity<'a> {
    /// Reads the form in which people and functions write an entity: `devices/ID`, or any other topic name of at
    /// most [`ENTITY_BYTES_MAX`] bytes that is not the broker's own (`$...`). `None` if it is neither.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        match text.strip_prefix("devices/") {
            Some(id) => DeviceId::parse(id).ok().map(Self::Device),
            None if text == "devices" || text.starts_with('$') || text.len() > ENTITY_BYTES_MAX => None,
            None => validate_name(text).ok().map(|()| Self::Named(text)),
        }
    }

    /// Reads canonical bytes; `None` if they are none.
    #[must_use]
    pub fn from_canonical(bytes: &'a [u8]) -> Option<Self> {
        let (tag, text) = bytes.split_first()?;
        let text = core::str::from_utf8(text).ok()?;
        match tag {
            b'd' => DeviceId::parse(text).ok().map(Self::Device),
            b'n' => Some(Self::Named(text)),
            _ => None,
        }
    }

    fn parts(&self) -> (u8, &str) {
        match self {
            Self::Device(id) => (b'd', id.as_str()),
            Self::Named(name) => (b'n', name),
        }
    }

    /// A device's id, or the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.parts().1
    }

    /// The bytes that keys and partitions are made of: `d` and the id, or `n` and the name. Never holds a zero.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.parts().1.len());
        self.write_canonical(&mut bytes);
        bytes
    }

    /// Replaces what `bytes` holds by the canonical bytes, for whoever keeps a buffer.
    pub fn write_canonical(&self, bytes: &mut Vec<u8>) {
        let (tag, text) = self.parts();
        bytes.clear();
        bytes.push(tag);
        bytes.extend_from_slice(text.as_bytes());
    }

    /// The partition that the entity lives in, as [`PartitionId::of`] its canonical bytes, without making them.
    #[must_use]
    pub fn partition(&self, partitions: u16) -> PartitionId {
        let (tag, text) = self.parts();
        PartitionId::of_parts([tag].iter().chain(text.as_bytes()), partitions)
    }
}

impl fmt::Display for Entity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id) => write!(f, "devices/{id}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_entity_survives_its_text_and_its_bytes() {
        for text in ["devices/d-7", "site/berlin", "alerts"] {
            let entity = Entity::parse(text).expect("an entity");
            assert_eq!(entity.to_string(), text);
            assert_eq!(Entity::from_canonical(&entity.canonical()), Some(entity));
            assert_eq!(entity.partition(64), PartitionId::of(&entity.canonical(), 64));
        }
        for text in ["", "devices", "devices/", "devices/a/b", "site/+", "$SYS/x"] {
            assert_eq!(Entity::parse(text), None, "{text}");
        }
    }
}
