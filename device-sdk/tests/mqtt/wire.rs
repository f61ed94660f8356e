//! What the tests have of a wire: packets built by hand, and events that own what they say.

use fleetfn_device::mqtt::{Client, Connect, Event, Violation};

/// A packet with that first byte and body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    loop {
        let byte = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        out.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

/// CONNACK with a list of properties.
pub(crate) fn connack(session_present: bool, properties: &[u8]) -> Vec<u8> {
    let len = u8::try_from(properties.len()).expect("short");
    packet(0x20, &[&[u8::from(session_present), 0, len], properties].concat())
}

/// PUBLISH on topic `t` without properties.
pub(crate) fn publish(qos: u8, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = b"\0\x01t".to_vec();
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.push(0);
    body.extend(payload);
    packet(0x30 | qos << 1, &body)
}

/// An acknowledgement of success.
pub(crate) fn ack(first: u8, id: u16) -> Vec<u8> {
    packet(first, &id.to_be_bytes())
}

/// An [`Event`] or [`Violation`] that owns what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Connected { session_present: bool },
    Refused(u8),
    Message { topic: String, payload: Vec<u8>, qos: u8, duplicate: bool, user: Vec<(String, String)> },
    Acknowledged(u16, u8),
    Lost(u16),
    Subscribed(u16, Vec<u8>),
    Unsubscribed(u16, Vec<u8>),
    Disconnected(u8),
    Violated(Violation),
}

/// A message as [`publish`] makes it.
pub(crate) fn message(qos: u8, duplicate: bool, payload: &[u8]) -> Seen {
    Seen::Message { topic: "t".into(), payload: payload.to_vec(), qos, duplicate, user: Vec::new() }
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        match event {
            Event::Connected(connack) => Self::Connected { session_present: connack.session_present },
            Event::Refused(connack) => Self::Refused(connack.reason.code()),
            Event::Message(message) => Self::Message {
                topic: message.topic.to_owned(),
                payload: message.payload.to_vec(),
                qos: message.qos as u8,
                duplicate: message.duplicate,
                user: message.user_properties().map(own).collect(),
            },
            Event::Acknowledged { id, reason } => Self::Acknowledged(id.get(), reason.code()),
            Event::Lost { id } => Self::Lost(id.get()),
            Event::Subscribed { id, grants } => {
                Self::Subscribed(id.get(), grants.iter().map(|reason| reason.code()).collect())
            }
            Event::Unsubscribed { id, grants } => {
                Self::Unsubscribed(id.get(), grants.iter().map(|reason| reason.code()).collect())
            }
            Event::Disconnected(disconnect) => Self::Disconnected(disconnect.reason.code()),
        }
    }
}

/// Everything that the client wants written now, written.
pub(crate) fn written(client: &mut Client<'_>, now_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(bytes) = client.poll_transmit() {
        let count = bytes.len();
        assert_ne!(count, 0, "there is something to write");
        out.extend_from_slice(bytes);
        client.handle_transmitted(count, now_ms);
    }
    out
}

/// Everything that happens without more bytes.
pub(crate) fn events(client: &mut Client<'_>) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        match client.poll_event() {
            Ok(None) => return seen,
            Ok(Some(event)) => seen.push(event.into()),
            Err(violation) => seen.push(Seen::Violated(violation)),
        }
    }
}

/// Hands in bytes, all of them, and returns what happens; what the client writes meanwhile is dropped.
pub(crate) fn received(client: &mut Client<'_>, bytes: &[u8]) -> Vec<Seen> {
    let (mut rest, mut seen) = (bytes, Vec::new());
    loop {
        let count = client.handle_bytes(rest, 0);
        rest = &rest[count..];
        let before = seen.len();
        seen.append(&mut events(client));
        if rest.is_empty() || (count == 0 && seen.len() == before && written(client, 0).is_empty()) {
            return seen;
        }
    }
}

/// A client that the server has accepted with those properties of CONNACK.
pub(crate) fn online<'b>(receive: &'b mut [u8], send: &'b mut [u8], properties: &[u8]) -> Client<'b> {
    let mut client = Client::new(receive, send);
    reconnect(&mut client, false, properties);
    client
}

/// Another connection of a client, as the server answers it.
pub(crate) fn reconnect(client: &mut Client<'_>, session_present: bool, properties: &[u8]) {
    client.handle_closed();
    client.connect(&Connect { clean_start: false, ..Connect::new("d1") }, 0).expect("it may connect");
    assert_eq!(written(client, 0)[0], 0x10);
    assert_eq!(client.handle_bytes(&connack(session_present, properties), 0), 5 + properties.len());
    let event = client.poll_event().expect("no violation").map(Seen::from);
    assert_eq!(event, Some(Seen::Connected { session_present }));
}
