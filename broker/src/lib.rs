//! Messages in and out: MQTT sessions, access control, presence, mailboxes, live subscribers.
//!
//! The broker knows sessions and topics, never functions. What a client publishes it hands to an [`Ingress`] and
//! acknowledges when that says that it is durable; what is addressed to a device comes through [`Mailboxes`] and is
//! reported to [`Reports`]; who may connect is known by a [`Directory`].
#![forbid(unsafe_code)]

mod acl;
mod block;
mod broker;
mod codec;
mod config;
mod connection;
mod device;
mod handle;
mod ingress;
mod interest;
mod mailbox;
mod pipe;
mod presence;
mod publisher;
mod queues;
mod rumqttd;
mod session;
mod statistics;
mod stream;
mod takeover;

pub use acl::{Principal, Role};
pub use broker::{Broker, StartError};
pub use config::{Config, WallClock};
pub use ingress::{Busy, Directory, Ingress, Message, MessageKind, Outcome, Receipt, Refused, Reports};
pub use mailbox::{Mailboxes, Parcel, Undelivered};
pub use pipe::Pipe;
pub use publisher::Publisher;
pub use queues::Queues;
pub use statistics::Statistics;
