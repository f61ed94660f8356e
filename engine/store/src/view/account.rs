//! What functions use and keep, for people who look at an entity and for accounting.

use super::{Error, View};
use crate::codec::CodecError;
use crate::key;
use bytes::Bytes;
use fleetfn_core::PartitionId;
use fleetfn_core::commit::Value;
use fleetfn_core::usage::{Usage, UsageKey};
use fleetfn_protocol::FunctionName;

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

    /// The entities whose canonical bytes begin with a prefix and of which a function keeps something. Seeks once or a few
    /// times for each of them, and once for each partition, whatever is kept.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn entities(&self, prefix: &[u8], function: &FunctionName) -> Result<Vec<Bytes>, Error> {
        let mut entities = Vec::new();
        for partition in self.partitions() {
            let all = key::state::prefix_all(partition);
            let prefix = [&all[..], prefix].concat();
            let mut after = None::<Vec<u8>>;
            loop {
                let mut found = None;
                self.each(partition, &prefix, after.as_deref(), |key, _| {
                    let decoded = key::state::decode(key);
                    let (entity, ..) = decoded.ok_or(CodecError::Unknown("the key of a value of state"))?;
                    found = Some(Bytes::copy_from_slice(entity));
                    Ok(false)
                })?;
                let Some(entity) = found else { break };
                // No name holds a zero: all keys of the entity are below this one.
                after = Some([&all[..], &entity, &[1]].concat());
                let mut has_any = false;
                self.scan(
                    partition,
                    &key::state::prefix(partition, &entity, function),
                    None,
                    &mut |_, _| {
                        has_any = true;
                        false
                    },
                )?;
                entities.extend(has_any.then_some(entity));
            }
        }
        Ok(entities)
    }

    /// Tells how many bytes of keys and values each function keeps of each entity of a partition, once for each pair.
    /// Reads all of its state: slow.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn state_sizes(
        &self,
        partition: PartitionId,
        tell: &mut dyn FnMut(&[u8], FunctionName, u64),
    ) -> Result<(), Error> {
        // Of the rows before: those of an entity and a function stand together.
        let mut sum: Option<(Vec<u8>, FunctionName, u64)> = None;
        self.each(partition, &key::state::prefix_all(partition), None, |key, row| {
            let (entity, function, name) =
                key::state::decode(key).ok_or(CodecError::Unknown("the key of a value of state"))?;
            let value = key::state::decode_value(row)?;
            let bytes = u64::try_from(name.len().saturating_add(value.bytes.len())).unwrap_or(u64::MAX);
            match &mut sum {
                Some((last, of, sum)) if last == entity && *of == function => {
                    *sum = sum.saturating_add(bytes)
                }
                _ => {
                    if let Some((last, of, sum)) = sum.replace((entity.to_vec(), function, bytes)) {
                        tell(&last, of, sum);
                    }
                }
            }
            Ok(true)
        })?;
        if let Some((last, of, sum)) = sum {
            tell(&last, of, sum);
        }
        Ok(())
    }
}
