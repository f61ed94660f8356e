//! What dark versions leave behind: differences, and state of their own.

use super::overlay::Row;
use super::{Error, View};
use crate::codec::CodecError;
use crate::key;
use fleetfn_core::Offset;
use fleetfn_core::difference::Difference;
use fleetfn_protocol::FunctionName;
use std::collections::{BTreeMap, BTreeSet};

/// Stands behind the prefix of a dark version: above all of its keys, for no entity begins so.
const LAST: u8 = 0xff;

impl View {
    /// The newest events that a dark version of a function handled differently, newest first.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn differences(&self, function: &FunctionName, limit: usize) -> Result<Vec<Difference>, Error> {
        let mut newest = BTreeMap::new();
        for partition in self.partitions() {
            let prefix = key::difference::prefix(partition, function);
            self.each(partition, &prefix, None, |_, value| {
                let difference = key::difference::decode_value(value)?;
                newest.insert(difference.offset, difference);
                if newest.len() > limit {
                    newest.pop_first();
                }
                Ok(true)
            })?;
        }
        Ok(newest.into_values().rev().collect())
    }

    /// The dark versions of all deployments that are kept.
    fn running_dark(&self) -> Result<BTreeSet<(FunctionName, Offset)>, Error> {
        let deployments = self.deployments()?.into_iter();
        let dark = deployments.filter_map(|(_, name, deployment)| {
            deployment.filter(|line| line.dark.is_some()).map(|line| (name, line.dark_since))
        });
        Ok(dark.collect())
    }

    /// Deletes about `rows_max` rows of what dark versions saw that no deployment that is kept runs; whether there
    /// may be more of them.
    pub(crate) fn prune_shadows(&self, rows_max: usize) -> Result<bool, Error> {
        let mut running = self.running_dark()?;
        let mut rows_left = rows_max;
        for partition in self.partitions() {
            let all = key::shadow::prefix_all(partition);
            let mut after: Option<Vec<u8>> = None;
            loop {
                let next = self.collect(partition, &all, after.as_deref(), 1, |key, _| {
                    key::shadow::decode_version(key).ok_or(CodecError::Unknown("the key of a dark version"))
                })?;
                let Some((name, since)) = next.first() else { break };
                let mut own = key::shadow::prefix_version(partition, name, *since);
                if !running.contains(&(*name, *since)) {
                    // It may have begun since.
                    running = self.running_dark()?;
                }
                if !running.contains(&(*name, *since)) {
                    for key in self.keys(partition, &own, rows_left)? {
                        self.apply(partition, Row { key, value: None, once: false })?;
                        rows_left -= 1;
                    }
                    if rows_left == 0 {
                        return Ok(true);
                    }
                }
                own.push(LAST);
                after = Some(own);
            }
        }
        Ok(false)
    }
}
