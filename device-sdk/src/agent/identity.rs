//! Who a device is.

use crate::mqtt::RECEIVE_MAXIMUM;
use fleetfn_protocol::DeviceId;

/// Who the device is, and how it keeps in touch.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// User name, client id, and part of every topic.
    pub device: DeviceId,
    /// What `fleetfn device add` showed.
    pub token: &'a [u8],
    /// Seconds between packets, at most.
    pub keep_alive_s: u16,
    /// How many commands and twins the server may have on their way at once, from 1 to
    /// [`RECEIVE_MAXIMUM`].
    pub receive_maximum: u16,
}

impl<'a> Identity<'a> {
    /// An identity with a keep alive of a minute.
    #[must_use]
    pub const fn new(device: DeviceId, token: &'a [u8]) -> Self {
        Self { device, token, keep_alive_s: 60, receive_maximum: RECEIVE_MAXIMUM }
    }
}

impl core::fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Identity").field("device", &self.device).finish_non_exhaustive()
    }
}
