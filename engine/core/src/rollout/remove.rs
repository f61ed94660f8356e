//! Removing a rollout that is over: its rows go, some with each event, and its name is free.
//!
//! What is left is one row for a year. It says who did it and why, and up to which numbers offers and questions have come: a
//! rollout that gets the name meanwhile goes on from there. For devices remember the newest offer of each name, and a function
//! that was paused may answer to a question of long ago: neither is to be taken for one of today.

use super::RolloutError;
use super::book::{Book, HEAD, POLICY, json};
use super::device::Device;
use super::head::{Done, FORMAT, Removal};
use super::machine::Machine;
use super::sweep::SweepTo;
use crate::effect::Effect;
use crate::invocation::StateReader;
use alloc::string::{String, ToString};
use bytes::Bytes;
use fleetfn_protocol::DeviceId;
use serde::{Deserialize, Serialize};

const REMOVED: &str = "removed";

/// How long it is known that there was a rollout, and what it has counted: longer than offers are open, functions are paused
/// and people ask.
pub const NAME_KEPT_S: u32 = 366 * 86_400;

/// Behind the last key of a device's row.
const AFTER_DEVICES: &str = "device0";

/// Rows of other kinds that one event deletes.
const ROWS_MAX: usize = 512;

/// What is left of a rollout that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    format: u8,
    /// By whom, why and when.
    pub done: Done,
    /// The highest number of an offer.
    pub offer_last: u32,
    /// The highest number of a question.
    pub question_last: u32,
}

/// What is left of the rollout that had the name last, if it was removed within a year.
///
/// # Errors
/// [`RolloutError`] if it cannot be read.
pub fn removed(reader: &dyn StateReader) -> Result<Option<Removed>, RolloutError> {
    let removed: Option<Removed> = Book::new(reader).get(REMOVED)?;
    match removed {
        Some(removed) if removed.format != FORMAT => {
            Err(RolloutError::Damaged { key: REMOVED.into(), wrong: "not of this version".into() })
        }
        other => Ok(other),
    }
}

impl Machine<'_> {
    /// A rollout that is being started counts on from the one that had its name.
    pub(super) fn go_on_counting(&mut self) -> Result<(), RolloutError> {
        if let Some(before) = removed(self.book.reader())? {
            self.head.offer_base = before.offer_last;
            self.head.question = before.question_last;
            self.book.delete(REMOVED.to_string());
        }
        Ok(())
    }

    pub(super) fn begin_removal(&mut self, done: Done) {
        self.note(&done.by, "removes the rollout", done.why.clone());
        self.head.removal = Some(Removal { done, offer_last: self.head.offer_base });
        self.begin_sweep(SweepTo::Remove);
    }

    pub(super) fn remove(&mut self, id: &DeviceId, device: &Device) {
        if let Some(removal) = &mut self.head.removal {
            removal.offer_last = removal.offer_last.max(device.generation);
        }
        self.drop_row(id, device);
    }

    /// Deletes the next rows, and with the last of them the rollout.
    pub(super) fn go_on_removing(&mut self) -> Result<(), RolloutError> {
        self.sweep()?;
        if self.head.sweep.is_some() {
            return Ok(());
        }
        let keys = self.book.keys("", Some(AFTER_DEVICES), ROWS_MAX)?;
        self.more = keys.len() == ROWS_MAX;
        // These two are the rollout: they go last.
        let is_other = |key: &String| key != HEAD && key != POLICY;
        keys.into_iter().filter(is_other).for_each(|key| self.book.delete(key));
        if !self.more {
            self.vanish();
        }
        Ok(())
    }

    fn vanish(&mut self) {
        let Some(Removal { done, offer_last }) = self.head.removal.take() else {
            return;
        };
        self.book.delete(HEAD.to_string());
        self.book.delete(POLICY.to_string());
        self.is_gone = true;
        let removed = Removed { format: FORMAT, done, offer_last, question_last: self.head.question };
        self.messages.push(Effect::StatePut {
            key: Bytes::from_static(REMOVED.as_bytes()),
            value: Bytes::from(json(&removed)),
            ttl_s: NAME_KEPT_S,
        });
    }
}
