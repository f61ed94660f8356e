//! What a partition reads of the committed shared state.

use crate::commit::{Backfilled, OutboxKey, Request, TimerKey, TimerRow, Value};
use crate::position::{Offset, PartitionId};
use crate::twin::Twin;
use crate::update::Update;
use crate::usage::{Usage, UsageKey};
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};

/// Reads of one partition. Each answer is as of the newest commit that was accepted.
pub trait Facts {
    /// Why the store cannot answer: the worker stops.
    type Error;

    /// Hashes of the newest message ids of an entity, oldest first.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn seen(&self, entity: &[u8]) -> Result<Vec<u64>, Self::Error>;

    /// A timer of a function.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn timer(&self, key: &TimerKey) -> Result<Option<TimerRow>, Self::Error>;

    /// How many timers a function has for an entity; more than `limit` need not be counted.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn timer_count(&self, entity: &[u8], function: &FunctionName, limit: usize)
    -> Result<usize, Self::Error>;

    /// When the value under a key of state expires, in milliseconds since 1970; `None` if there is no such key.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn expiry(&self, entity: &[u8], function: &FunctionName, key: &[u8]) -> Result<Option<u64>, Self::Error>;

    /// Whether a function keeps anything for an entity.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn has_state(&self, entity: &[u8], function: &FunctionName) -> Result<bool, Self::Error>;

    /// Whether an entry waits in the outbox of a device.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn has_outbox_entry(&self, key: &OutboxKey) -> Result<bool, Self::Error>;

    /// The twin of a device; `None` if nothing is known of it.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn twin(&self, device: &DeviceId) -> Result<Option<Twin>, Self::Error>;

    /// What is known of the firmware of a device; `None` if nothing is.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn update(&self, device: &DeviceId) -> Result<Option<Update>, Self::Error>;

    /// The highest number of another partition's sends that was handled here.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn mark(&self, source: PartitionId) -> Result<Option<u64>, Self::Error>;

    /// An HTTP request that waits for its response.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn request(&self, effect: &EffectId) -> Result<Option<Request>, Self::Error>;

    /// Whether a function has a dead letter of the event at `offset`.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn has_dead_letter(&self, offset: Offset, function: &FunctionName) -> Result<bool, Self::Error>;

    /// The oldest event above `after` that waits for a function.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn first_backlog(
        &self,
        function: &FunctionName,
        after: Option<Offset>,
    ) -> Result<Option<Offset>, Self::Error>;

    /// How far a function is with its newest backfill.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn backfilled(&self, function: &FunctionName) -> Result<Option<Backfilled>, Self::Error>;

    /// What a function has used so far.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn usage(&self, key: &UsageKey) -> Result<Usage, Self::Error>;

    /// The first sums of months before one.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn usage_before(&self, month: u32, limit: usize) -> Result<Vec<UsageKey>, Self::Error>;

    /// All that the dark version that began at `since` sees instead of the state of an entity.
    ///
    /// # Errors
    /// [`Facts::Error`], as for every read.
    fn shadow(
        &self,
        entity: &[u8],
        function: &FunctionName,
        since: Offset,
    ) -> Result<Vec<(Bytes, Option<Value>)>, Self::Error>;
}
