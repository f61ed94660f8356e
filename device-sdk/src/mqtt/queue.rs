//! Packets that wait to be written or acknowledged, in a buffer of the caller's, in the order in which they came.
//!
//! The buffer holds records without gaps: a header of eight bytes, then the packet as it goes over the wire.
//! ```text
//! length of the packet: 4 | packet identifier, 0 for none: 2 | kind: 1 | state: 1 | packet
//! ```
//! A record that is done is closed up by moving what follows it. A repeated PUBLISH has DUP set in its bytes: whether it
//! was ever on its way is kept nowhere else.

use super::connack::Limits;
use super::error::{Error, Misuse, Shortage};
use super::outgoing::Outgoing;
use super::write::{Writer, put_packet};
use core::cell::Cell;

const HEADER_BYTES: usize = 8;
const STATE_AT: usize = 7;

/// Length of a PUBREL of success.
const RELEASE_BYTES: usize = 4;

/// DUP in the first byte of a PUBLISH.
const DUP: u8 = 0x08;

/// What a record is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// PUBLISH of QoS 0: until it is written.
    Once = 0,
    /// PUBLISH of QoS 1: until PUBACK.
    AtLeastOnce = 1,
    /// PUBLISH of QoS 2: until PUBREC.
    ExactlyOnce = 2,
    /// PUBREL: until PUBCOMP.
    Release = 3,
    /// Until SUBACK.
    Subscribe = 4,
    /// Until UNSUBACK.
    Unsubscribe = 5,
}

impl Kind {
    const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::AtLeastOnce,
            2 => Self::ExactlyOnce,
            3 => Self::Release,
            4 => Self::Subscribe,
            5 => Self::Unsubscribe,
            _ => Self::Once,
        }
    }

    /// Whether it waits for the next connection if this one ends.
    pub(super) const fn outlives_connection(self) -> bool {
        matches!(self, Self::AtLeastOnce | Self::ExactlyOnce | Self::Release)
    }

    /// Whether it counts against what the server takes at once.
    const fn takes_quota(self) -> bool {
        matches!(self, Self::AtLeastOnce | Self::ExactlyOnce)
    }
}

/// How far a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    Waiting = 0,
    /// A part of it may have been written; at most one record is here.
    Writing = 1,
    /// Written, not acknowledged.
    Sent = 2,
    /// It will never be sent; the caller has to be told.
    Lost = 3,
}

impl State {
    const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Writing,
            2 => Self::Sent,
            3 => Self::Lost,
            _ => Self::Waiting,
        }
    }
}

/// Where a record is, and its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    at: usize,
    packet_bytes: usize,
    pub(super) id: u16,
    pub(super) kind: Kind,
    pub(super) state: State,
}

impl Record {
    /// Whether the server counts it against what it takes at once, until it is acknowledged (MQTT 5, section 4.9). A
    /// release counts from the connection on which its message went, whatever happened since.
    fn is_on_its_way(&self) -> bool {
        match self.kind {
            Kind::AtLeastOnce | Kind::ExactlyOnce => matches!(self.state, State::Writing | State::Sent),
            Kind::Release => self.state != State::Lost,
            Kind::Once | Kind::Subscribe | Kind::Unsubscribe => false,
        }
    }

    const fn end(&self) -> usize {
        self.at.wrapping_add(HEADER_BYTES).wrapping_add(self.packet_bytes)
    }
}

/// The records, oldest first.
pub(super) struct Queue<'b> {
    bytes: &'b mut [u8],
    used: usize,
}

impl<'b> Queue<'b> {
    pub(super) const fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, used: 0 }
    }

    // Out of line, which saves 20 bytes on thumbv6m.
    #[inline(never)]
    fn records(&self) -> Records<'_> {
        Records { filled: self.bytes.get(..self.used).unwrap_or_default(), at: 0 }
    }

    /// The packet with that identifier, if one is in use.
    pub(super) fn with_id(&self, id: u16) -> Option<Record> {
        self.records().find(|record| record.id == id)
    }

    /// The oldest packet that is so far.
    pub(super) fn in_state(&self, state: State) -> Option<Record> {
        self.records().find(|record| record.state == state)
    }

    /// The oldest packet that may go. If the server takes no more at once, no PUBLISH of QoS 1 or 2 may, so none
    /// overtakes another.
    pub(super) fn next(&self, receive_maximum: u16) -> Option<Record> {
        let on_their_way = self.records().filter(Record::is_on_its_way).count();
        let has_quota = on_their_way < usize::from(receive_maximum);
        self.records()
            .find(|record| record.state == State::Waiting && (has_quota || !record.kind.takes_quota()))
    }

    // Out of line, which saves 44 bytes on thumbv6m.
    #[inline(never)]
    pub(super) fn packet(&self, record: &Record) -> &[u8] {
        self.bytes.get(record.at.wrapping_add(HEADER_BYTES)..record.end()).unwrap_or_default()
    }

    /// The first byte of the packet: kind, DUP, QoS and retain.
    fn first(&self, record: &Record) -> u8 {
        self.packet(record).first().copied().unwrap_or_default()
    }

    /// Appends a packet, if the server takes one of that length.
    pub(super) fn push(
        &mut self,
        kind: Kind,
        id: u16,
        packet: &Outgoing<'_>,
        packet_bytes: usize,
    ) -> Result<(), Error> {
        let whole = packet_bytes.saturating_add(HEADER_BYTES);
        if whole > self.bytes.len() {
            return Err(Misuse::LongerThanBuffer.into());
        }
        let end = self.used.wrapping_add(whole);
        let mut writer = Writer::new(self.bytes.get_mut(self.used..end).ok_or(Shortage::SendBuffer)?);
        writer.u32(u32::try_from(packet_bytes).unwrap_or_default());
        writer.u16(id);
        writer.u8(kind as u8);
        writer.u8(State::Waiting as u8);
        put_packet(&mut writer, packet, id);
        self.used = end;
        Ok(())
    }

    // Out of line, which saves 72 bytes on thumbv6m.
    #[inline(never)]
    pub(super) fn set_state(&mut self, record: &Record, state: State) {
        if let Some(byte) = self.bytes.get_mut(record.at.wrapping_add(STATE_AT)) {
            *byte = state as u8;
        }
    }

    fn set_repeated(&mut self, record: &Record, repeated: bool) {
        if let Some(first) = self.bytes.get_mut(record.at.wrapping_add(HEADER_BYTES)) {
            *first = if repeated { *first | DUP } else { *first & !DUP };
        }
    }

    pub(super) fn remove(&mut self, record: &Record) {
        let size = record.end().wrapping_sub(record.at);
        let tail = self.bytes.get_mut(record.at..self.used).unwrap_or_default();
        let cells = Cell::from_mut(tail).as_slice_of_cells();
        let moved = cells.get(size..).unwrap_or_default();
        cells.iter().zip(moved).for_each(|(to, from)| to.set(from.get()));
        self.used = self.used.wrapping_sub(size);
    }

    /// Puts PUBREL in the place of a PUBLISH, behind all others: PUBRELs go in the order of their PUBRECs (MQTT 5,
    /// section 4.6).
    pub(super) fn release(&mut self, record: &Record) {
        let id = record.id;
        self.remove(record);
        // Cannot fail: a PUBLISH of QoS 2 was there, which has at least eight bytes.
        let _ = self.push(Kind::Release, id, &Outgoing::Release, RELEASE_BYTES);
    }

    /// The connection has ended: drops what belongs to it alone, and makes the rest wait for the next one.
    pub(super) fn end_connection(&mut self) {
        let mut at = 0;
        while let Some(record) = self.record(at) {
            match record.kind {
                Kind::Once | Kind::Subscribe | Kind::Unsubscribe => {
                    self.remove(&record);
                    continue;
                }
                Kind::AtLeastOnce | Kind::ExactlyOnce | Kind::Release => {
                    if matches!(record.state, State::Writing | State::Sent) {
                        if record.kind.takes_quota() {
                            self.set_repeated(&record, true);
                        }
                        self.set_state(&record, State::Waiting);
                    }
                }
            }
            at = record.end();
        }
    }

    /// A connection begins with what the server takes. What it does not take is lost. If it has no session, what it may
    /// have seen of QoS 1 goes as new, and what it may have seen of QoS 2 is lost.
    pub(super) fn begin_connection(&mut self, session_present: bool, limits: &Limits) {
        let mut at = 0;
        while let Some(record) = self.record(at) {
            let first = self.first(&record);
            let is_publish = record.kind.takes_quota();
            let seen = !session_present && (!is_publish || first & DUP != 0);
            let refused = is_publish && !limits.take(first, record.packet_bytes);
            if refused || seen && record.kind != Kind::AtLeastOnce {
                self.set_state(&record, State::Lost);
            } else if seen {
                self.set_repeated(&record, false);
            }
            at = record.end();
        }
    }

    fn record(&self, at: usize) -> Option<Record> {
        Records { filled: self.bytes.get(..self.used)?, at }.next()
    }
}

/// Goes through the records, oldest first.
struct Records<'a> {
    filled: &'a [u8],
    at: usize,
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let [a, b, c, d, high, low, kind, state] =
            *self.filled.get(self.at..)?.first_chunk::<HEADER_BYTES>()?;
        let record = Record {
            at: self.at,
            packet_bytes: usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?,
            id: u16::from_be_bytes([high, low]),
            kind: Kind::from_byte(kind),
            state: State::from_byte(state),
        };
        self.at = record.end();
        Some(record)
    }
}
