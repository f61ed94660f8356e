//! What happened, as C sees it: a kind, and the fields that the kind has.

use core::ptr;
use fleetfn_device::agent;

/// Bytes that lie in the receive buffer until the next call with the same device.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Bytes {
    /// Where they begin; null if there are none.
    pub at: *const u8,
    /// How many there are.
    pub count: usize,
}

impl Bytes {
    const NONE: Self = Self { at: ptr::null(), count: 0 };
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self { at: bytes.as_ptr(), count: bytes.len() }
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

/// What kind of a thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
// Of 32 bits: compilers of C do not agree on how long an enumeration is on bare metal.
#[repr(u32)]
pub enum NoticeKind {
    /// Nothing more, until bytes come or are written.
    Nothing = 0,
    /// The server has accepted.
    Connected = 1,
    /// Commands and twin are listened to.
    Listening = 2,
    /// The device is asked to do something: `name`, `payload`, `effect`, `expiry_s`.
    Command = 3,
    /// What the device is to become: `payload`, its version and the whole desired part of its twin.
    Desired = 4,
    /// An effect that has arrived before, and there is nothing to do: `effect`.
    Repeated = 5,
    /// A message that nothing here has a meaning for: `name` is its topic, `payload`.
    Other = 6,
    /// What was sent as `id` is durable with the engine, or was refused if `reason` is 128 or more.
    Delivered = 7,
    /// What was sent as `id` will not be sent again, and nothing is known of it.
    Lost = 8,
    /// The server refuses the connection or a subscription, or ends the connection: `reason`.
    Refused = 9,
}

/// Something that happened. Fields that its kind does not have are empty or 0.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// Of what was sent.
    pub id: u16,
    /// Code of MQTT 5, section 2.4.
    pub reason: u8,
    /// Of a command, or a topic.
    pub name: Bytes,
    /// Any bytes.
    pub payload: Bytes,
    /// The effect that it is, in text form; none if the server sends none, and then it may come again.
    pub effect: Bytes,
    /// Seconds after which it is pointless; 0 if it never is.
    pub expiry_s: u32,
}

impl Notice {
    /// Nothing happened.
    pub(crate) const NOTHING: Self = Self {
        kind: NoticeKind::Nothing,
        id: 0,
        reason: 0,
        name: Bytes::NONE,
        payload: Bytes::NONE,
        effect: Bytes::NONE,
        expiry_s: 0,
    };

    const fn of(kind: NoticeKind) -> Self {
        Self { kind, ..Self::NOTHING }
    }
}

impl From<agent::Notice<'_>> for Notice {
    fn from(notice: agent::Notice<'_>) -> Self {
        match notice {
            agent::Notice::Connected => Self::of(NoticeKind::Connected),
            agent::Notice::Listening => Self::of(NoticeKind::Listening),
            agent::Notice::Command(command) => Self {
                name: command.name.into(),
                payload: command.payload.into(),
                effect: command.effect.into(),
                expiry_s: command.expiry_s.unwrap_or_default(),
                ..Self::of(NoticeKind::Command)
            },
            agent::Notice::Desired(payload) => {
                Self { payload: payload.into(), ..Self::of(NoticeKind::Desired) }
            }
            agent::Notice::Repeated { effect } => {
                Self { effect: effect.into(), ..Self::of(NoticeKind::Repeated) }
            }
            agent::Notice::Other(message) => Self {
                name: message.topic.into(),
                payload: message.payload.into(),
                expiry_s: message.expiry_s().unwrap_or_default(),
                ..Self::of(NoticeKind::Other)
            },
            // Updates are not in this library.
            agent::Notice::Offer(payload) | agent::Notice::Block(payload) => {
                Self { payload: payload.into(), ..Self::of(NoticeKind::Other) }
            }
            agent::Notice::Delivered { id, reason } => {
                Self { id: id.get(), reason: reason.code(), ..Self::of(NoticeKind::Delivered) }
            }
            agent::Notice::Lost { id } => Self { id: id.get(), ..Self::of(NoticeKind::Lost) },
            agent::Notice::Refused(reason) => Self { reason: reason.code(), ..Self::of(NoticeKind::Refused) },
        }
    }
}
