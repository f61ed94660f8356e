//! What operators have said: devices, deployments, settings, releases and their keys. It stands in the lane of control.
//!
//! Deployments and settings keep what they were before, for events that are still to be handled: each row holds from
//! the offset of its record on.

use super::overlay::Row;
use super::{Error, View};
use crate::codec::CodecError;
use crate::key;
use fleetfn_core::audit::Line;
use fleetfn_core::commit::{DeviceRow, Setting};
use fleetfn_core::deployment::Deployment;
use fleetfn_core::update::{KeyRow, ReleaseRow};
use fleetfn_core::{Offset, PartitionId};
use fleetfn_protocol::update::{Digest, UpdateKey};
use fleetfn_protocol::{DeviceId, FunctionName, ProductId};
use std::collections::BTreeMap;

const CONTROL: PartitionId = PartitionId::CONTROL;

/// A setting, or its deletion, as one record of the log left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingRow {
    /// Offset of the record: events after it see the setting.
    pub since: Offset,
    /// Whose setting it is.
    pub function: FunctionName,
    /// Its key.
    pub key: String,
    /// The value; `None` deleted it.
    pub setting: Option<Setting>,
}

impl View {
    /// What the registry knows of a device.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn device(&self, id: DeviceId) -> Result<Option<DeviceRow>, Error> {
        let value = self.get(CONTROL, &key::device::encode(&id))?;
        Ok(value.map(key::device::decode_value).transpose()?)
    }

    /// Devices by id, after one.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn devices(
        &self,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Vec<(DeviceId, DeviceRow)>, Error> {
        let after = after.map(|id| key::device::encode(&id));
        self.collect(CONTROL, &key::device::prefix(), after.as_deref(), limit, |key, value| {
            let id = key::device::decode(key).ok_or(CodecError::Unknown("the key of a device"))?;
            Ok((id, key::device::decode_value(value)?))
        })
    }

    /// Shows devices by id, after one, until `visit` says that it is enough.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn each_device(
        &self,
        after: Option<DeviceId>,
        mut visit: impl FnMut(DeviceId, DeviceRow) -> bool,
    ) -> Result<(), Error> {
        let after = after.map(|id| key::device::encode(&id));
        self.each(CONTROL, &key::device::prefix(), after.as_deref(), |key, value| {
            let id = key::device::decode(key).ok_or(CodecError::Unknown("the key of a device"))?;
            Ok(visit(id, key::device::decode_value(value)?))
        })
    }

    /// Every release, by id.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn releases(&self) -> Result<Vec<(Digest, ReleaseRow)>, Error> {
        self.collect(CONTROL, &key::release::prefix(), None, usize::MAX, |key, value| {
            let id = key::release::decode(key).ok_or(CodecError::Unknown("the key of a release"))?;
            Ok((id, key::release::decode_value(value)?))
        })
    }

    /// Every key that may sign, by product.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn update_keys(&self) -> Result<Vec<(ProductId, UpdateKey, KeyRow)>, Error> {
        self.collect(CONTROL, &key::update_key::prefix(), None, usize::MAX, |key, value| {
            let (product, update_key) =
                key::update_key::decode(key).ok_or(CodecError::Unknown("the key of a key of a product"))?;
            Ok((product, update_key, key::update_key::decode_value(value)?))
        })
    }

    /// How many keys must have signed, by product; one where nothing is said.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn thresholds(&self) -> Result<Vec<(ProductId, u8)>, Error> {
        self.collect(CONTROL, &key::threshold::prefix(), None, usize::MAX, |key, value| {
            let product = key::threshold::decode(key)
                .ok_or(CodecError::Unknown("the key of a number of signatures"))?;
            Ok((product, key::threshold::decode_value(value)?))
        })
    }

    /// Lines of the audit by number, after one.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn audit(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, Line)>, Error> {
        let after = after.map(key::audit::encode);
        self.collect(CONTROL, &key::audit::prefix(), after.as_deref(), limit, |key, value| {
            let number = key::audit::decode(key).ok_or(CodecError::Unknown("the key of the audit"))?;
            Ok((number, key::audit::decode_value(value)?))
        })
    }

    /// Every deployment that is kept, in the order of the records that made them; `None` took a function out.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn deployments(&self) -> Result<Vec<(Offset, FunctionName, Option<Deployment>)>, Error> {
        let prefix = key::deployment::prefix_all();
        let mut all = self.collect(CONTROL, &prefix, None, usize::MAX, |key, value| {
            let (name, since) =
                key::deployment::decode(key).ok_or(CodecError::Unknown("the key of a deployment"))?;
            Ok((since, name, key::deployment::decode_value(value)?))
        })?;
        all.sort_by_key(|(since, _, _)| *since);
        Ok(all)
    }

    /// Every setting that is kept, in the order of the records that made them; `None` deleted one.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn settings(&self) -> Result<Vec<SettingRow>, Error> {
        let prefix = key::setting::prefix_all();
        let mut all = self.collect(CONTROL, &prefix, None, usize::MAX, |key, value| {
            let (function, since, key) =
                key::setting::decode(key).ok_or(CodecError::Unknown("the key of a setting"))?;
            let setting = key::setting::decode_value(value)?;
            Ok(SettingRow { since, function, key: key.to_owned(), setting })
        })?;
        all.sort_by_key(|row| row.since);
        Ok(all)
    }

    /// Takes out deployments and settings that no event from `handled` on sees any more.
    pub(crate) fn prune_history(&self, handled: Offset) -> Result<(), Error> {
        let mut newer = Newer { handled, since: BTreeMap::new() };
        for (since, name, deployment) in self.deployments()?.into_iter().rev() {
            if newer.hides(since, name, deployment.is_none()) {
                self.forget(key::deployment::encode(&name, since))?;
            }
        }
        let mut newer = Newer { handled, since: BTreeMap::new() };
        for SettingRow { since, function, key, setting } in self.settings()?.into_iter().rev() {
            let row = key::setting::encode(&function, since, &key);
            if newer.hides(since, (function, key), setting.is_none()) {
                self.forget(row)?;
            }
        }
        Ok(())
    }

    fn forget(&self, key: Vec<u8>) -> Result<(), Error> {
        self.apply(CONTROL, Row { key, value: None, once: false })
    }
}

/// What replaced what, while history is walked from the newest on.
struct Newer<K> {
    handled: Offset,
    since: BTreeMap<K, Offset>,
}

impl<K: Ord> Newer<K> {
    /// Whether no event that is still to be handled sees the row that holds from `since` on.
    fn hides(&mut self, since: Offset, key: K, is_deletion: bool) -> bool {
        let replaced = self.since.insert(key, since).is_some_and(|next| next < self.handled);
        replaced || (is_deletion && since < self.handled)
    }
}
