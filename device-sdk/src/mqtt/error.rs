//! Errors, sorted by whose they are: the caller's, the server's, or those of a resource that may come back.

use super::violation::Violation;

/// Everything that can go wrong, by blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The call was wrong; again it would be wrong again.
    #[error(transparent)]
    Caller(#[from] Misuse),
    /// The server broke the standard; the connection ends.
    #[error(transparent)]
    Peer(#[from] Violation),
    /// The server or the network is silent; the connection ends.
    #[error(transparent)]
    Silence(#[from] Silence),
    /// Something is used up for now; later the same call may succeed.
    #[error(transparent)]
    Resource(#[from] Shortage),
}

/// A call that cannot succeed as it is. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// `connect` while there is a connection: end it with `handle_closed` first.
    #[error("there is a connection already")]
    Connected,
    /// The topic name is empty or holds a wildcard.
    #[error("the topic is not a topic name")]
    TopicName,
    /// The filter is empty or has a wildcard where none may stand; or there is no filter at all.
    #[error("the subscription is not to a topic filter")]
    TopicFilter,
    /// A field is longer than 65,535 bytes, or a text holds U+0000 (MQTT 5, section 1.5.4).
    #[error("a field is longer than 65,535 bytes or holds U+0000")]
    Field,
    /// The packet is longer than the buffer that it must fit into: that of the caller for sending, or for CONNECT
    /// the one for receiving.
    #[error("the packet is longer than its buffer")]
    LongerThanBuffer,
    /// The packet is longer than the server takes (MQTT 5, section 3.2.2.3.6).
    #[error("the packet is longer than the server takes")]
    LongerThanServerTakes,
    /// The server does not offer that QoS (MQTT 5, section 3.2.2.3.4).
    #[error("the server does not offer that QoS")]
    Qos,
    /// The server keeps no retained messages (MQTT 5, section 3.2.2.3.5).
    #[error("the server keeps no retained messages")]
    Retain,
    /// The server does not offer wildcards or shared subscriptions (MQTT 5, sections 3.2.2.3.11 and 3.2.2.3.13).
    #[error("the server does not offer that kind of subscription")]
    Subscription,
    /// The receive maximum is 0 or above [`RECEIVE_MAXIMUM`](super::RECEIVE_MAXIMUM).
    #[error("the receive maximum is 0 or more than can be kept")]
    ReceiveMaximum,
}

/// Something that is used up for now. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// There is no connection, or it is not accepted yet, or it is about to end.
    #[error("there is no connection")]
    Offline,
    /// The buffer for sending is full until something is written or acknowledged.
    #[error("the buffer for sending is full")]
    SendBuffer,
    /// All 65,535 packet identifiers are in use.
    #[error("all packet identifiers are in use")]
    PacketIds,
}

/// An answer that did not come in time. The transport is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// No CONNACK.
    #[error("the server did not answer CONNECT in time")]
    Connack,
    /// No PINGRESP (MQTT 5, section 3.1.2.10).
    #[error("the server did not answer PINGREQ in time")]
    Pingresp,
}
