//! The rows of one rollout while one event is handled: what is stored, below what the event has written so far.
//!
//! | key | value |
//! |---|---|
//! | `policy` | the [`Policy`](super::policy::Policy), written once |
//! | `head` | the [`Head`](super::head::Head) |
//! | `device/ID` | the [`Device`](super::device::Device) |
//! | `queue/PHASE/ORDER/ID`, `queue/all/ORDER/ID` | nothing: waits for the phase that reserves it, or for any |
//! | `ready/PHASE/ORDER/ID` | nothing: waits for its turn |
//! | `due/MS/ID` | nothing: is to be looked at then |
//! | `patches` | patches that were made since the start (`patches`) |
//! | `history/NUMBER` | what happened, the newest lines |
//! | `removed` | what is left of a rollout that was removed, alone (`remove`) |
//!
//! Order and times are hexadecimal numbers of sixteen digits, so that keys are in their order. The rows of queues and times
//! follow from the rows of devices (`ledger` sees to that), and the counts in the head do too. All rows of one event are
//! committed together or not at all; a crash leaves nothing half done.

use super::RolloutError;
use crate::commit::Value;
use crate::effect::Effect;
use crate::invocation::StateReader;
use crate::overlay::{Overlay, Writes};
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) const POLICY: &str = "policy";
pub(super) const HEAD: &str = "head";

/// What an event sees and has written.
pub(super) struct Book<'a> {
    reader: &'a dyn StateReader,
    writes: Rc<Writes>,
}

impl<'a> Book<'a> {
    pub(super) fn new(reader: &'a dyn StateReader) -> Self {
        Self { reader, writes: Rc::default() }
    }

    /// What is stored.
    pub(super) fn reader(&self) -> &'a dyn StateReader {
        self.reader
    }

    fn now(&self) -> Overlay<&'a dyn StateReader> {
        // None of those that are written expires.
        Overlay::new(self.reader, Some(Rc::clone(&self.writes)), 0)
    }

    /// Reads a row; `None` if it is not there.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, RolloutError> {
        let Some(bytes) = self.now().get(key.as_bytes())? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| RolloutError::Damaged { key: key.into(), wrong: error.to_string() })
    }

    pub(super) fn put<T: Serialize>(&mut self, key: String, row: &T) {
        self.put_bytes(key, Bytes::from(json(row)));
    }

    /// Puts a row whose key says all.
    pub(super) fn mark(&mut self, key: String) {
        self.put_bytes(key, Bytes::new());
    }

    fn put_bytes(&mut self, key: String, bytes: Bytes) {
        let value = Value { bytes, expires_at_ms: u64::MAX };
        Rc::make_mut(&mut self.writes).insert(Bytes::from(key), Some(value));
    }

    pub(super) fn delete(&mut self, key: String) {
        Rc::make_mut(&mut self.writes).insert(Bytes::from(key), None);
    }

    /// The first keys with a prefix after one, without the prefix, at most `count`.
    pub(super) fn keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<Vec<String>, RolloutError> {
        let mut keys = Vec::new();
        if count == 0 {
            return Ok(keys);
        }
        let after = after.map(|after| alloc::format!("{prefix}{after}"));
        self.now().scan(prefix.as_bytes(), after.as_deref().map(str::as_bytes), &mut |key, _| {
            let rest = key.get(prefix.len()..).unwrap_or_default();
            keys.push(String::from_utf8_lossy(rest).into_owned());
            keys.len() < count
        })?;
        Ok(keys)
    }

    /// What the event has written, in the order of keys.
    pub(super) fn into_effects(self) -> Vec<Effect> {
        let effect = |(key, value): (&Bytes, &Option<Value>)| match value {
            Some(value) => Effect::StatePut { key: key.clone(), value: value.bytes.clone(), ttl_s: 0 },
            None => Effect::StateDelete { key: key.clone() },
        };
        self.writes.iter().map(effect).collect()
    }
}

/// A value of ours as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("our types are structures of numbers and texts with text keys")
}
