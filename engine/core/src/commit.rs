//! A commit: everything that one turn of a partition changes, as one record.
//!
//! All values are absolute, so that applying a commit twice changes nothing.

use crate::audit::Line;
use crate::deployment::{Deployment, ModuleHash};
use crate::difference::Difference;
use crate::event::{Event, Origin, Purpose};
use crate::position::{Epoch, Offset, PartitionId};
use crate::recording::Recording;
use crate::update::{KeyRow, ReleaseRow, Update};
use crate::usage::{Usage, UsageKey};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::update::{Digest, UpdateKey};
use fleetfn_protocol::{ClassId, DeviceId, EffectId, FunctionName, ProductId};

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
    /// What ran, in order: kept in the log for people and for replay, changes nothing.
    pub recordings: Vec<Recording>,
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
        /// Key within (entity, function); empty for the version of the state.
        key: Bytes,
        /// The new value.
        value: Option<Value>,
    },
    /// A value that a dark version sees instead of the state; `None` hides what stands there.
    Shadow {
        /// Canonical bytes of the entity.
        entity: Bytes,
        /// The function.
        function: FunctionName,
        /// Where in the log its dark version began.
        since: Offset,
        /// Key within (entity, function).
        key: Bytes,
        /// What it sees.
        value: Option<Value>,
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
    /// A timer over the outbox of a device is set.
    TimerSet {
        /// When, and for whom.
        timer: Timer,
    },
    /// It fired or was replaced.
    TimerDelete {
        /// The timer that is gone.
        timer: Timer,
    },
    /// A timer of a function, under its purpose; `None` when there is none any more.
    FunctionTimer {
        /// Whose it is, and what it is for.
        key: TimerKey,
        /// When, and with what.
        row: Option<TimerRow>,
    },
    /// The order in which timers of functions fire: one row for each.
    Due {
        /// When, and which.
        due: Due,
        /// Whether it is set or gone.
        state: DueState,
    },
    /// A message waits to become an event of another partition.
    SendPut {
        /// Its number among the partition's sends: dense, from 0.
        sequence: u64,
        /// What is to be sent.
        send: Send,
    },
    /// It is durable there.
    SendDelete {
        /// Its number.
        sequence: u64,
    },
    /// The number that the partition's next send gets.
    SendNext {
        /// The number.
        sequence: u64,
    },
    /// Every send of another partition up to this number has been handled here.
    Mark {
        /// The other partition.
        source: PartitionId,
        /// The number.
        sequence: u64,
    },
    /// The twin of a device.
    Twin {
        /// The device.
        device: DeviceId,
        /// As [`crate::twin::Twin::encode`] writes it.
        twin: Bytes,
    },
    /// An HTTP request waits for its response.
    RequestPut {
        /// The effect that asked for it.
        effect: EffectId,
        /// What to ask, and whom to tell.
        request: Request,
    },
    /// The function has its response.
    RequestDelete {
        /// The effect that asked for it.
        effect: EffectId,
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
    /// It was handled after all, or an operator dropped it.
    DeadLetterDelete {
        /// Offset of its event.
        offset: Offset,
        /// The function that had failed.
        function: FunctionName,
    },
    /// An event waits for a function that is paused, behind, or out of fuel for the moment.
    BacklogPut {
        /// Offset of the event.
        offset: Offset,
        /// The function.
        function: FunctionName,
        /// The event, as the log keeps it.
        event: Bytes,
    },
    /// It was handled, or is a dead letter now.
    BacklogDelete {
        /// Offset of the event.
        offset: Offset,
        /// The function.
        function: FunctionName,
    },
    /// How far a function is with the events from before its deployment.
    Backfilled {
        /// The function.
        function: FunctionName,
        /// How far.
        progress: Backfilled,
    },
    /// How much of its fuel of a second an owner has burnt in this partition.
    Budget {
        /// The owner.
        owner: FunctionName,
        /// The second.
        spent: Spent,
    },
    /// What a function has used for an entity in a month.
    Usage {
        /// Who, for whom, when.
        key: UsageKey,
        /// The sums.
        usage: Usage,
    },
    /// A month is too long ago: see [`MONTHS_KEPT`](crate::usage::MONTHS_KEPT).
    UsageDelete {
        /// Who, for whom, when.
        key: UsageKey,
    },
    /// A dark version did something else than the live one.
    Difference {
        /// What each of them did.
        difference: Box<Difference>,
    },
    /// The newest payload that a function's schema refused.
    Refused {
        /// The event and what is wrong with it, in the form of a dead letter.
        letter: DeadLetter,
    },
    /// What is known of the firmware of a device.
    Update {
        /// The device.
        device: DeviceId,
        /// Its job, and what it says.
        update: Box<Update>,
    },
    /// A release is published; `None` takes it back.
    Release {
        /// SHA-256 of its manifest.
        id: Digest,
        /// The signed manifest.
        row: Option<ReleaseRow>,
    },
    /// A key may sign for a product; `None` revokes it.
    UpdateKey {
        /// The product.
        product: ProductId,
        /// The key.
        key: UpdateKey,
        /// What is known of it.
        row: Option<KeyRow>,
    },
    /// How many keys of a product must have signed a release.
    Threshold {
        /// The product.
        product: ProductId,
        /// At least 1.
        count: u8,
    },
    /// A line of the audit; `None` takes one out that is too old.
    Audit {
        /// Its number: dense, from 0.
        number: u64,
        /// Who did what.
        line: Option<Box<Line>>,
    },
    /// A device is registered or changed; `None` removes it.
    Device {
        /// Its id.
        id: DeviceId,
        /// What is known of it.
        row: Option<DeviceRow>,
    },
    /// Which versions of a function get which traffic; `None` removes the function.
    Deployment {
        /// Name of the function.
        name: FunctionName,
        /// The versions, with their manifests.
        deployment: Option<Box<Deployment>>,
    },
    /// A value of a function's configuration, or one of its secrets; `None` deletes.
    Setting {
        /// Name of the function.
        name: FunctionName,
        /// Its key.
        key: String,
        /// The value.
        setting: Option<Setting>,
    },
}

/// A value of state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value {
    /// What the function put.
    pub bytes: Bytes,
    /// Events of this time and later do not see it, in milliseconds since 1970; `u64::MAX` for never.
    pub expires_at_ms: u64,
}

/// Where an outbox entry stands: entries of a device are sent in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxKey {
    /// The device that is to receive it.
    pub device: DeviceId,
    /// The effect that asked for it.
    pub effect: EffectId,
}

/// Something on its way to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// What it is.
    pub parcel: ParcelKind,
    /// Command name: one topic level. Empty for a twin.
    pub name: Bytes,
    /// What to send.
    pub payload: Bytes,
    /// When it becomes pointless, in milliseconds since 1970; `u64::MAX` for never.
    pub expires_at_ms: u64,
}

/// What is on its way to a device. The discriminants are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ParcelKind {
    /// A command, on `devices/{id}/commands/{name}`.
    Command = 1,
    /// What its twin desires, on `devices/{id}/twin/desired`.
    Twin = 2,
    /// The offer of an update, or its withdrawal, on `devices/{id}/update/manifest`.
    Update = 3,
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

/// Which timer of a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerKey {
    /// Canonical bytes of the entity that it belongs to.
    pub entity: Bytes,
    /// The function.
    pub function: FunctionName,
    /// What it is for, as [`Purpose::to_bytes`](crate::event::Purpose::to_bytes) makes it.
    pub purpose: Bytes,
}

/// A timer of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerRow {
    /// When it is to fire, in milliseconds since 1970.
    pub due_ms: u64,
    /// When it is looked at: not after `due_ms`. A timer that is put off again and again is not moved each time.
    pub armed_ms: u64,
    /// Offset of the event that set it.
    pub cause: Offset,
    /// What its event will hold.
    pub payload: Bytes,
}

impl TimerRow {
    /// Whether an event stands for the timer as it is set, not as it was set before.
    pub(crate) fn is_fired_by(&self, event: &Event, origin: &Origin<'_>, purpose: &[u8]) -> bool {
        // One of the calendar is set again for the same cause.
        let same = match Purpose::from_bytes(purpose) {
            Some(Purpose::Cron(_)) => self.armed_ms == origin.sequence,
            _ => self.cause == origin.cause,
        };
        same && self.due_ms <= event.received_at_ms()
    }
}

/// When a timer of a function is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// In milliseconds since 1970.
    pub armed_ms: u64,
    /// Which.
    pub key: TimerKey,
}

/// Whether a due row is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueState {
    /// It is.
    Set,
    /// It is gone.
    Gone,
}

/// A message on its way to an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// Canonical bytes of the entity that is to receive it.
    pub to: Bytes,
    /// Canonical bytes of the entity that sends it.
    pub from: Bytes,
    /// The effect that asked for it.
    pub effect: EffectId,
    /// How many messages led to it, itself included.
    pub hops: u8,
    /// Its name: valid UTF-8.
    pub name: Bytes,
    /// What to send.
    pub payload: Bytes,
}

/// An HTTP request on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Canonical bytes of the entity that is to be told.
    pub entity: Bytes,
    /// By which the function knows the response again: valid UTF-8.
    pub tag: Bytes,
    /// As [`HttpRequest::encode`](crate::request::HttpRequest::encode) writes it.
    pub request: Bytes,
    /// When it was asked for, as the event's time in milliseconds since 1970.
    pub asked_at_ms: u64,
}

/// How far a backfill is in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backfilled {
    /// Which backfill: [`Backfill::until`](crate::deployment::Backfill).
    pub until: Offset,
    /// Events up to this one were handled.
    pub through: Offset,
}

/// Fuel that an owner has burnt and that has not leaked away at its rate yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// When it was so much, in milliseconds since 1970 by the time of the log.
    pub at_ms: u64,
    /// How much.
    pub fuel: u64,
}

/// A value of a function's configuration, or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The function may read it.
    Config(Bytes),
    /// Only its HTTP requests carry it. The bytes are sealed with the key of the installation.
    Secret(Bytes),
    /// Fuel that all functions of the owner may burn in a second, in each partition. The name is the owner's.
    Budget(u64),
}

/// An event that a function could not handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Offset of the event.
    pub offset: Offset,
    /// The function that failed.
    pub function: FunctionName,
    /// The version that failed, as SHA-256.
    pub version: ModuleHash,
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
    /// On which hardware it runs, if anybody said so.
    pub class: Option<ClassId>,
    /// SHA-256 of its token.
    pub token_sha256: [u8; 32],
    /// Free words for selecting it.
    pub tags: Vec<String>,
    /// Name of its time zone in the IANA database; `None` for UTC.
    pub time_zone: Option<String>,
    /// When it was added, in milliseconds since 1970.
    pub added_at_ms: u64,
}
