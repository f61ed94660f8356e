//! The way down to one device: by its id, without a filter or a link of the router.

use crate::device::Devices;
use bytes::Bytes;
use fleetfn_protocol::{DeviceId, EffectId};
use std::sync::Arc;

/// Something for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Its identity, the same at every attempt.
    pub effect: EffectId,
    /// The whole topic name.
    pub topic: String,
    /// What is sent.
    pub payload: Bytes,
    /// When it becomes pointless, in milliseconds since 1970; `u64::MAX` for never.
    pub expires_at_ms: u64,
}

/// Why a parcel was not taken. It stays with the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// No session of the device listens to the topic, or it has not begun: offer it again after `listening`.
    #[error("no session of the device listens to the topic")]
    NoListener,
    /// The session holds as many as it may: offer it again after `acknowledged`.
    #[error("the session of the device has no room")]
    Full,
}

/// Every device's mailbox. Cheap to clone.
#[derive(Clone)]
pub struct Mailboxes(pub(crate) Arc<Devices>);

impl Mailboxes {
    /// Lets the sessions of a device take parcels, after [`Reports::listening`](crate::Reports::listening) and before all that
    /// waits is offered: what came in between would overtake it.
    pub fn begin(&self, device: &DeviceId) {
        self.0.begin(device);
    }

    /// Hands a parcel to the newest session of the device that listens to its topic. The session holds it until the
    /// device acknowledges it; if the session ends first, the parcel is forgotten here.
    ///
    /// # Errors
    /// [`Undelivered`] says when to offer it again.
    pub fn deliver(&self, device: &DeviceId, parcel: Parcel) -> Result<(), Undelivered> {
        self.0.deliver(device, parcel)
    }

    /// Hands blocks of an update to the newest session of the device that listens to `devices/{id}/update/block`. They are
    /// sent with QoS 0, in order, behind everything else, and kept nowhere.
    ///
    /// # Errors
    /// [`Undelivered`] if not all were taken, with how many were: the device will ask again for the others.
    pub fn send_blocks(&self, device: &DeviceId, payloads: Vec<Bytes>) -> Result<(), (usize, Undelivered)> {
        self.0.send_blocks(device, payloads)
    }
}
