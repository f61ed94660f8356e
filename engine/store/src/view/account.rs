//! What functions use and keep, for people who look at an entity and for accounting.

use super::{Error, View};
use crate::codec::CodecError;
use crate::key;
use bytes::Bytes;
use fleetfn_core::PartitionId;
use fleetfn_core::commit::Value;
use fleetfn_core::usage::{Usage, UsageKey};
use fleetfn_protocol::FunctionName;
use std::collections::BTreeMap;

/// How much a function keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateSize {
    /// Entities of which it keeps anything.
    pub entities: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

impl View {
    /// What functions have used in a month, by partition and key, after one.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn usage(
        &self,
        month: u32,
        after: Option<&(PartitionId, UsageKey)>,
        limit: usize,
    ) -> Result<Vec<(PartitionId, UsageKey, Usage)>, Error> {
        let mut rows = Vec::new();
        let first = after.map_or(PartitionId(0), |(partition, _)| *partition);
        for partition in self.partitions().skip_while(|partition| *partition < first) {
            let after = after.filter(|(own, _)| *own == partition);
            let after = after.map(|(_, key)| key::usage::encode(partition, key));
            let prefix = key::usage::prefix(partition, month);
            let left = limit.saturating_sub(rows.len());
            rows.extend(self.collect(partition, &prefix, after.as_deref(), left, |key, value| {
                let key = key::usage::decode(key).ok_or(CodecError::Unknown("the key of usage"))?;
                Ok((partition, key, key::usage::decode_value(value)?))
            })?);
        }
        Ok(rows)
    }

    /// What functions keep of an entity, by function and key. The value under the empty key is the version of the
    /// function's state, and values that have expired may still be there.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn entity_state(
        &self,
        entity: &[u8],
        limit: usize,
    ) -> Result<Vec<(FunctionName, Bytes, Value)>, Error> {
        let partition = PartitionId::of(entity, self.partition_count());
        let prefix = key::state::prefix_entity(partition, entity);
        self.collect(partition, &prefix, None, limit, |key, row| {
            let (_, function, name) =
                key::state::decode(key).ok_or(CodecError::Unknown("the key of a value of state"))?;
            Ok((function, Bytes::copy_from_slice(name), key::state::decode_value(row)?))
        })
    }

    /// How much every function keeps in a partition. Reads all of its state: slow.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn state_sizes(&self, partition: PartitionId) -> Result<BTreeMap<FunctionName, StateSize>, Error> {
        let mut sizes: BTreeMap<FunctionName, StateSize> = BTreeMap::new();
        // Entity and function of the row before: rows of both stand together.
        let mut before: Option<(Vec<u8>, FunctionName)> = None;
        self.each(partition, &key::state::prefix_all(partition), None, |key, row| {
            let (entity, function, name) =
                key::state::decode(key).ok_or(CodecError::Unknown("the key of a value of state"))?;
            let value = key::state::decode_value(row)?;
            let size = sizes.entry(function).or_default();
            size.bytes = size.bytes.saturating_add((name.len() + value.bytes.len()) as u64);
            if before.as_ref().is_none_or(|(last, of)| last != entity || *of != function) {
                size.entities = size.entities.saturating_add(1);
                before = Some((entity.to_vec(), function));
            }
            Ok(true)
        })?;
        Ok(sizes)
    }
}
