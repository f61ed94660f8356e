//! A commit: everything that one turn of a partition changes, as one record.
//!
//! All values are absolute, so that applying a commit twice changes nothing.

use crate::deployment::Deployment;
use crate::position::{Epoch, Offset, PartitionId};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::{DeviceId, EffectId, FunctionName, ProductId};

/// One atomic change of the shared state, caused by the events of one partition up to `cursor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Whose turn it was. [`PartitionId::CONTROL`] for operator's acts, which have no cursor to move.
    pub partition: PartitionId,
    /// The lease under which it was made.
    pub epoch: Epoch,
    /// Every event of the partition below this offset is done; `None` leaves the cursor where it is.
    pub cursor: Option<Offset>,
    /// In order; a later change of the same key wins.
    pub changes: Vec<Change>,
}

/// One row put or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A value of an entity's state; `None` deletes.
    State {
        /// Canonical bytes of the entity.
        entity: Bytes,
        /// Whose state it is.
        function: FunctionName,
        /// Key within (entity, function).
        key: Bytes,
        /// The new value.
        value: Option<Bytes>,
    },
    /// Something waits to be sent to a device.
    OutboxPut {
        /// Where it goes, and its identity there.
        key: OutboxKey,
        /// What is to be sent.
        entry: OutboxEntry,
    },
    /// It was received, or has expired.
    OutboxDelete {
        /// The entry that is done.
        key: OutboxKey,
    },
    /// A timer is set.
    TimerSet {
        /// When, and for whom.
        timer: Timer,
    },
    /// A timer fired or was cancelled.
    TimerDelete {
        /// The timer that is gone.
        timer: Timer,
    },
    /// The newest message ids of an entity, oldest first: replaces the list.
    Seen {
        /// Canonical bytes of the entity.
        entity: Bytes,
        /// Hashes of message ids.
        ids: Vec<u64>,
    },
    /// An event could not be handled.
    DeadLetterPut {
        /// What failed and why.
        letter: DeadLetter,
    },
    /// A device is registered or changed; `None` removes it.
    Device {
        /// Its id.
        id: DeviceId,
        /// What is known of it.
        row: Option<DeviceRow>,
    },
    /// A version of a function is put live; `None` removes the function.
    Deployment {
        /// Name of the function.
        name: FunctionName,
        /// The version, with its manifest.
        deployment: Option<Deployment>,
    },
}

/// Where an outbox entry stands: entries of a device are sent in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxKey {
    /// The device that is to receive it.
    pub device: DeviceId,
    /// The effect that asked for it.
    pub effect: EffectId,
}

/// A command on its way to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Command name: one topic level.
    pub name: Bytes,
    /// What to send.
    pub payload: Bytes,
    /// When it becomes pointless, in milliseconds since 1970; `u64::MAX` for never.
    pub expires_at_ms: u64,
}

/// Something to be done at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// When, in milliseconds since 1970.
    pub due_ms: u64,
    /// Canonical bytes of the entity that it belongs to.
    pub entity: Bytes,
    /// What it is for, unique within the entity.
    pub purpose: TimerPurpose,
}

/// What a timer is for. The discriminants are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum TimerPurpose {
    /// The oldest outbox entries of a device may have expired.
    OutboxExpiry = 1,
}

/// An event that a function could not handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Offset of the event.
    pub offset: Offset,
    /// The function that failed.
    pub function: FunctionName,
    /// The version that failed, as SHA-256.
    pub version: crate::deployment::ModuleHash,
    /// When, as the event's time in milliseconds since 1970.
    pub received_at_ms: u64,
    /// A word for metrics, as in [`crate::Outcome::Failed`]; `rejected` for an error code.
    pub error_type: String,
    /// What happened.
    pub detail: String,
    /// Fuel burnt.
    pub fuel: u64,
    /// What the handler logged, one line each.
    pub logs: Vec<String>,
    /// The event, as the log keeps it.
    pub event: Bytes,
}

/// What the registry knows of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// What it is one of.
    pub product: Option<ProductId>,
    /// SHA-256 of its token.
    pub token_sha256: [u8; 32],
    /// Free words for selecting it.
    pub tags: Vec<String>,
    /// When it was added, in milliseconds since 1970.
    pub added_at_ms: u64,
}
