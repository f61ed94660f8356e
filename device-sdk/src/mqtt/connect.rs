//! CONNECT (MQTT 5, section 3.1).

use super::error::Misuse;
use super::property;
use super::publish::{Publish, Qos};
use super::write::Writer;

/// Most messages of QoS 1 and 2 that may be on their way to this client at once (MQTT 5, section 3.1.2.11.3). The client
/// keeps two bytes for each. Measured: mosquitto 2.0.11 has twenty on their way whatever it is told, so a client that
/// takes fewer has to end such a connection.
pub const RECEIVE_MAXIMUM: u16 = 32;

/// What a connection is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Name of the session. If it is empty the server chooses one, which
    /// [`Connack::assigned_client_id`](super::Connack::assigned_client_id) tells.
    pub client_id: &'a str,
    /// Whether to begin with a new session. Otherwise the server's session of that client id is gone on with, if it has
    /// one.
    pub clean_start: bool,
    /// Seconds; 0 for never. The server may choose another one.
    pub keep_alive_s: u16,
    /// Seconds for which the server keeps the session after the connection; `u32::MAX` for ever.
    pub session_expiry_s: u32,
    /// From 1 to [`RECEIVE_MAXIMUM`].
    pub receive_maximum: u16,
    /// User name and password.
    pub credentials: Option<Credentials<'a>>,
    /// What the server is to publish if the connection ends without a goodbye.
    pub will: Option<Will<'a>>,
    /// Name and value, any number of them.
    pub user_properties: &'a [(&'a str, &'a str)],
    /// Milliseconds in which the server must answer CONNECT and PINGREQ.
    pub response_timeout_ms: u32,
}

/// User name and password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// User name.
    pub username: &'a str,
    /// Any bytes.
    pub password: &'a [u8],
}

impl core::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A message that the server publishes for a client that went without a goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// The message.
    pub message: Publish<'a>,
    /// Seconds that the server waits with it, in case the client comes back.
    pub delay_s: u32,
}

impl Will<'_> {
    fn put_properties(&self, writer: &mut Writer<'_>) {
        if self.delay_s > 0 {
            property::put_u32(writer, property::WILL_DELAY, self.delay_s);
        }
        self.message.put_properties(writer);
    }
}

impl<'a> Connect<'a> {
    /// A connection with a clean start, a keep alive of a minute, and a session that ends with it.
    #[must_use]
    pub const fn new(client_id: &'a str) -> Self {
        Self {
            client_id,
            clean_start: true,
            keep_alive_s: 60,
            session_expiry_s: 0,
            receive_maximum: RECEIVE_MAXIMUM,
            credentials: None,
            will: None,
            user_properties: &[],
            response_timeout_ms: 10_000,
        }
    }

    /// Puts the body.
    pub(super) fn put(&self, writer: &mut Writer<'_>, packet_bytes_max: u32) {
        let takes = self.receive_maximum > 0 && self.receive_maximum <= RECEIVE_MAXIMUM;
        writer.require(takes, Misuse::ReceiveMaximum);
        // Name and version of the protocol.
        writer.bytes(b"\0\x04MQTT\x05");
        writer.u8(self.flags());
        writer.u16(self.keep_alive_s);
        let mut list = Writer::counter();
        self.put_properties(&mut list, packet_bytes_max);
        writer.variable(list.count());
        self.put_properties(writer, packet_bytes_max);
        writer.text(self.client_id);
        if let Some(will) = &self.will {
            let mut list = Writer::counter();
            will.put_properties(&mut list);
            writer.variable(list.count());
            will.put_properties(writer);
            writer.topic(will.message.topic);
            writer.data(will.message.payload);
        }
        if let Some(credentials) = &self.credentials {
            writer.text(credentials.username);
            writer.data(credentials.password);
        }
    }

    fn put_properties(&self, writer: &mut Writer<'_>, packet_bytes_max: u32) {
        if self.session_expiry_s > 0 {
            property::put_u32(writer, property::SESSION_EXPIRY, self.session_expiry_s);
        }
        property::put_u16(writer, property::RECEIVE_MAXIMUM, self.receive_maximum);
        property::put_u32(writer, property::MAXIMUM_PACKET_SIZE, packet_bytes_max);
        property::put_user(writer, self.user_properties);
    }

    fn flags(&self) -> u8 {
        let mut flags = u8::from(self.clean_start) << 1;
        if self.credentials.is_some() {
            flags |= 0xc0;
        }
        if let Some(will) = &self.will {
            let qos: Qos = will.message.qos;
            flags |= 4 | ((qos as u8) << 3) | (u8::from(will.message.retain) << 5);
        }
        flags
    }
}
