//! What waits: for a device, for a time, for another partition, for an answer. Read in pages, in the order in which it is
//! to be done.

use super::{Error, View};
use crate::codec::CodecError;
use crate::key;
use bytes::Bytes;
use fleetfn_core::commit::{Due, OutboxEntry, OutboxKey, Request, Send, Spent, Timer};
use fleetfn_core::{Offset, PartitionId};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use std::collections::BTreeMap;

const BACKLOG_KEY: CodecError = CodecError::Unknown("the key of an event that waits");

impl View {
    /// What waits for a device, in the order in which it is to be sent.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn outbox(
        &self,
        partition: PartitionId,
        device: DeviceId,
        after: Option<OutboxKey>,
        limit: usize,
    ) -> Result<Vec<(OutboxKey, OutboxEntry)>, Error> {
        let prefix = key::outbox::prefix(partition, &device);
        let after = after.map(|after| key::outbox::encode(partition, &after));
        self.collect(partition, &prefix, after.as_deref(), limit, |key, value| {
            let key = key::outbox::decode(key).ok_or(CodecError::Unknown("the key of an outbox entry"))?;
            Ok((key, key::outbox::decode_value(value)?))
        })
    }

    /// Timers over outboxes of a partition, in the order in which they are due.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn timers(&self, partition: PartitionId, limit: usize) -> Result<Vec<Timer>, Error> {
        self.collect(partition, &key::timer::prefix(partition), None, limit, |key, _| {
            key::timer::decode(key).ok_or(CodecError::Unknown("a timer"))
        })
    }

    /// When timers of functions are to be looked at, earliest first, after one.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn due(&self, partition: PartitionId, after: Option<&Due>, limit: usize) -> Result<Vec<Due>, Error> {
        let after = after.map(|after| key::due::encode(partition, after));
        self.collect(partition, &key::due::prefix(partition), after.as_deref(), limit, |key, _| {
            key::due::decode(key).ok_or(CodecError::Unknown("the key of what is due"))
        })
    }

    /// Messages on their way to other partitions, by number, after one.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn sends(
        &self,
        partition: PartitionId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Send)>, Error> {
        let after = after.map(|after| key::send::encode(partition, after));
        self.collect(partition, &key::send::prefix(partition), after.as_deref(), limit, |key, value| {
            let sequence = key::send::decode(key).ok_or(CodecError::Unknown("the number of a send"))?;
            Ok((sequence, key::send::decode_value(value)?))
        })
    }

    /// The number that the partition's next send gets.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn send_next(&self, partition: PartitionId) -> Result<u64, Error> {
        let value = self.get(partition, &key::send_next::encode(partition))?;
        Ok(value.map(key::send_next::decode_value).transpose()?.unwrap_or_default())
    }

    /// HTTP requests that wait for their responses, in the order in which they were asked for, after one.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn requests(
        &self,
        partition: PartitionId,
        after: Option<EffectId>,
        limit: usize,
    ) -> Result<Vec<(EffectId, Request)>, Error> {
        let after = after.map(|after| key::request::encode(partition, &after));
        self.collect(partition, &key::request::prefix(partition), after.as_deref(), limit, |key, value| {
            let effect = key::request::decode(key).ok_or(CodecError::Unknown("the key of a request"))?;
            Ok((effect, key::request::decode_value(value)?))
        })
    }

    /// Events that wait for a function, as the log kept them, in the order in which they happened, after one.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn backlog(
        &self,
        partition: PartitionId,
        function: &FunctionName,
        after: Option<Offset>,
        limit: usize,
    ) -> Result<Vec<(Offset, Bytes)>, Error> {
        let after = after.map(|after| key::backlog::encode(partition, after, function));
        let prefix = key::backlog::prefix(partition, function);
        self.collect(partition, &prefix, after.as_deref(), limit, |key, event| {
            let (_, offset) = key::backlog::decode(key).ok_or(BACKLOG_KEY)?;
            Ok((offset, event))
        })
    }

    /// How many events wait for each function. Reads all of them: for the start.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn backlog_counts(&self, partition: PartitionId) -> Result<BTreeMap<FunctionName, usize>, Error> {
        let mut counts = BTreeMap::new();
        self.each(partition, &key::backlog::prefix_all(partition), None, |key, _| {
            let (function, _) = key::backlog::decode(key).ok_or(BACKLOG_KEY)?;
            *counts.entry(function).or_default() += 1;
            Ok(true)
        })?;
        Ok(counts)
    }

    /// What owners have burnt of their fuel of a second.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn spent(&self, partition: PartitionId) -> Result<Vec<(FunctionName, Spent)>, Error> {
        self.collect(partition, &key::budget::prefix(partition), None, usize::MAX, |key, value| {
            let owner = key::budget::decode(key).ok_or(CodecError::Unknown("the key of a budget"))?;
            Ok((owner, key::budget::decode_value(value)?))
        })
    }
}
