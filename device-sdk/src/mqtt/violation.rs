//! What a server must not do, each with the section of MQTT 5 that it breaks and the code that it is told.

use super::reason::Reason;

macro_rules! violations {
    ($($name:ident = $reason:ident, $section:literal, $text:literal;)+) => {
        /// A rule of MQTT 5 that the server broke. The connection ends with [`Violation::reason`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        pub enum Violation {
            $(
                #[doc = concat!("The server sent ", $text, " (MQTT 5, section ", $section, ").")]
                #[error("the server sent {} (MQTT 5, section {})", $text, $section)]
                $name,
            )+
        }

        impl Violation {
            /// The section of the standard that is broken.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self {
                    $(Self::$name => $section,)+
                }
            }

            /// What the server is told in DISCONNECT.
            #[must_use]
            pub const fn reason(self) -> Reason {
                match self {
                    $(Self::$name => Reason::$reason,)+
                }
            }
        }
    };
}

violations! {
    Text = MALFORMED, "1.5.4", "text that is not UTF-8 or holds U+0000";
    Number = MALFORMED, "1.5.5", "a number of more than four bytes, or longer than it need be";
    PacketType = PROTOCOL_ERROR, "2.1.2", "a packet that only a client sends, or of a type that there is not";
    ReservedFlags = MALFORMED, "2.1.3", "a fixed header with reserved flags set";
    CutShort = MALFORMED, "2.1.4", "a packet that ends within a field";
    TooLong = MALFORMED, "2.1.4", "a packet that goes on behind its last field";
    PacketIdZero = PROTOCOL_ERROR, "2.2.1", "packet identifier 0";
    PropertyMisplaced = MALFORMED, "2.2.2.2", "a property that its packet does not have";
    PropertyTwice = PROTOCOL_ERROR, "2.2.2.2", "a property twice";
    PropertyValue = PROTOCOL_ERROR, "2.2.2.2", "a property with a value that it cannot have";
    ReasonCode = PROTOCOL_ERROR, "2.4", "a reason code that its packet does not have";
    PacketTooLarge = PACKET_TOO_LARGE, "3.1.2.11.4", "a packet over the maximum size that it was told";
    BeforeConnack = PROTOCOL_ERROR, "3.2", "another packet before CONNACK";
    SecondConnack = PROTOCOL_ERROR, "3.2", "CONNACK again";
    ConnackFlags = MALFORMED, "3.2.2.1", "CONNACK with reserved flags set";
    SessionPresent = PROTOCOL_ERROR, "3.2.2.1.1", "session present with a refusal, or after a clean start";
    RepeatedQos0 = PROTOCOL_ERROR, "3.3.1.1", "a repeated PUBLISH of QoS 0";
    Qos = MALFORMED, "3.3.1.2", "a PUBLISH of QoS 3";
    TopicName = BAD_TOPIC_NAME, "3.3.2.1", "a topic name that is empty or holds a wildcard";
    TopicAlias = BAD_TOPIC_ALIAS, "3.3.2.3.4", "a topic alias, of which it was told that none is taken";
    ResponseTopic = PROTOCOL_ERROR, "3.3.2.3.5", "a response topic that is empty or holds a wildcard";
    SubscriptionId = PROTOCOL_ERROR, "3.3.2.3.8", "subscription identifier 0";
    ReceiveMaximum = RECEIVE_MAXIMUM_EXCEEDED, "3.3.4", "more messages at once than it was told";
    ReasonCount = PROTOCOL_ERROR, "3.8.4", "an answer that has not one reason code for each filter";
    Acknowledgement = PROTOCOL_ERROR, "4.3", "an acknowledgement of what was not sent, or of another kind";
    Authentication = PROTOCOL_ERROR, "4.12", "AUTH or an authentication method that was not asked for";
}
