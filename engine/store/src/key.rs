//! The rows of the view: one file for each kind of key.
//!
//! All rows stand in one tree. The first byte of a key is its kind; what follows is made so that the order of the
//! bytes is the order in which rows are wanted. Names hold no zero byte, so a zero ends a name.

pub(crate) mod audit;
pub(crate) mod backfilled;
pub(crate) mod backlog;
pub(crate) mod budget;
pub(crate) mod cursor;
pub(crate) mod dead_letter;
pub(crate) mod deployment;
pub(crate) mod device;
pub(crate) mod difference;
pub(crate) mod due;
pub(crate) mod function_timer;
pub(crate) mod lease;
pub(crate) mod mark;
pub(crate) mod outbox;
pub(crate) mod refused;
pub(crate) mod release;
pub(crate) mod request;
pub(crate) mod seen;
pub(crate) mod send;
pub(crate) mod send_next;
pub(crate) mod setting;
pub(crate) mod shadow;
pub(crate) mod state;
pub(crate) mod threshold;
pub(crate) mod timer;
pub(crate) mod twin;
pub(crate) mod update;
pub(crate) mod update_key;
pub(crate) mod usage;

use fleetfn_core::PartitionId;
use fleetfn_protocol::{DeviceId, FunctionName};

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
    Shadow = 10,
    FunctionTimer = 11,
    Due = 12,
    Send = 13,
    SendNext = 14,
    Mark = 15,
    Twin = 16,
    Request = 17,
    Usage = 18,
    Difference = 19,
    Refused = 20,
    Setting = 21,
    Backlog = 22,
    Budget = 23,
    Backfilled = 24,
    Update = 25,
    Release = 26,
    UpdateKey = 27,
    Audit = 28,
    Threshold = 29,
}

/// The key under which the tree says up to which offset it is complete. Only the tree itself holds it.
pub(crate) const APPLIED: [u8; 1] = [Kind::Applied as u8];

/// Starts a key of a kind.
pub(crate) fn key(kind: Kind) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    key.push(kind as u8);
    key
}

/// Starts a key of a kind that belongs to a partition.
pub(crate) fn of_partition(kind: Kind, partition: PartitionId) -> Vec<u8> {
    let mut key = key(kind);
    key.extend_from_slice(&partition.0.to_be_bytes());
    key
}

/// The key of the one row of a kind that a device has.
pub(crate) fn of_device(kind: Kind, partition: PartitionId, device: &DeviceId) -> Vec<u8> {
    let mut key = of_partition(kind, partition);
    key.extend_from_slice(device.as_str().as_bytes());
    key
}

/// What stands in a key behind its kind and partition.
pub(crate) fn after_partition(key: &[u8]) -> Option<&[u8]> {
    key.get(3..)
}

/// Goes on with an entity and a function.
pub(crate) fn put_owner(key: &mut Vec<u8>, entity: &[u8], function: &FunctionName) {
    key.extend_from_slice(entity);
    key.push(0);
    put_function(key, function);
}

/// Goes on with a function.
pub(crate) fn put_function(key: &mut Vec<u8>, function: &FunctionName) {
    key.extend_from_slice(function.as_str().as_bytes());
    key.push(0);
}

/// Splits what stands behind a kind and a partition into entity, function and the rest.
pub(crate) fn take_owner(bytes: &[u8]) -> Option<(&[u8], FunctionName, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (entity, rest) = bytes.split_at_checked(end)?;
    let (function, rest) = take_name(rest.get(1..)?)?;
    Some((entity, function.parse().ok()?, rest))
}

/// Splits text at its zero byte.
pub(crate) fn take_name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (name, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(name).ok()?, rest.get(1..)?))
}
