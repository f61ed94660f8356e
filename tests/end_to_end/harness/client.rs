//! A raw MQTT 3.1.1 client on a blocking socket: sends exactly the bytes that a test wants, reads packets.

use super::PATIENCE;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A packet from the server, as far as tests look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    /// CONNACK with its return code.
    ConnAck(u8),
    /// SUBACK with the code of the first filter.
    SubAck(u8),
    /// PUBACK.
    PubAck(u16),
    /// PUBLISH; the packet id is 0 with QoS 0.
    Publish {
        /// Topic name.
        topic: String,
        /// Packet id.
        packet_id: u16,
        /// Application message.
        payload: Vec<u8>,
    },
    /// PINGRESP.
    PingResp,
    /// Anything else, by its first byte, with its body.
    Other(u8, Vec<u8>),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    /// A TCP connection, before CONNECT.
    pub(crate) fn dial(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, input: Vec::new() })
    }

    /// A session of a device; an error unless CONNACK accepts it.
    pub(crate) fn connect(address: SocketAddr, device: &str, token: &str) -> io::Result<Self> {
        Self::connect_as(address, device, device, token)
    }

    /// As [`Client::connect`], with a client id of its own.
    pub(crate) fn connect_as(
        address: SocketAddr,
        client_id: &str,
        device: &str,
        token: &str,
    ) -> io::Result<Self> {
        let mut client = Self::dial(address)?;
        client.send(&connect(client_id, device, token.as_bytes()))?;
        match client.read()? {
            Packet::ConnAck(0) => Ok(client),
            refused => Err(io::Error::other(format!("refused: {refused:?}"))),
        }
    }

    /// Subscribes with QoS 1 and returns the code of SUBACK; nothing else may come before it.
    pub(crate) fn subscribe(&mut self, filter: &str) -> io::Result<u8> {
        self.send(&subscribe(filter))?;
        match self.read()? {
            Packet::SubAck(code) => Ok(code),
            other => Err(io::Error::other(format!("not a SUBACK: {other:?}"))),
        }
    }

    /// Publishes with QoS 1 without waiting for the PUBACK.
    pub(crate) fn publish(&mut self, topic: &str, packet_id: u16, payload: &[u8]) -> io::Result<()> {
        self.send(&publish(topic.as_bytes(), packet_id, payload))
    }

    /// Acknowledges a command.
    pub(crate) fn acknowledge(&mut self, packet_id: u16) -> io::Result<()> {
        let [high, low] = packet_id.to_be_bytes();
        self.send(&[0x40, 2, high, low])
    }

    /// Any bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Ends the sending half of the connection.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// The next packet; an error when the connection ends.
    pub(crate) fn read(&mut self) -> io::Result<Packet> {
        loop {
            if let Some(packet) = self.take() {
                return Ok(packet);
            }
            self.fill()?;
        }
    }

    /// The next packet if it comes within `wait`.
    pub(crate) fn read_within(&mut self, wait: Duration) -> io::Result<Option<Packet>> {
        if let Some(packet) = self.take() {
            return Ok(Some(packet));
        }
        self.stream.set_read_timeout(Some(wait))?;
        let filled = self.fill();
        self.stream.set_read_timeout(Some(PATIENCE))?;
        match filled {
            Ok(()) => Ok(self.take()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads until the server ends the connection, and returns what came before.
    pub(crate) fn read_to_end(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        loop {
            match self.read() {
                Ok(packet) => packets.push(packet),
                Err(error) => {
                    let timed_out = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                    assert!(!timed_out, "the server kept the connection open; it sent {packets:?}");
                    return packets;
                }
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => {
                self.input.extend_from_slice(&bytes[..read]);
                Ok(())
            }
        }
    }

    fn take(&mut self) -> Option<Packet> {
        let (header, length) = remaining_length(&self.input)?;
        let bytes: Vec<u8> =
            (self.input.len() >= header + length).then(|| self.input.drain(..header + length).collect())?;
        let body = &bytes[header..];
        Some(match bytes[0] >> 4 {
            2 if body.len() >= 2 => Packet::ConnAck(body[1]),
            3 => parse_publish(bytes[0], body),
            4 if body.len() >= 2 => Packet::PubAck(u16::from_be_bytes([body[0], body[1]])),
            9 if body.len() >= 3 => Packet::SubAck(body[2]),
            13 => Packet::PingResp,
            _ => Packet::Other(bytes[0], body.to_vec()),
        })
    }
}

fn remaining_length(input: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (index, byte) in input.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((index + 2, length));
        }
    }
    None
}

fn parse_publish(first: u8, body: &[u8]) -> Packet {
    let topic_bytes = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8_lossy(&body[2..2 + topic_bytes]).into_owned();
    let rest = &body[2 + topic_bytes..];
    if first & 0b110 == 0 {
        return Packet::Publish { topic, packet_id: 0, payload: rest.to_vec() };
    }
    Packet::Publish { topic, packet_id: u16::from_be_bytes([rest[0], rest[1]]), payload: rest[2..].to_vec() }
}

/// The bytes of a CONNECT with a clean session.
pub(crate) fn connect(client_id: &str, username: &str, password: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, b"MQTT");
    body.extend_from_slice(&[4, 0b1100_0010, 0, 60]);
    text(&mut body, client_id.as_bytes());
    text(&mut body, username.as_bytes());
    text(&mut body, password);
    packet(0x10, &body)
}

/// The bytes of a SUBSCRIBE to one filter with QoS 1.
pub(crate) fn subscribe(filter: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    text(&mut body, filter.as_bytes());
    body.push(1);
    packet(0x82, &body)
}

/// The bytes of a PUBLISH with QoS 1.
pub(crate) fn publish(topic: &[u8], packet_id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend_from_slice(&packet_id.to_be_bytes());
    body.extend_from_slice(payload);
    packet(0x32, &body)
}

/// The bytes of a packet: first byte, remaining length, body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7f).expect("7 bits");
        length >>= 7;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

/// Appends a length-prefixed string, whatever bytes it holds.
pub(crate) fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&u16::try_from(text.len()).expect("at most 65,535 bytes").to_be_bytes());
    out.extend_from_slice(text);
}
