//! Whether a selection means a device.

use super::Engine;
use crate::registry::{DeviceInfo, Error};
use fleetfn_core::selection::{self, Selection};

impl Engine {
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
