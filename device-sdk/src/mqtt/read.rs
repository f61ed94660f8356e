//! Takes fields off the body of a packet; whatever does not fit is a violation.
//!
//! A reader keeps the first violation, and what is read behind it is empty or zero. So a packet is read to its end and asked
//! once whether it was one, which takes a third of the code that asking after every field does.

use super::violation::Violation;

/// What is left of a body, and what was wrong before.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    violation: Option<Violation>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body, violation: None }
    }

    /// Whether nothing is left, as behind a violation.
    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Nothing more is read. The first violation counts.
    /// Out of line, which saves 136 bytes on thumbv6m.
    #[inline(never)]
    pub(super) fn fail(&mut self, violation: Violation) {
        self.rest = &[];
        self.violation = self.violation.or(Some(violation));
    }

    /// Without this it is a violation. Out of line, which saves 18 bytes on thumbv7em.
    #[inline(never)]
    pub(super) fn require(&mut self, holds: bool, violation: Violation) {
        if !holds {
            self.fail(violation);
        }
    }

    /// Whether all was well so far.
    pub(super) fn check(&self) -> Result<(), Violation> {
        self.violation.map_or(Ok(()), Err)
    }

    /// Whether all was well, and nothing is left.
    pub(super) fn end(&mut self) -> Result<(), Violation> {
        self.require(self.rest.is_empty(), Violation::TooLong);
        self.check()
    }

    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                taken
            }
            None => {
                self.fail(Violation::CutShort);
                &[]
            }
        }
    }

    /// A number of up to four bytes.
    pub(super) fn number(&mut self, bytes: usize) -> u32 {
        self.take(bytes).iter().fold(0, |number, byte| (number << 8) | u32::from(*byte))
    }

    pub(super) fn u8(&mut self) -> u8 {
        let [.., byte] = self.number(1).to_be_bytes();
        byte
    }

    pub(super) fn u16(&mut self) -> u16 {
        let [.., high, low] = self.number(2).to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// A variable byte integer in its shortest form (MQTT 5, section 1.5.5).
    pub(super) fn variable(&mut self) -> u32 {
        let mut number = 0;
        for index in 0_u32..4 {
            let byte = self.u8();
            number |= u32::from(byte & 0x7f) << index.wrapping_mul(7);
            if byte & 0x80 == 0 {
                self.require(index == 0 || byte != 0, Violation::Number);
                return number;
            }
        }
        self.fail(Violation::Number);
        0
    }

    /// Data behind a length of two bytes.
    pub(super) fn data(&mut self) -> &'a [u8] {
        let len = self.u16();
        self.take(usize::from(len))
    }

    /// UTF-8 text without U+0000 (MQTT 5, section 1.5.4).
    pub(super) fn text(&mut self) -> &'a str {
        let data = self.data();
        let text = fleetfn_protocol::text(data).filter(|_| super::topic::is_without_null(data));
        self.require(text.is_some(), Violation::Text);
        text.unwrap_or_default()
    }

    /// A packet id, which is never 0 (MQTT 5, section 2.2.1).
    pub(super) fn packet_id(&mut self) -> u16 {
        let id = self.u16();
        self.require(id != 0, Violation::PacketIdZero);
        id
    }
}
