//! Reason codes of MQTT 5 (section 2.4): one byte that says how something went.

use core::fmt;

/// How something went, in a code of the standard. Codes from 0x80 on are failures.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(u8);

macro_rules! reasons {
    ($($name:ident = $code:literal, $text:literal;)+) => {
        impl Reason {
            $(
                #[doc = concat!("The code ", stringify!($code), ": ", $text, ".")]
                pub const $name: Self = Self($code);
            )+

            /// What the standard calls it; empty for a code that it does not have.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self.0 {
                    $($code => $text,)+
                    _ => "",
                }
            }
        }
    };
}

reasons! {
    SUCCESS = 0x00, "success";
    GRANTED_QOS_1 = 0x01, "granted QoS 1";
    GRANTED_QOS_2 = 0x02, "granted QoS 2";
    DISCONNECT_WITH_WILL = 0x04, "disconnect with will message";
    NO_MATCHING_SUBSCRIBERS = 0x10, "no matching subscribers";
    NO_SUBSCRIPTION_EXISTED = 0x11, "no subscription existed";
    UNSPECIFIED = 0x80, "unspecified error";
    MALFORMED = 0x81, "malformed packet";
    PROTOCOL_ERROR = 0x82, "protocol error";
    IMPLEMENTATION_SPECIFIC = 0x83, "implementation specific error";
    UNSUPPORTED_VERSION = 0x84, "unsupported protocol version";
    BAD_CLIENT_ID = 0x85, "client identifier not valid";
    BAD_CREDENTIALS = 0x86, "bad user name or password";
    NOT_AUTHORIZED = 0x87, "not authorized";
    SERVER_UNAVAILABLE = 0x88, "server unavailable";
    SERVER_BUSY = 0x89, "server busy";
    BANNED = 0x8a, "banned";
    SERVER_SHUTTING_DOWN = 0x8b, "server shutting down";
    BAD_AUTHENTICATION_METHOD = 0x8c, "bad authentication method";
    KEEP_ALIVE_TIMEOUT = 0x8d, "keep alive timeout";
    SESSION_TAKEN_OVER = 0x8e, "session taken over";
    BAD_TOPIC_FILTER = 0x8f, "topic filter invalid";
    BAD_TOPIC_NAME = 0x90, "topic name invalid";
    PACKET_ID_IN_USE = 0x91, "packet identifier in use";
    PACKET_ID_NOT_FOUND = 0x92, "packet identifier not found";
    RECEIVE_MAXIMUM_EXCEEDED = 0x93, "receive maximum exceeded";
    BAD_TOPIC_ALIAS = 0x94, "topic alias invalid";
    PACKET_TOO_LARGE = 0x95, "packet too large";
    MESSAGE_RATE_TOO_HIGH = 0x96, "message rate too high";
    QUOTA_EXCEEDED = 0x97, "quota exceeded";
    ADMINISTRATIVE_ACTION = 0x98, "administrative action";
    BAD_PAYLOAD_FORMAT = 0x99, "payload format invalid";
    RETAIN_NOT_SUPPORTED = 0x9a, "retain not supported";
    QOS_NOT_SUPPORTED = 0x9b, "QoS not supported";
    USE_ANOTHER_SERVER = 0x9c, "use another server";
    SERVER_MOVED = 0x9d, "server moved";
    SHARED_NOT_SUPPORTED = 0x9e, "shared subscriptions not supported";
    CONNECTION_RATE_EXCEEDED = 0x9f, "connection rate exceeded";
    MAXIMUM_CONNECT_TIME = 0xa0, "maximum connect time";
    SUBSCRIPTION_ID_NOT_SUPPORTED = 0xa1, "subscription identifiers not supported";
    WILDCARDS_NOT_SUPPORTED = 0xa2, "wildcard subscriptions not supported";
}

impl Reason {
    /// Takes over a code, whether the standard has it or not.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        Self(code)
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Whether it says that something failed.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.0 >= 0x80
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reason({self})")
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x} {}", self.0, self.text())
    }
}

/// The reasons that a packet may give.
#[derive(Clone, Copy)]
pub(super) struct Reasons(&'static [Reason]);

impl Reasons {
    /// Whether the packet may give that reason.
    pub(super) fn have(self, code: u8) -> bool {
        self.0.iter().any(|reason| reason.0 == code)
    }

    /// CONNACK (MQTT 5, section 3.2.2.2).
    pub(super) const CONNACK: Self = Self(&[
        Reason::SUCCESS,
        Reason::UNSPECIFIED,
        Reason::MALFORMED,
        Reason::PROTOCOL_ERROR,
        Reason::IMPLEMENTATION_SPECIFIC,
        Reason::UNSUPPORTED_VERSION,
        Reason::BAD_CLIENT_ID,
        Reason::BAD_CREDENTIALS,
        Reason::NOT_AUTHORIZED,
        Reason::SERVER_UNAVAILABLE,
        Reason::SERVER_BUSY,
        Reason::BANNED,
        Reason::BAD_AUTHENTICATION_METHOD,
        Reason::BAD_TOPIC_NAME,
        Reason::PACKET_TOO_LARGE,
        Reason::QUOTA_EXCEEDED,
        Reason::BAD_PAYLOAD_FORMAT,
        Reason::RETAIN_NOT_SUPPORTED,
        Reason::QOS_NOT_SUPPORTED,
        Reason::USE_ANOTHER_SERVER,
        Reason::SERVER_MOVED,
        Reason::CONNECTION_RATE_EXCEEDED,
    ]);

    /// PUBACK and PUBREC (MQTT 5, sections 3.4.2.1 and 3.5.2.1).
    pub(super) const RECEIPT: Self = Self(&[
        Reason::SUCCESS,
        Reason::NO_MATCHING_SUBSCRIBERS,
        Reason::UNSPECIFIED,
        Reason::IMPLEMENTATION_SPECIFIC,
        Reason::NOT_AUTHORIZED,
        Reason::BAD_TOPIC_NAME,
        Reason::PACKET_ID_IN_USE,
        Reason::QUOTA_EXCEEDED,
        Reason::BAD_PAYLOAD_FORMAT,
    ]);

    /// PUBREL and PUBCOMP (MQTT 5, sections 3.6.2.1 and 3.7.2.1).
    pub(super) const RELEASE: Self = Self(&[Reason::SUCCESS, Reason::PACKET_ID_NOT_FOUND]);

    /// SUBACK (MQTT 5, section 3.9.3).
    pub(super) const SUBACK: Self = Self(&[
        Reason::SUCCESS,
        Reason::GRANTED_QOS_1,
        Reason::GRANTED_QOS_2,
        Reason::UNSPECIFIED,
        Reason::IMPLEMENTATION_SPECIFIC,
        Reason::NOT_AUTHORIZED,
        Reason::BAD_TOPIC_FILTER,
        Reason::PACKET_ID_IN_USE,
        Reason::QUOTA_EXCEEDED,
        Reason::SHARED_NOT_SUPPORTED,
        Reason::SUBSCRIPTION_ID_NOT_SUPPORTED,
        Reason::WILDCARDS_NOT_SUPPORTED,
    ]);

    /// UNSUBACK (MQTT 5, section 3.11.3).
    pub(super) const UNSUBACK: Self = Self(&[
        Reason::SUCCESS,
        Reason::NO_SUBSCRIPTION_EXISTED,
        Reason::UNSPECIFIED,
        Reason::IMPLEMENTATION_SPECIFIC,
        Reason::NOT_AUTHORIZED,
        Reason::BAD_TOPIC_FILTER,
        Reason::PACKET_ID_IN_USE,
    ]);

    /// DISCONNECT (MQTT 5, section 3.14.2.1).
    pub(super) const DISCONNECT: Self = Self(&[
        Reason::SUCCESS,
        Reason::DISCONNECT_WITH_WILL,
        Reason::UNSPECIFIED,
        Reason::MALFORMED,
        Reason::PROTOCOL_ERROR,
        Reason::IMPLEMENTATION_SPECIFIC,
        Reason::NOT_AUTHORIZED,
        Reason::SERVER_BUSY,
        Reason::SERVER_SHUTTING_DOWN,
        Reason::KEEP_ALIVE_TIMEOUT,
        Reason::SESSION_TAKEN_OVER,
        Reason::BAD_TOPIC_FILTER,
        Reason::BAD_TOPIC_NAME,
        Reason::RECEIVE_MAXIMUM_EXCEEDED,
        Reason::BAD_TOPIC_ALIAS,
        Reason::PACKET_TOO_LARGE,
        Reason::MESSAGE_RATE_TOO_HIGH,
        Reason::QUOTA_EXCEEDED,
        Reason::ADMINISTRATIVE_ACTION,
        Reason::BAD_PAYLOAD_FORMAT,
        Reason::RETAIN_NOT_SUPPORTED,
        Reason::QOS_NOT_SUPPORTED,
        Reason::USE_ANOTHER_SERVER,
        Reason::SERVER_MOVED,
        Reason::SHARED_NOT_SUPPORTED,
        Reason::CONNECTION_RATE_EXCEEDED,
        Reason::MAXIMUM_CONNECT_TIME,
        Reason::SUBSCRIPTION_ID_NOT_SUPPORTED,
        Reason::WILDCARDS_NOT_SUPPORTED,
    ]);
}

#[cfg(test)]
mod tests {
    use super::{Reason, Reasons};
    use std::vec::Vec;

    #[test]
    fn each_packet_has_the_codes_of_its_table() {
        let have = |reasons: Reasons| (0..=255).filter(|code| reasons.have(*code)).collect::<Vec<u8>>();
        assert_eq!(have(Reasons::RELEASE), [0, 0x92]);
        assert_eq!(have(Reasons::RECEIPT), [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
        assert_eq!(have(Reasons::UNSUBACK), [0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]);
        let suback = [0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
        assert_eq!(have(Reasons::SUBACK), suback);
        assert_eq!((have(Reasons::CONNACK).len(), have(Reasons::DISCONNECT).len()), (22, 29));
        for reasons in [Reasons::CONNACK, Reasons::DISCONNECT] {
            assert!(have(reasons).iter().all(|code| !Reason::from_code(*code).text().is_empty()));
        }
    }
}
