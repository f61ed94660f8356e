//! The rows of the view: one file for each kind of key.
//!
//! All rows stand in one tree. The first byte of a key is its kind; what follows is made so that the order of the
//! bytes is the order in which rows are wanted. Names hold no zero byte, so a zero ends a name.

pub(crate) mod cursor;
pub(crate) mod dead_letter;
pub(crate) mod deployment;
pub(crate) mod device;
pub(crate) mod lease;
pub(crate) mod outbox;
pub(crate) mod seen;
pub(crate) mod state;
pub(crate) mod timer;

/// The kinds of rows. The discriminants are stored: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Applied = 0,
    Cursor = 1,
    State = 2,
    Outbox = 3,
    Timer = 4,
    Seen = 5,
    DeadLetter = 6,
    Device = 7,
    Deployment = 8,
    Lease = 9,
}

/// The key under which the tree says up to which offset it is complete. Only the tree itself holds it.
pub(crate) const APPLIED: [u8; 1] = [Kind::Applied as u8];

/// Starts a key of a kind.
pub(crate) fn key(kind: Kind) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    key.push(kind as u8);
    key
}

/// Splits text at its zero byte.
pub(crate) fn take_name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (name, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(name).ok()?, rest.get(1..)?))
}
