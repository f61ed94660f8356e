//! Acts on devices.

use super::audit::Told;
use super::{Access, Error, OPERATOR, Registry, new_token, sha256};
use crate::calendar;
use fleetfn_core::Change;
use fleetfn_core::audit::Deed;
use fleetfn_core::commit::DeviceRow;
use fleetfn_core::rollout::Habit;
use fleetfn_core::selection::Traits;
use fleetfn_core::twin::Twin;
use fleetfn_core::update::Report;
use fleetfn_protocol::{ClassId, DeviceId, ProductId};
use std::collections::BTreeSet;

/// A device, as it is listed.
#[derive(Debug, Clone)]
pub(crate) struct DeviceInfo {
    /// Its id.
    pub(crate) id: DeviceId,
    /// What it is one of.
    pub(crate) product: Option<ProductId>,
    /// On which hardware it runs, if anybody said so.
    pub(crate) class: Option<ClassId>,
    /// Free words for selecting it.
    pub(crate) tags: Vec<String>,
    /// Name of its time zone in the IANA database; `None` for UTC.
    pub(crate) time_zone: Option<String>,
    /// When it was added, in milliseconds since 1970.
    pub(crate) added_at_ms: u64,
    /// Whether it has a session now.
    pub(crate) online: bool,
    /// When it was heard last, in milliseconds since 1970, if anybody remembers.
    pub(crate) seen_at_ms: Option<u64>,
    /// How regularly it is heard.
    pub(crate) habit: Habit,
}

impl DeviceInfo {
    /// A device of which nobody has said yet whether it is there.
    pub(crate) fn new(id: DeviceId, row: DeviceRow) -> Self {
        let DeviceRow { product, class, tags, time_zone, added_at_ms, .. } = row;
        let (online, seen_at_ms, habit) = (false, None, Habit::default());
        Self { id, product, class, tags, time_zone, added_at_ms, online, seen_at_ms, habit }
    }

    /// As a selection sees it now.
    pub(crate) fn traits<'a>(
        &'a self,
        now_ms: u64,
        twin: Option<&'a Twin>,
        firmware: Option<&'a Report>,
    ) -> Traits<'a> {
        Traits {
            id: self.id.as_str(),
            product: self.product.as_ref().map(ProductId::as_str),
            class: self.class.as_ref().map(ClassId::as_str),
            tags: &self.tags,
            time_zone: self.time_zone.as_deref(),
            version: firmware.map(|report| report.version.as_str()),
            sequence: firmware.map(|report| report.sequence),
            online: self.online,
            seen_ms: now_ms.saturating_sub(self.seen_at_ms.unwrap_or(self.added_at_ms)),
            twin,
        }
    }
}

/// A device to be registered.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewDevice {
    /// What it is one of.
    pub(crate) product: Option<ProductId>,
    /// On which hardware it runs, if anybody said so.
    pub(crate) class: Option<ClassId>,
    /// Free words for selecting it.
    pub(crate) tags: Vec<String>,
    /// Name of its time zone in the IANA database; `None` for UTC.
    pub(crate) time_zone: Option<String>,
}

/// What is to be different about a device; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeviceChange {
    /// What it is one of, or of nothing.
    pub(crate) product: Option<Option<ProductId>>,
    /// On which hardware it runs, or that nobody knows.
    pub(crate) class: Option<Option<ClassId>>,
    /// All its tags.
    pub(crate) tags: Option<Vec<String>>,
    /// Name of its time zone in the IANA database, or UTC.
    pub(crate) time_zone: Option<Option<String>>,
}

impl Registry {
    /// Registers a device and returns its token, which is kept nowhere else; a dry run has none. Durable on return.
    pub(crate) async fn add_device(
        &self,
        id: DeviceId,
        new: NewDevice,
        told: &Told,
    ) -> Result<Option<String>, Error> {
        Ok(self.add_devices(vec![(id, new)], told).await?.pop())
    }

    /// Registers all of some devices or, if one cannot be, none. Their tokens, in the same order, are kept nowhere else; a
    /// dry run has none. Durable on return.
    pub(crate) async fn add_devices(
        &self,
        new: Vec<(DeviceId, NewDevice)>,
        told: &Told,
    ) -> Result<Vec<String>, Error> {
        let mut ids = BTreeSet::new();
        if let Some((twice, _)) = new.iter().find(|(id, _)| !ids.insert(*id)) {
            return Err(Error::Invalid(format!("device '{twice}' is there twice")));
        }
        let subject = match (ids.first(), ids.len()) {
            (Some(first), 2..) => format!("{} devices, {first} and others", ids.len()),
            (first, _) => first.map(ToString::to_string).unwrap_or_default(),
        };
        let rows = new.into_iter().map(|(id, new)| self.new_row(id, new));
        let (tokens, changes): (Vec<_>, Vec<_>) =
            rows.collect::<Result<Vec<_>, Error>>()?.into_iter().unzip();
        let _one_at_a_time = self.acts.lock().await;
        for id in ids {
            self.expect_new(id)?;
        }
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let recorded = self.record_deed(changes, Deed::AddDevice, subject, told).await?;
        Ok(recorded.map(|_| tokens).unwrap_or_default())
    }

    /// A new token, and what is to be recorded of its device.
    fn new_row(&self, id: DeviceId, new: NewDevice) -> Result<(String, Change), Error> {
        if id.as_str() == OPERATOR {
            return Err(Error::Reserved(OPERATOR.into()));
        }
        check_zone(new.time_zone.as_deref())?;
        let NewDevice { product, class, tags, time_zone } = new;
        let token = new_token()?;
        let token_sha256 = sha256(token.as_bytes());
        let added_at_ms = self.clock.now_ms();
        let row = DeviceRow { product, class, token_sha256, tags, time_zone, added_at_ms };
        Ok((token, Change::Device { id, row: Some(row) }))
    }

    fn expect_new(&self, id: DeviceId) -> Result<(), Error> {
        match self.device(id)? {
            Some(_) => Err(Error::Exists(format!("device '{id}'"))),
            None => Ok(()),
        }
    }

    /// Changes what is known of a device and returns that. Timers of the calendar follow a new time zone. Durable on
    /// return.
    pub(crate) async fn set_device(
        &self,
        id: DeviceId,
        change: DeviceChange,
        told: &Told,
    ) -> Result<DeviceRow, Error> {
        check_zone(change.time_zone.as_ref().and_then(|zone| zone.as_deref()))?;
        let _one_at_a_time = self.acts.lock().await;
        let before = self.device(id)?.ok_or_else(|| Error::Missing(format!("device '{id}'")))?;
        let mut row = before.clone();
        row.product = change.product.unwrap_or(row.product);
        row.class = change.class.unwrap_or(row.class);
        row.tags = change.tags.unwrap_or(row.tags);
        row.time_zone = change.time_zone.unwrap_or(row.time_zone);
        if row != before {
            let change = Change::Device { id, row: Some(row.clone()) };
            self.record_deed(vec![change], Deed::ChangeDevice, id.to_string(), told).await?;
        }
        Ok(row)
    }

    /// Forgets a device; its state stays. Durable on return.
    pub(crate) async fn remove_device(&self, id: DeviceId, told: &Told) -> Result<(), Error> {
        let _one_at_a_time = self.acts.lock().await;
        if self.device(id)?.is_none() {
            return Err(Error::Missing(format!("device '{id}'")));
        }
        let change = Change::Device { id, row: None };
        self.record_deed(vec![change], Deed::RemoveDevice, id.to_string(), told).await.map(drop)
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

fn check_zone(zone: Option<&str>) -> Result<(), Error> {
    match zone.filter(|zone| !calendar::is_zone(zone)) {
        Some(zone) => Err(Error::Invalid(format!(
            "'{zone}' is no time zone of the IANA database: write it as in Europe/Berlin"
        ))),
        None => Ok(()),
    }
}
