//! The door in: turns a message of a session into an event of the log.
//!
//! Encodes once, picks the partition, hands the bytes to the log and the session's receipt with them. Nothing
//! waits here: a log without room answers [`Busy`], and the session stops reading until there is room.

use crate::clock::Clock;
use crate::inbox::Sent;
use fleetfn_broker::{Busy, Ingress, Message, MessageKind};
use fleetfn_core::event::EventParts;
use fleetfn_core::{Entity, EventKind, Offset};
use fleetfn_protocol::Topic;
use fleetfn_store::{AppendError, Failure, Haste, Receipt, Store};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

/// Who is told when a record is durable.
pub(crate) enum Waiter {
    /// A session withholds its PUBACK.
    Session(Arc<dyn fleetfn_broker::Receipt>),
    /// A call of the API waits.
    Call(oneshot::Sender<Result<Offset, Failure>>),
    /// The worker that sent it forgets the message.
    Sender(Sent),
    /// Nobody: the row that led to the record stays until the record was handled.
    Nobody,
}

impl Receipt for Waiter {
    fn settle(self, outcome: Result<Offset, Failure>) {
        match self {
            Self::Session(receipt) => receipt.settled(match outcome {
                Ok(_) => fleetfn_broker::Outcome::Durable,
                Err(_) => fleetfn_broker::Outcome::Failed,
            }),
            // Fails only when the caller has gone; the record is durable all the same.
            Self::Call(caller) => drop(caller.send(outcome)),
            Self::Sender(sent) => {
                if outcome.is_ok() {
                    sent.report();
                }
            }
            Self::Nobody => {}
        }
    }
}

/// Signals that the log takes records again. Shared between the log's tail and the sessions that wait.
#[derive(Default)]
pub(crate) struct Room(Notify);

impl Room {
    /// Wakes whoever waits.
    pub(crate) fn signal(&self) {
        self.0.notify_waiters();
    }
}

/// The broker's way into the log.
pub(crate) struct Admission {
    store: Store<Waiter>,
    partitions: u16,
    room: Arc<Room>,
    clock: Clock,
}

impl Admission {
    pub(crate) fn new(store: Store<Waiter>, partitions: u16, room: Arc<Room>, clock: Clock) -> Self {
        Self { store, partitions, room, clock }
    }
}

/// The event that a publish on this topic is; `None` where nobody would handle it yet.
fn published<'a>(topic: &Topic<'a>) -> Option<EventKind<'a>> {
    match *topic {
        Topic::Telemetry { channel, .. } => Some(EventKind::Telemetry { channel }),
        Topic::TwinReported { .. } => Some(EventKind::TwinReported),
        Topic::CommandReply { name, .. } => Some(EventKind::CommandReply { name }),
        Topic::UpdateStatus { .. } => Some(EventKind::UpdateStatus),
        Topic::Command { name, .. } => Some(EventKind::CommandRequested { name }),
        Topic::Shared(topic) => Some(EventKind::Shared { topic }),
        Topic::TwinDesired { .. }
        | Topic::UpdateManifest { .. }
        | Topic::UpdateRequest { .. }
        | Topic::UpdateBlock { .. } => None,
    }
}

/// Telemetry is not to share the disk with more syncs than it needs: who comes and goes and how an update fares can
/// wait for it.
fn haste(kind: &EventKind<'_>) -> Haste {
    match kind {
        EventKind::UpdateStatus | EventKind::Connected | EventKind::Disconnected { .. } => Haste::Soon,
        _ => Haste::Now,
    }
}

impl Ingress for Admission {
    fn admit(&self, message: &Message<'_>, receipt: Arc<dyn fleetfn_broker::Receipt>) -> Result<(), Busy> {
        let (device, kind) = match &message.kind {
            MessageKind::Connected => (message.device, Some(EventKind::Connected)),
            MessageKind::Disconnected { reason } => {
                (message.device, Some(EventKind::Disconnected { reason }))
            }
            MessageKind::Published(topic) => (topic.device(), published(topic)),
        };
        let entity = match (device, kind) {
            (Some(device), _) => Some(Entity::Device(device)),
            (None, Some(EventKind::Shared { topic })) => Some(Entity::Named(topic)),
            (None, _) => None,
        };
        let (Some(kind), Some(entity)) = (kind, entity) else {
            receipt.settled(fleetfn_broker::Outcome::Failed);
            return Ok(());
        };
        let parts = EventParts {
            entity,
            kind,
            received_at_ms: self.clock.now_ms(),
            expiry_s: message.expiry_s,
            message_id: message.message_id,
            origin: None,
            payload: message.payload,
        };
        let Ok(event) = parts.encode_traced(message.trace.as_ref()) else {
            receipt.settled(fleetfn_broker::Outcome::Failed);
            return Ok(());
        };
        let partition = entity.partition(self.partitions);
        let waiter = Waiter::Session(Arc::clone(&receipt));
        match self.store.admit(partition, event, haste(&kind), waiter) {
            Ok(_) => Ok(()),
            Err(AppendError::Full(_)) => Err(Busy),
            Err(error) => {
                tracing::error!(%error, "an event cannot be made durable");
                receipt.settled(fleetfn_broker::Outcome::Failed);
                Ok(())
            }
        }
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let mut signal = std::pin::pin!(self.room.0.notified());
            // Listens before it looks, so that no signal falls in between.
            signal.as_mut().enable();
            if !self.store.room() {
                signal.await;
            }
        })
    }
}
