//! Events that could not be handled, and payloads that were refused.

use super::{Error, View};
use crate::codec::CodecError;
use crate::key;
use fleetfn_core::commit::DeadLetter;
use fleetfn_core::{Offset, PartitionId};
use fleetfn_protocol::FunctionName;
use std::cmp::Reverse;
use std::collections::BTreeMap;

type Letters = BTreeMap<(Offset, FunctionName), DeadLetter>;

impl View {
    /// Calls `take` with the letters of a partition after one, oldest first, until it says that it is enough.
    fn each_letter(
        &self,
        partition: PartitionId,
        function: Option<FunctionName>,
        after: Option<(Offset, FunctionName)>,
        mut take: impl FnMut((Offset, FunctionName), DeadLetter) -> bool,
    ) -> Result<(), Error> {
        let prefix = key::dead_letter::prefix(partition);
        let after = after.map(|(offset, function)| key::dead_letter::encode(partition, offset, &function));
        self.each(partition, &prefix, after.as_deref(), |key, value| {
            let key = key::dead_letter::decode(key).ok_or(CodecError::Unknown("the key of a dead letter"))?;
            if function.is_some_and(|function| function != key.1) {
                return Ok(true);
            }
            Ok(take(key, key::dead_letter::decode_value(value)?))
        })
    }

    /// The newest events that could not be handled, newest first: of one function, or of all.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn dead_letters(
        &self,
        function: Option<FunctionName>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        self.dead_letters_before(function, None, limit)
    }

    /// The same before one of them.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn dead_letters_before(
        &self,
        function: Option<FunctionName>,
        before: Option<(Offset, FunctionName)>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let mut newest = Letters::new();
        for partition in self.partitions() {
            self.each_letter(partition, function, None, |key, letter| {
                if before.is_some_and(|before| key >= before) {
                    return false;
                }
                newest.insert(key, letter);
                if newest.len() > limit {
                    newest.pop_first();
                }
                true
            })?;
        }
        Ok(newest.into_values().rev().collect())
    }

    /// Events that could not be handled, oldest first, after one: of one function, or of all.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn dead_letters_after(
        &self,
        function: Option<FunctionName>,
        after: Option<(Offset, FunctionName)>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let mut oldest = Letters::new();
        if limit == 0 {
            return Ok(Vec::new());
        }
        for partition in self.partitions() {
            self.each_letter(partition, function, after, |key, letter| {
                let last = oldest.last_key_value().map(|(last, _)| *last);
                let is_full = oldest.len() >= limit;
                if is_full && last.is_some_and(|last| last < key) {
                    return false;
                }
                oldest.insert(key, letter);
                if is_full {
                    oldest.pop_last();
                }
                true
            })?;
        }
        Ok(oldest.into_values().collect())
    }

    /// The dead letter of one function and one event.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn dead_letter(
        &self,
        offset: Offset,
        function: &FunctionName,
    ) -> Result<Option<(PartitionId, DeadLetter)>, Error> {
        for partition in self.partitions() {
            let key = key::dead_letter::encode(partition, offset, function);
            if let Some(value) = self.get(partition, &key)? {
                return Ok(Some((partition, key::dead_letter::decode_value(value)?)));
            }
        }
        Ok(None)
    }

    /// The newest payload of each partition that a function's schema refused, newest first.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn refused(&self, function: &FunctionName) -> Result<Vec<DeadLetter>, Error> {
        let mut all = Vec::new();
        for partition in self.partitions() {
            if let Some(value) = self.get(partition, &key::refused::encode(partition, function))? {
                all.push(key::dead_letter::decode_value(value)?);
            }
        }
        all.sort_unstable_by_key(|letter: &DeadLetter| Reverse(letter.offset));
        Ok(all)
    }
}
