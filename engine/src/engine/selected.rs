//! Whether a selection means a device.

use super::Engine;
use crate::registry::{DeviceInfo, Error};
use fleetfn_core::selection::{self, Selection};
use fleetfn_protocol::DeviceId;

/// Devices that are held at once.
const FOUND_MAX: usize = 1_000;

/// Some devices that were looked at.
struct Found {
    devices: Vec<DeviceInfo>,
    /// Whether all of them are meant; otherwise each is to be asked.
    is_matched: bool,
    /// How many were looked at.
    looked: usize,
    /// The last of those.
    last: Option<DeviceId>,
    /// Whether there are more.
    more: bool,
}

impl Engine {
    /// Looks at up to `looks` devices after one, by id, and shows those that a selection means, or all, until `visit` does not
    /// take one. Returns after which to go on, if there may be more. Blocks, for about a microsecond a device, and for
    /// several where the selection asks for twins or firmware.
    pub(crate) fn select<E: From<Error>>(
        &self,
        selection: Option<&Selection>,
        mut after: Option<DeviceId>,
        mut looks: usize,
        mut visit: impl FnMut(DeviceInfo) -> Result<bool, E>,
    ) -> Result<Option<DeviceId>, E> {
        loop {
            let page = self.page(selection, after, looks)?;
            for device in page.devices {
                let id = device.id;
                if let Some(selection) = selection.filter(|_| !page.is_matched)
                    && !self.is_meant(selection, &device)?
                {
                    continue;
                }
                if !visit(device)? {
                    return Ok(after);
                }
                after = Some(id);
            }
            after = page.last;
            looks = looks.saturating_sub(page.looked);
            if !page.more || looks == 0 {
                return Ok(after.filter(|_| page.more));
            }
        }
    }

    /// Devices that a selection means, as far as can be told without reading more of each: nothing else may be read while
    /// the tree is.
    fn page(
        &self,
        selection: Option<&Selection>,
        after: Option<DeviceId>,
        looks: usize,
    ) -> Result<Found, Error> {
        let reads_more =
            selection.is_some_and(|selection| selection.reads_twins() || selection.reads_firmware());
        let asks_for_presence = selection.is_none_or(Selection::reads_presence);
        let now_ms = self.clock().now_ms();
        let mut page =
            Found { devices: Vec::new(), is_matched: !reads_more, looked: 0, last: after, more: false };
        self.store().view().each_device(after, |id, row| {
            if page.looked == looks || page.devices.len() == FOUND_MAX {
                page.more = true;
                return false;
            }
            (page.looked, page.last) = (page.looked + 1, Some(id));
            let mut device = DeviceInfo::new(id, row);
            if asks_for_presence {
                self.look_for(&mut device);
            }
            let matches = |selection: &Selection| selection.matches(&device.traits(now_ms, None, None));
            if reads_more || selection.is_none_or(matches) {
                page.devices.push(device);
            }
            true
        })?;
        if !asks_for_presence {
            page.devices.iter_mut().for_each(|device| self.look_for(device));
        }
        Ok(page)
    }

    /// What of a selection a device does not meet, in the words of the selection; `None` if it is meant.
    pub(crate) fn unmet(&self, selection: &Selection, device: &DeviceInfo) -> Result<Option<String>, Error> {
        if self.is_meant(selection, device)? {
            return Ok(None);
        }
        for term in selection::terms(selection) {
            if let Ok(part) = Selection::parse(term)
                && !self.is_meant(&part, device)?
            {
                return Ok(Some(term.into()));
            }
        }
        Ok(Some(selection.as_str().into()))
    }

    /// Whether a selection means a device, as it is now. Reads of it only what the selection asks for.
    pub(crate) fn is_meant(&self, selection: &Selection, device: &DeviceInfo) -> Result<bool, Error> {
        let view = self.store().view();
        let twin = if selection.reads_twins() { view.twin(device.id)? } else { None };
        let update = if selection.reads_firmware() { view.update(device.id)? } else { None };
        let firmware = update.and_then(|update| update.report);
        Ok(selection.matches(&device.traits(self.clock().now_ms(), twin.as_ref(), firmware.as_ref())))
    }
}
