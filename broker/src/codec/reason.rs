//! Reason codes of MQTT 5 (section 2.4), and what they are on MQTT 3.1.1.

/// Why something was refused or ended. The discriminants are the codes of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    Success = 0x00,
    NoSubscription = 0x11,
    Malformed = 0x81,
    ProtocolError = 0x82,
    UnsupportedVersion = 0x84,
    BadClientId = 0x85,
    BadCredentials = 0x86,
    NotAuthorized = 0x87,
    ServerUnavailable = 0x88,
    ServerShuttingDown = 0x8b,
    BadAuthMethod = 0x8c,
    KeepAliveTimeout = 0x8d,
    SessionTakenOver = 0x8e,
    BadTopicFilter = 0x8f,
    BadTopicName = 0x90,
    BadTopicAlias = 0x94,
    PacketTooLarge = 0x95,
    QuotaExceeded = 0x97,
    RetainNotSupported = 0x9a,
    QosNotSupported = 0x9b,
    SharedNotSupported = 0x9e,
    SubscriptionIdNotSupported = 0xa1,
}

impl Reason {
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// The return code of a CONNACK on MQTT 3.1.1, where there is one (section 3.2.2.3).
    pub(crate) fn connack_v3(self) -> Option<u8> {
        match self {
            Self::Success => Some(0),
            Self::UnsupportedVersion => Some(1),
            Self::BadClientId => Some(2),
            Self::ServerUnavailable => Some(3),
            Self::BadCredentials => Some(4),
            Self::NotAuthorized => Some(5),
            _ => None,
        }
    }
}
