//! An MQTT 5 client as a state machine over bytes: no socket, no clock, no allocator, no panic.
//!
//! [`Client`] is the state machine, [`Event`] what comes out of it. Errors are sorted by whose they are: [`Misuse`] is
//! the caller's, [`Violation`] and [`Silence`] are the server's, [`Shortage`] passes.

mod acknowledgement;
mod answers;
mod client;
mod clock;
mod connack;
mod connect;
mod disconnect;
mod error;
mod event;
mod frame;
mod input;
mod message;
mod outgoing;
mod packet_id;
mod property;
mod publish;
mod queue;
mod read;
mod reason;
mod received;
mod subscribe;
mod topic;
mod violation;
mod write;

pub use client::{Client, State};
pub use connack::{Connack, Limits};
pub use connect::{Connect, Credentials, RECEIVE_MAXIMUM, Will};
pub use disconnect::Disconnect;
pub use error::{Error, Misuse, Shortage, Silence};
pub use event::Event;
pub use message::Message;
pub use packet_id::PacketId;
pub use property::UserProperties;
pub use publish::{Publish, Qos};
pub use reason::Reason;
pub use subscribe::{Grants, Retained, Subscription};
pub use violation::Violation;
