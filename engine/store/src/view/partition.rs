//! What a partition's worker reads before it decides.

use super::{Error, View};
use crate::codec::CodecError;
use crate::key;
use bytes::Bytes;
use fleetfn_core::commit::{Backfilled, OutboxKey, Request, TimerKey, TimerRow, Value};
use fleetfn_core::twin::Twin;
use fleetfn_core::update::Update;
use fleetfn_core::usage::{Usage, UsageKey};
use fleetfn_core::{Facts, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};

/// Reads of one partition. Cheap to make and to clone.
#[derive(Clone)]
pub struct PartitionView {
    view: View,
    partition: PartitionId,
}

impl View {
    /// Reads of one partition.
    #[must_use]
    pub fn partition(&self, partition: PartitionId) -> PartitionView {
        PartitionView { view: self.clone(), partition }
    }
}

impl PartitionView {
    fn get<T>(
        &self,
        key: &[u8],
        decode: impl FnOnce(Bytes) -> Result<T, CodecError>,
    ) -> Result<Option<T>, Error> {
        Ok(self.view.get(self.partition, key)?.map(decode).transpose()?)
    }
}

impl Facts for PartitionView {
    type Error = Error;

    fn seen(&self, entity: &[u8]) -> Result<Vec<u64>, Error> {
        self.view.seen(self.partition, entity)
    }

    fn timer(&self, key: &TimerKey) -> Result<Option<TimerRow>, Error> {
        self.get(&key::function_timer::encode(self.partition, key), key::function_timer::decode_value)
    }

    fn timer_count(&self, entity: &[u8], function: &FunctionName, limit: usize) -> Result<usize, Error> {
        let prefix = key::function_timer::prefix(self.partition, entity, function);
        let mut count = 0;
        self.view.scan(self.partition, &prefix, None, &mut |_, _| {
            count += 1;
            count < limit
        })?;
        Ok(count)
    }

    fn expiry(&self, entity: &[u8], function: &FunctionName, key: &[u8]) -> Result<Option<u64>, Error> {
        let key = key::state::encode(self.partition, entity, function, key);
        Ok(self.get(&key, key::state::decode_value)?.map(|value| value.expires_at_ms))
    }

    fn has_state(&self, entity: &[u8], function: &FunctionName) -> Result<bool, Error> {
        let mut found = false;
        let prefix = key::state::prefix(self.partition, entity, function);
        self.view.scan(self.partition, &prefix, None, &mut |_, _| {
            found = true;
            false
        })?;
        Ok(found)
    }

    fn has_outbox_entry(&self, key: &OutboxKey) -> Result<bool, Error> {
        Ok(self.view.get(self.partition, &key::outbox::encode(self.partition, key))?.is_some())
    }

    fn twin(&self, device: &DeviceId) -> Result<Option<Twin>, Error> {
        self.view.twin_in(self.partition, device)
    }

    fn update(&self, device: &DeviceId) -> Result<Option<Update>, Error> {
        self.get(&key::update::encode(self.partition, device), key::update::decode_value)
    }

    fn mark(&self, source: PartitionId) -> Result<Option<u64>, Error> {
        self.get(&key::mark::encode(self.partition, source), key::mark::decode_value)
    }

    fn request(&self, effect: &EffectId) -> Result<Option<Request>, Error> {
        self.get(&key::request::encode(self.partition, effect), key::request::decode_value)
    }

    fn has_dead_letter(&self, offset: Offset, function: &FunctionName) -> Result<bool, Error> {
        let key = key::dead_letter::encode(self.partition, offset, function);
        Ok(self.view.get(self.partition, &key)?.is_some())
    }

    fn first_backlog(&self, function: &FunctionName, after: Option<Offset>) -> Result<Option<Offset>, Error> {
        Ok(self.view.backlog(self.partition, function, after, 1)?.first().map(|(offset, _)| *offset))
    }

    fn backfilled(&self, function: &FunctionName) -> Result<Option<Backfilled>, Error> {
        self.get(&key::backfilled::encode(self.partition, function), key::backfilled::decode_value)
    }

    fn usage(&self, key: &UsageKey) -> Result<Usage, Error> {
        let key = key::usage::encode(self.partition, key);
        Ok(self.get(&key, key::usage::decode_value)?.unwrap_or_default())
    }

    fn usage_before(&self, month: u32, limit: usize) -> Result<Vec<UsageKey>, Error> {
        let mut keys = Vec::new();
        let prefix = key::usage::prefix_all(self.partition);
        self.view.each(self.partition, &prefix, None, |key, _| {
            let key = key::usage::decode(key).ok_or(CodecError::Unknown("the key of usage"))?;
            let old = key.month < month;
            keys.extend(old.then_some(key));
            Ok(old && keys.len() < limit)
        })?;
        Ok(keys)
    }

    fn shadow(
        &self,
        entity: &[u8],
        function: &FunctionName,
        since: Offset,
    ) -> Result<Vec<(Bytes, Option<Value>)>, Error> {
        let prefix = key::shadow::prefix(self.partition, entity, function, since);
        let own = prefix.len();
        self.view.collect(self.partition, &prefix, None, usize::MAX, |key, row| {
            let name = Bytes::copy_from_slice(key.get(own..).unwrap_or_default());
            Ok((name, key::shadow::decode_value(row)?))
        })
    }
}
