//! The packets of more than a few bytes that this client sends: what each begins with, and what its body is.

use super::connect::Connect;
use super::frame::{first_byte, kind};
use super::publish::Publish;
use super::subscribe::{self, Offered, Subscription};
use super::write::Writer;

/// A packet before it has its bytes, and its packet identifier.
#[derive(Clone, Copy)]
pub(super) enum Outgoing<'p> {
    Connect { connect: &'p Connect<'p>, packet_bytes_max: u32 },
    Publish(&'p Publish<'p>),
    Release,
    Subscribe { subscriptions: &'p [Subscription<'p>], offered: Offered },
    Unsubscribe(&'p [&'p str]),
}

impl Outgoing<'_> {
    /// The first byte of the packet.
    pub(super) fn first(&self) -> u8 {
        match self {
            Self::Connect { .. } => first_byte(kind::CONNECT),
            Self::Publish(publish) => first_byte(kind::PUBLISH) | publish.flags(),
            Self::Release => first_byte(kind::PUBREL),
            Self::Subscribe { .. } => first_byte(kind::SUBSCRIBE),
            Self::Unsubscribe(_) => first_byte(kind::UNSUBSCRIBE),
        }
    }

    /// Puts the body; CONNECT and a PUBLISH of QoS 0 have no identifier.
    pub(super) fn put(&self, writer: &mut Writer<'_>, id: u16) {
        match self {
            Self::Connect { connect, packet_bytes_max } => connect.put(writer, *packet_bytes_max),
            Self::Publish(publish) => publish.put(writer, id),
            Self::Release => writer.u16(id),
            Self::Subscribe { subscriptions, offered } => subscribe::put(writer, id, subscriptions, *offered),
            Self::Unsubscribe(filters) => subscribe::put_unsubscribe(writer, id, filters),
        }
    }
}
