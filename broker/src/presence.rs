//! A device comes with its first session and goes with its last; both are messages like any other, in order with
//! what the device itself sends.

use crate::device::Devices;
use crate::handle::Handle;
use crate::ingress::{Ingress, Message, MessageKind, Outcome, Receipt};
use fleetfn_protocol::DeviceId;
use std::sync::Arc;

/// Nobody waits for presence to be durable.
struct Unheard;

impl Receipt for Unheard {
    fn settled(&self, _: Outcome) {}
}

fn message(device: DeviceId, kind: MessageKind<'_>) -> Message<'_> {
    Message { device: Some(device), kind, message_id: "", trace: None, expiry_s: 0, payload: &[] }
}

/// Adds a session of a device; says that the device is here if it was not.
pub(crate) async fn enter(devices: &Devices, ingress: &dyn Ingress, device: DeviceId, handle: &Arc<Handle>) {
    let admit = || ingress.admit(&message(device, MessageKind::Connected), Arc::new(Unheard));
    while devices.open(device, handle, admit).is_err() {
        ingress.room().await;
    }
}

/// Removes a session of a device; says that the device is gone if that was its last.
pub(crate) async fn leave(
    devices: &Devices,
    ingress: &dyn Ingress,
    device: DeviceId,
    handle: &Arc<Handle>,
    reason: &str,
) {
    let admit = || ingress.admit(&message(device, MessageKind::Disconnected { reason }), Arc::new(Unheard));
    while devices.close(device, handle, admit).is_err() {
        ingress.room().await;
    }
}
