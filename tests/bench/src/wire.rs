//! As much of MQTT 3.1.1 as a load generator needs, written straight into and read straight from buffers.

use anyhow::{Result, bail};

/// What a broker sends to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet {
    /// The connection is accepted.
    Connected,
    /// A subscription is accepted.
    Subscribed,
    /// A PUBLISH with QoS 1 is taken over.
    PubAck,
    /// A message for the device; `packet_id` is 0 for QoS 0.
    Publish { packet_id: u16 },
    /// Anything else (PINGRESP).
    Other,
}

/// Appends CONNECT with a clean session.
pub(crate) fn connect(out: &mut Vec<u8>, client_id: &str, password: &str, keep_alive_s: u16) {
    let mut body = Vec::with_capacity(64);
    text(&mut body, "MQTT");
    body.extend_from_slice(&[4, 0b1100_0010]);
    body.extend_from_slice(&keep_alive_s.to_be_bytes());
    text(&mut body, client_id);
    text(&mut body, client_id);
    text(&mut body, password);
    frame(out, 0x10, &body);
}

/// Appends SUBSCRIBE for one filter with QoS 1.
pub(crate) fn subscribe(out: &mut Vec<u8>, filter: &str) {
    let mut body = vec![0, 1];
    text(&mut body, filter);
    body.push(1);
    frame(out, 0x82, &body);
}

/// A PUBLISH with QoS 1, and where its packet id stands in it.
pub(crate) fn publish(topic: &str, payload: &[u8]) -> (Vec<u8>, usize) {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    text(&mut body, topic);
    let id_from_end = 2 + payload.len();
    body.extend_from_slice(&[0, 0]);
    body.extend_from_slice(payload);
    let mut out = Vec::new();
    frame(&mut out, 0x32, &body);
    let id_at = out.len() - id_from_end;
    (out, id_at)
}

/// Appends PUBACK.
pub(crate) fn puback(out: &mut Vec<u8>, packet_id: u16) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[0x40, 2, high, low]);
}

/// The first packet in `buffer` and its length; `None` when it is not all there yet.
///
/// # Errors
/// When the broker refuses, or sends what is not MQTT.
pub(crate) fn next(buffer: &[u8]) -> Result<Option<(Packet, usize)>> {
    let Some((&first, rest)) = buffer.split_first() else { return Ok(None) };
    let mut length = 0_usize;
    let mut header = 1;
    for (index, &byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        header += 1;
        if byte & 0x80 == 0 {
            let Some(body) = buffer.get(header..header + length) else { return Ok(None) };
            return Ok(Some((packet(first, body)?, header + length)));
        }
    }
    if rest.len() >= 4 { bail!("a remaining length of more than 4 bytes") } else { Ok(None) }
}

fn packet(first: u8, body: &[u8]) -> Result<Packet> {
    Ok(match (first >> 4, body) {
        (2, [_, 0]) => Packet::Connected,
        (2, [_, code]) => bail!("CONNACK refuses with code {code}"),
        (9, [_, _, 0x80]) => bail!("SUBACK refuses"),
        (9, _) => Packet::Subscribed,
        (4, _) => Packet::PubAck,
        (3, _) if first & 0b110 == 0 => Packet::Publish { packet_id: 0 },
        (3, [high, low, rest @ ..]) => {
            let topic = usize::from(u16::from_be_bytes([*high, *low]));
            let Some(&[high, low]) = rest.get(topic..topic + 2) else { bail!("a PUBLISH without packet id") };
            Packet::Publish { packet_id: u16::from_be_bytes([high, low]) }
        }
        _ => Packet::Other,
    })
}

fn text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("names and topics here are short");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn frame(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    out.push(first);
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7f).expect("7 bits fit");
        length >>= 7;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_only_when_it_is_all_there() {
        let (mut bytes, id_at) = publish("devices/a/commands/count", &[7; 200]);
        bytes[id_at..id_at + 2].copy_from_slice(&[1, 2]);
        for end in 0..bytes.len() {
            assert_eq!(next(&bytes[..end]).expect("well formed"), None);
        }
        let whole = (Packet::Publish { packet_id: 0x0102 }, bytes.len());
        assert_eq!(next(&bytes).expect("well formed"), Some(whole));
    }

    #[test]
    fn a_refusal_is_an_error() {
        assert!(next(&[0x20, 2, 0, 5]).is_err());
        assert_eq!(next(&[0x20, 2, 0, 0]).expect("well formed"), Some((Packet::Connected, 4)));
    }
}
