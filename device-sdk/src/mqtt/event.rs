//! What happens on a connection, told one by one.

use super::connack::Connack;
use super::disconnect::Disconnect;
use super::message::Message;
use super::packet_id::PacketId;
use super::reason::Reason;
use super::subscribe::Grants;

/// Something that happened. What it borrows lies in the receive buffer until the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The server accepts. Unless [`Connack::session_present`] there are no subscriptions.
    Connected(Connack<'a>),
    /// The server refuses, with [`Connack::reason`]. The transport is to be closed.
    Refused(Connack<'a>),
    /// A message came. It is acknowledged when the next event is asked for: until then its handling may fail or the
    /// device may lose power, and it comes again.
    Message(Message<'a>),
    /// A message of QoS 1 or 2 is with the server, or refused by it: [`Reason::is_failure`]. It is not sent again.
    Acknowledged {
        /// Of the message.
        id: PacketId,
        /// The server's last word.
        reason: Reason,
    },
    /// A message of QoS 1 or 2 will not be sent again, and nothing is known of it.
    Lost {
        /// Of the message.
        id: PacketId,
    },
    /// Answer to a SUBSCRIBE.
    Subscribed {
        /// Of the SUBSCRIBE.
        id: PacketId,
        /// What was granted.
        grants: Grants<'a>,
    },
    /// Answer to an UNSUBSCRIBE.
    Unsubscribed {
        /// Of the UNSUBSCRIBE.
        id: PacketId,
        /// How it went.
        grants: Grants<'a>,
    },
    /// The server ends the connection. The transport is to be closed.
    Disconnected(Disconnect<'a>),
}
