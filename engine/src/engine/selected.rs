//! Whether a selection means a device.

use super::Engine;
use crate::registry::{DeviceInfo, Error};
use fleetfn_core::selection::{self, Selection};
use fleetfn_protocol::DeviceId;

/// Devices that are held at once: some hundred bytes each, and neighbours enough that their twins and firmware are too.
const HELD_MAX: usize = 4_096;

/// Some devices that were looked at.
struct Page {
    /// Those that may be meant, as far as their rows in the registry say.
    devices: Vec<DeviceInfo>,
    /// How many were looked at.
    looked: usize,
    /// The last of those.
    last: Option<DeviceId>,
    /// Whether there are more.
    more: bool,
}

impl Engine {
    /// Looks at up to `looks` devices after one, by id, and shows those that a selection means, or all, until `visit` does not
    /// take one. Returns after which to go on, if there may be more. Blocks, for about a microsecond a device, and for two
    /// where the selection asks for twins or firmware.
    pub(crate) fn select<E: From<Error>>(
        &self,
        selection: Option<&Selection>,
        mut after: Option<DeviceId>,
        mut looks: usize,
        mut visit: impl FnMut(DeviceInfo) -> Result<bool, E>,
    ) -> Result<Option<DeviceId>, E> {
        loop {
            let mut page = self.page(selection, after, looks)?;
            if let Some(selection) = selection {
                self.keep_meant(selection, &mut page.devices)?;
            }
            for device in page.devices {
                let id = device.id;
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

    /// Devices that a selection may mean, as far as the registry and their presence tell: nothing else may be read while the
    /// tree is.
    fn page(
        &self,
        selection: Option<&Selection>,
        after: Option<DeviceId>,
        looks: usize,
    ) -> Result<Page, Error> {
        let asks_for_presence = selection.is_none_or(Selection::reads_presence);
        let now_ms = self.clock().now_ms();
        let mut page = Page { devices: Vec::new(), looked: 0, last: after, more: false };
        self.store().view().each_device(after, |id, row| {
            if page.looked == looks || page.devices.len() == HELD_MAX {
                page.more = true;
                return false;
            }
            (page.looked, page.last) = (page.looked + 1, Some(id));
            let mut device = DeviceInfo::new(id, row);
            if asks_for_presence {
                self.look_for(&mut device);
            }
            let may_match = |selection: &Selection| selection.may_match(&device.traits(now_ms, None, None));
            if selection.is_none_or(may_match) {
                page.devices.push(device);
            }
            true
        })?;
        if !asks_for_presence {
            page.devices.iter_mut().for_each(|device| self.look_for(device));
        }
        Ok(page)
    }

    /// Keeps of devices that may be meant those that are.
    fn keep_meant(&self, selection: &Selection, devices: &mut Vec<DeviceInfo>) -> Result<(), Error> {
        let (reads_twins, reads_firmware) = (selection.reads_twins(), selection.reads_firmware());
        if !reads_twins && !reads_firmware {
            return Ok(());
        }
        let (view, now_ms) = (self.store().view(), self.clock().now_ms());
        let ids: Vec<DeviceId> = devices.iter().map(|device| device.id).collect();
        let mut twins = if reads_twins { view.twins_of(&ids)? } else { Vec::new() }.into_iter();
        let mut updates = if reads_firmware { view.updates_of(&ids)? } else { Vec::new() }.into_iter();
        devices.retain(|device| {
            let twin = twins.next().flatten();
            let firmware = updates.next().flatten().and_then(|update| update.report);
            selection.matches(&device.traits(now_ms, twin.as_ref(), firmware.as_ref()))
        });
        Ok(())
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
