//! A client that sends whatever bytes a test wants and shows the packets that come back.

use crate::backend::PATIENCE;
use fleetfn_broker::Broker;
use fleetfn_protocol::DeviceId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Which standard a client speaks, as the level of its CONNECT.
pub(crate) const V3: u8 = 4;
pub(crate) const V5: u8 = 5;

/// A packet with its fixed header.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest % 128).expect("seven bits");
        rest /= 128;
        out.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

/// Text behind its length.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut out = u16::try_from(text.len()).expect("short").to_be_bytes().to_vec();
    out.extend_from_slice(text.as_bytes());
    out
}

/// What a CONNECT says.
pub(crate) struct Connect<'a> {
    pub(crate) level: u8,
    pub(crate) client_id: &'a str,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) keep_alive_s: u16,
    /// Topic and payload, with QoS 1.
    pub(crate) will: Option<(&'a str, &'a str)>,
    /// MQTT 5 properties without their length.
    pub(crate) properties: &'a [u8],
}

impl<'a> Connect<'a> {
    pub(crate) fn new(level: u8, user: &'a str) -> Self {
        Self {
            level,
            client_id: user,
            user,
            password: "secret",
            keep_alive_s: 0,
            will: None,
            properties: &[],
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = text("MQTT");
        let will = if self.will.is_some() { 0x0c } else { 0 };
        body.extend([self.level, 0xc2 | will]);
        body.extend(self.keep_alive_s.to_be_bytes());
        if self.level == V5 {
            body.push(u8::try_from(self.properties.len()).expect("few"));
            body.extend(self.properties);
        }
        body.extend(text(self.client_id));
        if let Some((topic, payload)) = self.will {
            if self.level == V5 {
                body.push(0);
            }
            body.extend(text(topic));
            body.extend(text(payload));
        }
        body.extend(text(self.user));
        body.extend(text(self.password));
        packet(0x10, &body)
    }
}

/// A PUBLISH; QoS 1 if it has an id.
pub(crate) fn publish(level: u8, topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    publish_with(level, topic, id, &[], payload)
}

/// A PUBLISH with MQTT 5 properties.
pub(crate) fn publish_with(level: u8, topic: &str, id: u16, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut body = text(topic);
    if id != 0 {
        body.extend(id.to_be_bytes());
    }
    if level == V5 {
        body.push(u8::try_from(properties.len()).expect("few"));
        body.extend(properties);
    }
    body.extend(payload);
    packet(if id == 0 { 0x30 } else { 0x32 }, &body)
}

/// A SUBSCRIBE for one filter.
pub(crate) fn subscribe(level: u8, id: u16, filter: &str, options: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if level == V5 {
        body.push(0);
    }
    body.extend(text(filter));
    body.push(options);
    packet(0x82, &body)
}

/// A PUBACK.
pub(crate) fn puback(id: u16) -> Vec<u8> {
    packet(0x40, &id.to_be_bytes())
}

/// A user property.
pub(crate) fn user(name: &str, value: &str) -> Vec<u8> {
    [vec![0x26], text(name), text(value)].concat()
}

/// One end of a connection.
pub(crate) struct Wire {
    pub(crate) level: u8,
    stream: TcpStream,
    /// The CONNACK.
    pub(crate) greeting: Vec<u8>,
}

impl Wire {
    /// A connection on which nothing was sent yet.
    pub(crate) async fn dial(broker: &Broker) -> Self {
        let stream = TcpStream::connect(broker.address()).await.expect("the broker listens");
        stream.set_nodelay(true).expect("a socket option");
        Self { level: V3, stream, greeting: Vec::new() }
    }

    /// A connection on which a CONNECT was sent and answered.
    pub(crate) async fn greet(broker: &Broker, connect: &Connect<'_>) -> Self {
        let mut wire = Self::dial(broker).await;
        wire.level = connect.level;
        wire.send(&connect.bytes()).await;
        wire.greeting = wire.packet().await.expect("a CONNACK");
        wire
    }

    /// A client that was let in.
    pub(crate) async fn connect(broker: &Broker, level: u8, user: &str) -> Self {
        let wire = Self::greet(broker, &Connect::new(level, user)).await;
        assert_eq!(wire.greeting[2..4], [0, 0], "let in");
        wire
    }

    /// A client that listens to all that its device is sent, or to `filter`.
    pub(crate) async fn subscribed(broker: &Broker, level: u8, user: &str, filter: &str) -> Self {
        let mut wire = Self::connect(broker, level, user).await;
        wire.subscribe(filter, 1).await;
        if let Ok(device) = DeviceId::parse(user) {
            broker.mailboxes().begin(&device);
        }
        wire
    }

    pub(crate) async fn subscribe(&mut self, filter: &str, options: u8) {
        self.send(&subscribe(self.level, 9, filter, options)).await;
        let answer = self.packet().await.expect("a SUBACK");
        assert_eq!((answer[0], answer.last()), (0x90, Some(&(options & 3))), "{filter} is granted");
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the connection stands");
    }

    /// Sends what the broker may not want to read to its end.
    pub(crate) async fn throw(&mut self, bytes: &[u8]) {
        // It closes as soon as it has seen enough.
        let _ = self.stream.write_all(bytes).await;
    }

    pub(crate) async fn publish(&mut self, topic: &str, id: u16, payload: &str) {
        let bytes = publish(self.level, topic, id, payload.as_bytes());
        self.send(&bytes).await;
    }

    /// The next packet; `None` at the end of the connection.
    pub(crate) async fn packet(&mut self) -> Option<Vec<u8>> {
        tokio::time::timeout(PATIENCE, self.read_packet()).await.expect("a packet or the end, in time")
    }

    async fn read_packet(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![self.stream.read_u8().await.ok()?];
        let (mut len, mut shift) = (0_usize, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            packet.push(byte);
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let start = packet.len();
        packet.resize(start + len, 0);
        self.stream.read_exact(&mut packet[start..]).await.ok()?;
        Some(packet)
    }

    /// The next packet must be this.
    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        let packet = self.packet().await;
        assert_eq!(packet.as_deref(), Some(bytes));
    }

    /// The next packet must be the PUBACK of this id.
    pub(crate) async fn expect_puback(&mut self, id: u16) {
        self.expect(&puback(id)).await;
    }

    /// Nothing must have come: a PINGREQ is answered before anything else.
    pub(crate) async fn expect_silence(&mut self) {
        self.send(&[0xc0, 0]).await;
        self.expect(&[0xd0, 0]).await;
    }

    /// The connection must end, on MQTT 5 with this reason.
    pub(crate) async fn expect_end(&mut self, reason: u8) {
        if self.level == V5 {
            self.expect(&[0xe0, 1, reason]).await;
        }
        assert_eq!(self.packet().await, None, "the end");
    }

    /// The next packet must be a PUBLISH: its topic, packet id, properties and payload.
    pub(crate) async fn message(&mut self) -> Message {
        let packet = self.packet().await.expect("a PUBLISH");
        assert_eq!(packet[0] >> 4, 3, "a PUBLISH, not {packet:x?}");
        let header = 1 + packet[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
        let body = &packet[header..];
        let topic_len = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, mut rest) = body[2..].split_at(topic_len);
        let mut id = 0;
        if packet[0] & 6 != 0 {
            id = u16::from_be_bytes([rest[0], rest[1]]);
            rest = &rest[2..];
        }
        let mut properties = Vec::new();
        if self.level == V5 {
            let len = usize::from(rest[0]);
            properties = rest[1..=len].to_vec();
            rest = &rest[1 + len..];
        }
        let topic = String::from_utf8(topic.to_vec()).expect("text");
        Message { topic, id, properties, payload: rest.to_vec() }
    }
}

/// A PUBLISH that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) id: u16,
    pub(crate) properties: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}
