//! What an agent tells: what a message of the server's means to the device.

use super::effects::Effects;
use super::topic::below;
use crate::mqtt::{Message, PacketId, Reason};
use fleetfn_protocol::{DeviceId, EffectId};

/// What a device is asked to do, borrowed from the receive buffer. It is acknowledged when the next notice is asked for;
/// answer it before, with [`Agent::reply`](super::Agent::reply), and the answer is as safe as any message of QoS 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Its name, one level of the topic.
    pub name: &'a str,
    /// Any bytes.
    pub payload: &'a [u8],
    /// The effect that it is, in text form; empty if the server sends none, and then it may come again.
    pub effect: &'a str,
    /// Seconds after which it is pointless.
    pub expiry_s: Option<u32>,
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// The server has accepted; commands and twin are being subscribed to.
    Connected,
    /// Commands and twin are listened to.
    Listening,
    /// The device is asked to do something.
    Command(Command<'a>),
    /// What the device is to become: the whole desired part of its twin, as the engine sent it.
    Desired(&'a [u8]),
    /// A job of an update is offered, for `Update::handle_notice` of the feature `update`. It is acknowledged when the next
    /// notice is asked for.
    Offer(&'a [u8]),
    /// A block that was asked for, likewise.
    Block(&'a [u8]),
    /// An effect that has arrived before. It is acknowledged and there is nothing to do.
    Repeated {
        /// Its id.
        effect: &'a str,
    },
    /// A message that nothing here has a meaning for.
    Other(Message<'a>),
    /// What was sent is durable with the engine, or was refused: [`Reason::is_failure`].
    Delivered {
        /// What [`Agent::send`](super::Agent::send) and the like returned.
        id: PacketId,
        /// The server's word.
        reason: Reason,
    },
    /// The server does not take what was kept for it: too long for it, say.
    Lost {
        /// What [`Agent::send`](super::Agent::send) and the like returned.
        id: PacketId,
    },
    /// The server refuses the connection, a subscription, or ends the connection.
    Refused(Reason),
}

/// What a message means to the device.
pub(super) fn meaning<'m>(device: &DeviceId, effects: &mut Effects, message: Message<'m>) -> Notice<'m> {
    let topic = below(device, message.topic).unwrap_or_default();
    match topic {
        "update/manifest" => return Notice::Offer(message.payload),
        "update/block" => return Notice::Block(message.payload),
        _ => {}
    }
    let command = topic.strip_prefix("commands/").filter(|name| !name.bytes().any(|byte| byte == b'/'));
    if command.is_none() && topic != "twin/desired" {
        return Notice::Other(message);
    }
    let effect = message.user_property(EffectId::USER_PROPERTY).unwrap_or_default();
    if !effect.is_empty() && !effects.arrive(effect) {
        return Notice::Repeated { effect };
    }
    match command {
        None => Notice::Desired(message.payload),
        Some(name) => {
            Notice::Command(Command { name, payload: message.payload, effect, expiry_s: message.expiry_s() })
        }
    }
}
