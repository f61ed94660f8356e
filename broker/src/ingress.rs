//! What the broker needs of the rest: a place for messages, a directory of clients, an ear for what was delivered.

use crate::acl::Principal;
use fleetfn_protocol::{DeviceId, EffectId, Topic, TraceParent};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What became of an admitted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is on disk: it may be acknowledged.
    Durable,
    /// It never will be: the session ends without an acknowledgement.
    Failed,
}

/// Told once of each admitted message.
pub trait Receipt: Send + Sync {
    /// Called in the order in which the session admitted its messages, on any thread: it must be quick.
    fn settled(&self, outcome: Outcome);
}

/// There is no room now; nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for another message")]
pub struct Busy;

/// Makes messages durable.
pub trait Ingress: Send + Sync + 'static {
    /// Takes a message; never waits.
    ///
    /// # Errors
    /// [`Busy`]: wait for [`Ingress::room`] and call again with the same message.
    fn admit(&self, message: &Message<'_>, receipt: Arc<dyn Receipt>) -> Result<(), Busy>;

    /// Resolves when [`Ingress::admit`] may have room.
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Something that happened, on its way to the log.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The device that it is from; `None` for what a service published.
    pub device: Option<DeviceId>,
    /// What happened.
    pub kind: MessageKind<'a>,
    /// The sender's own id of the message (MQTT 5 user property `id`); empty for none.
    pub message_id: &'a str,
    /// The span that led to it (MQTT 5 user property `traceparent`, W3C Trace Context).
    pub trace: Option<TraceParent>,
    /// Seconds after which it is pointless; 0 for never.
    pub expiry_s: u32,
    /// What was published.
    pub payload: &'a [u8],
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind<'a> {
    /// Something was published on a topic, by somebody who may.
    Published(Topic<'a>),
    /// The first session of a device opened.
    Connected,
    /// The last session of a device ended.
    Disconnected {
        /// Why, in a word or two.
        reason: &'a str,
    },
}

/// Why a client is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no such client, or its password is wrong.
    BadCredentials,
    /// It is known but may not connect.
    NotAuthorized,
    /// It cannot be told now.
    Unavailable,
}

/// Knows who may connect.
pub trait Directory: Send + Sync + 'static {
    /// Who a client is. Must be quick: it runs on the thread that serves other clients.
    ///
    /// # Errors
    /// [`Refused`] says what the client is told.
    fn authenticate(&self, username: &str, password: &[u8]) -> Result<Principal, Refused>;
}

/// Hears what becomes of parcels. Called by sessions: it must be quick.
pub trait Reports: Send + Sync + 'static {
    /// The device has the parcel: it sent a PUBACK, or the parcel was written to its socket with QoS 0.
    fn acknowledged(&self, device: DeviceId, effect: EffectId);

    /// A session of the device waits for parcels: let it [begin](crate::Mailboxes::begin), then offer all that are pending, in
    /// order. What a session already holds it does not take twice.
    fn listening(&self, device: DeviceId);

    /// The parcel is longer than the largest packet that the device takes. It is not sent and counts as delivered (MQTT 5,
    /// section 3.1.2.11.4).
    fn too_long(&self, device: DeviceId, effect: EffectId) {
        self.acknowledged(device, effect);
    }

    /// The device asks for blocks of its update: answer with [`Mailboxes::send_blocks`](crate::Mailboxes::send_blocks), or
    /// not at all. Nothing of it goes to the log, and it is acknowledged at once.
    fn wanted(&self, device: DeviceId, request: &[u8]) {
        let _ = (device, request);
    }
}
