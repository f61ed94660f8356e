//! Acts on devices.

use super::{Access, Error, OPERATOR, Registry, new_token, sha256};
use crate::calendar;
use fleetfn_core::Change;
use fleetfn_core::commit::DeviceRow;
use fleetfn_protocol::{DeviceId, ProductId};

/// A device, as it is listed.
#[derive(Debug, Clone)]
pub(crate) struct DeviceInfo {
    /// Its id.
    pub(crate) id: DeviceId,
    /// What it is one of.
    pub(crate) product: Option<ProductId>,
    /// Free words for selecting it.
    pub(crate) tags: Vec<String>,
    /// Name of its time zone in the IANA database; `None` for UTC.
    pub(crate) time_zone: Option<String>,
    /// When it was added, in milliseconds since 1970.
    pub(crate) added_at_ms: u64,
    /// Whether it has a session now.
    pub(crate) online: bool,
}

impl DeviceInfo {
    pub(crate) fn new(id: DeviceId, row: DeviceRow, online: bool) -> Self {
        let DeviceRow { product, tags, time_zone, added_at_ms, .. } = row;
        Self { id, product, tags, time_zone, added_at_ms, online }
    }
}

/// A device to be registered.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewDevice {
    /// What it is one of.
    pub(crate) product: Option<ProductId>,
    /// Free words for selecting it.
    pub(crate) tags: Vec<String>,
    /// Name of its time zone in the IANA database; `None` for UTC.
    pub(crate) time_zone: Option<String>,
}

impl Registry {
    /// Registers a device and returns its token, which is kept nowhere else. Durable on return.
    pub(crate) async fn add_device(&self, id: DeviceId, new: NewDevice) -> Result<String, Error> {
        if id.as_str() == OPERATOR {
            return Err(Error::Reserved(OPERATOR.into()));
        }
        if let Some(zone) = new.time_zone.as_deref().filter(|zone| !calendar::is_zone(zone)) {
            return Err(Error::Invalid(format!(
                "'{zone}' is no time zone of the IANA database: write it as in Europe/Berlin"
            )));
        }
        let NewDevice { product, tags, time_zone } = new;
        let token = new_token()?;
        let token_sha256 = sha256(token.as_bytes());
        let row = DeviceRow { product, token_sha256, tags, time_zone, added_at_ms: self.clock.now_ms() };
        let _one_at_a_time = self.acts.lock().await;
        if self.device(id)?.is_some() {
            return Err(Error::Exists(format!("device '{id}'")));
        }
        self.record(Change::Device { id, row: Some(row) }).await?;
        Ok(token)
    }

    /// Forgets a device; its state stays. Durable on return.
    pub(crate) async fn remove_device(&self, id: DeviceId) -> Result<(), Error> {
        let _one_at_a_time = self.acts.lock().await;
        if self.device(id)?.is_none() {
            return Err(Error::Missing(format!("device '{id}'")));
        }
        self.record(Change::Device { id, row: None }).await?;
        Ok(())
    }

    /// What is known of a device.
    pub(crate) fn device(&self, id: DeviceId) -> Result<Option<DeviceRow>, Error> {
        Ok(self.store.view().device(id)?)
    }

    /// Refuses a device that could not connect: one that nobody has registered, unless anybody may come.
    pub(crate) fn expect_device(&self, id: DeviceId) -> Result<(), Error> {
        if self.access == Access::Open || self.device(id)?.is_some() {
            return Ok(());
        }
        Err(Error::Missing(format!("device '{id}'")))
    }

    /// Devices by id, after one, at most `limit`.
    pub(crate) fn devices(
        &self,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Vec<(DeviceId, DeviceRow)>, Error> {
        Ok(self.store.view().devices(after, limit)?)
    }
}
