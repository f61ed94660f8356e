//! Puts fields into a buffer, or counts what they would take: the same code does both, so that a length that is
//! written ahead is the length that follows.

/// A place to write to. Past its end it only counts.
pub(super) struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

/// What puts the body of a packet, or a list of properties.
pub(super) type Body<'f> = &'f dyn Fn(&mut Writer<'_>);

/// Longest body of a packet in bytes (MQTT 5, section 2.1.4).
const BODY_BYTES_MAX: usize = 268_435_455;

impl<'a> Writer<'a> {
    const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    fn count(body: Body<'_>) -> usize {
        let mut writer = Writer::new(&mut []);
        body(&mut writer);
        writer.len
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.buffer.get_mut(self.len..end) {
            room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        }
        self.len = end;
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// A variable byte integer (MQTT 5, section 1.5.5) of at most four bytes.
    pub(super) fn variable(&mut self, value: usize) {
        let mut rest = value;
        for _ in 0..4 {
            let [byte, ..] = rest.to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                return self.u8(byte & 0x7f);
            }
            self.u8(byte | 0x80);
        }
    }

    /// Text or data behind a length of two bytes. Callers have checked the length with [`fits`].
    pub(super) fn data(&mut self, data: &[u8]) {
        self.u16(u16::try_from(data.len()).unwrap_or(u16::MAX));
        self.bytes(data);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.data(text.as_bytes());
    }

    /// A list of properties behind its length.
    pub(super) fn properties(&mut self, list: Body<'_>) {
        self.variable(Self::count(list));
        list(self);
    }
}

/// Whether data can stand behind a length of two bytes.
pub(super) const fn fits(data: &[u8]) -> bool {
    data.len() <= 0xffff
}

/// Whether text can be sent: it fits, and holds no U+0000 (MQTT 5, section 1.5.4).
pub(super) fn is_text(text: &str) -> bool {
    fits(text.as_bytes()) && super::topic::is_without_null(text.as_bytes())
}

/// Bytes of a whole packet with that body.
pub(super) fn packet_bytes(body: Body<'_>) -> usize {
    let len = Writer::count(body);
    let header = Writer::count(&|writer| writer.variable(len));
    len.saturating_add(header).saturating_add(1)
}

/// Writes a whole packet to the start of `buffer`; `None` if it does not fit.
pub(super) fn put_packet(buffer: &mut [u8], first: u8, body: Body<'_>) -> Option<usize> {
    let room = buffer.len();
    let len = Writer::count(body);
    let mut writer = Writer::new(buffer);
    writer.u8(first);
    writer.variable(len);
    body(&mut writer);
    (writer.len <= room && len <= BODY_BYTES_MAX).then_some(writer.len)
}
