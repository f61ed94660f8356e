//! Whether a selection means a device.

use super::Engine;
use crate::registry::{DeviceInfo, Error};
use fleetfn_core::selection::Selection;

impl Engine {
    /// Whether a selection means a device, as it is now. Reads of it only what the selection asks for.
    pub(crate) fn is_meant(&self, selection: &Selection, device: &DeviceInfo) -> Result<bool, Error> {
        let view = self.store().view();
        let twin = if selection.reads_twins() { view.twin(device.id)? } else { None };
        let update = if selection.reads_firmware() { view.update(device.id)? } else { None };
        let firmware = update.and_then(|update| update.report);
        Ok(selection.matches(&device.traits(self.clock().now_ms(), twin.as_ref(), firmware.as_ref())))
    }
}
