//! A server that is a model: it accepts, acknowledges, and notes what was published, with the id it came under.

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrived {
    pub(crate) topic: String,
    pub(crate) id: String,
    pub(crate) payload: Vec<u8>,
}

/// What arrived, over all connections and all of the device's lives.
#[derive(Default)]
pub(crate) struct Server {
    pub(crate) arrived: Vec<Arrived>,
    /// Reason code of its acknowledgements.
    pub(crate) reason: u8,
}

impl Server {
    /// Takes one packet and answers it; with `silent` it notes the message and does not acknowledge.
    pub(crate) fn take(&mut self, packet: &[u8], silent: bool) -> Vec<u8> {
        let mut rest = &packet[1..];
        let len = variable(&mut rest);
        assert_eq!(rest.len(), len, "one packet at a time");
        match packet[0] >> 4 {
            1 => b"\x20\x03\0\0\0".to_vec(),
            3 => {
                let topic = text(&mut rest);
                let id = [take(&mut rest, 1)[0], take(&mut rest, 1)[0]];
                let property_bytes = variable(&mut rest);
                let mut properties = take(&mut rest, property_bytes);
                let mut message_id = String::new();
                while !properties.is_empty() {
                    assert_eq!(take(&mut properties, 1), [0x26], "only user properties");
                    let (name, value) = (text(&mut properties), text(&mut properties));
                    assert_eq!(name, "id");
                    message_id = value;
                }
                self.arrived.push(Arrived { topic, id: message_id, payload: rest.to_vec() });
                if silent { Vec::new() } else { vec![0x40, 3, id[0], id[1], self.reason] }
            }
            8 => vec![0x90, 5, rest[0], rest[1], 0, 1, 1],
            12 => b"\xd0\0".to_vec(),
            _ => Vec::new(),
        }
    }

    /// What arrived, each id once, as the engine keeps it.
    pub(crate) fn once(&self) -> Vec<Arrived> {
        let mut seen = std::collections::BTreeMap::new();
        let mut once = Vec::new();
        for message in &self.arrived {
            match seen.insert(message.id.clone(), message.clone()) {
                None => once.push(message.clone()),
                Some(first) => assert_eq!(first, *message, "an id is used once"),
            }
        }
        once
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}

fn text(rest: &mut &[u8]) -> String {
    let len = take(rest, 2);
    let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
    String::from_utf8(take(rest, len).to_vec()).expect("it is text")
}

fn variable(rest: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = take(rest, 1)[0];
        value |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}
