//! Towards the client: one buffer, written with as few calls as the socket allows.

use super::{End, Sent, Session};
use crate::codec::publish::{Outgoing, Qos};
use crate::codec::{Version, property};
use crate::config::{BLOCKS_OUTPUT_MAX, OUTPUT_BYTES_MAX};
use crate::handle::{Arrival, Handed, Live};
use crate::mailbox::Parcel;
use crate::stream::Stream;
use fleetfn_protocol::{EffectId, Topic};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

/// What one read may bring. One such buffer for each thread serves all its sessions.
const READ_BYTES: usize = 64 << 10;

/// Room that an idle session keeps for its next message.
const KEPT_BYTES: usize = 512;

/// Messages that a client may have unacknowledged, whatever it says that it takes: bounds what a session keeps.
const SENT_MAX: usize = 128;

thread_local! {
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Waits until something was read into `input`, if that is wanted, or more can be written, if that is.
pub(super) async fn ready(
    stream: &mut Stream,
    input: &mut Vec<u8>,
    reads: bool,
    writes: bool,
) -> Result<(), End> {
    poll_fn(|context| {
        if writes && stream.poll_write_ready(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if !reads {
            return Poll::Pending;
        }
        READ.with_borrow_mut(|room| {
            let mut room = ReadBuf::new(room);
            match Pin::new(&mut *stream).poll_read(context, &mut room) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) if room.filled().is_empty() => Poll::Ready(Err(End::ConnectionLost)),
                Poll::Ready(Ok(())) => {
                    input.extend_from_slice(room.filled());
                    Poll::Ready(Ok(()))
                }
                Poll::Ready(Err(_)) => Poll::Ready(Err(End::ConnectionLost)),
            }
        })
    })
    .await
}

/// Gives back what an idle session does not need.
pub(super) fn shrink(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() > KEPT_BYTES {
        *buffer = Vec::new();
    }
}

impl Session {
    /// Writes as much as the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), End> {
        while let Some(rest) = self.output.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.try_write(rest) {
                Ok(count) => {
                    self.written += count;
                    self.unread_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unread_since.get_or_insert_with(Instant::now);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(End::ConnectionLost),
            }
        }
        self.output.clear();
        self.written = 0;
        if let Some(device) = self.principal.device() {
            self.unreported.drain(..).for_each(|effect| self.shared.reports.acknowledged(device, effect));
        }
        shrink(&mut self.output);
        Ok(())
    }

    fn may_send(&self, sent: usize) -> bool {
        self.output.len() < OUTPUT_BYTES_MAX && sent < self.receive_maximum.min(SENT_MAX)
    }

    /// Whether something waits that could be sent now.
    pub(super) fn has_more_to_send(&self) -> bool {
        let waits = self.handle.has_unsent() || (self.listening.is_some() && self.handle.has_arrivals());
        let blocks = self.handle.has_blocks() && self.output.len() < BLOCKS_OUTPUT_MAX;
        blocks || (waits && self.may_send(self.sent.len()))
    }

    /// A packet id that is not in use.
    fn next_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            if self.sent.iter().all(|sent| sent.packet_id != self.last_packet_id) {
                return self.last_packet_id;
            }
        }
    }

    /// Sends what waits in the mailbox, as far as the client takes it.
    pub(super) fn send_parcels(&mut self) {
        let Some(device) = self.principal.device().filter(|_| self.handle.has_unsent()) else { return };
        let (handle, now_ms) = (Arc::clone(&self.handle), self.shared.config.wall_clock.now_ms());
        handle.send_parcels(|parcel, qos| {
            if !self.may_send(self.sent.len()) {
                return Handed::Later;
            }
            let Some(left_s) = seconds_left(parcel.expires_at_ms, now_ms) else { return Handed::Done };
            match (self.put_parcel(parcel, qos, left_s), qos) {
                (true, Qos::AtLeastOnce) => return Handed::Sent,
                (true, Qos::AtMostOnce) => self.unreported.push(parcel.effect),
                (false, _) => self.shared.reports.too_long(device, parcel.effect),
            }
            Handed::Done
        });
    }

    /// Sends blocks of an update, as long as they hold nothing else up.
    pub(super) fn send_blocks(&mut self) {
        let Some(device) = self.principal.device().filter(|_| self.handle.has_blocks()) else { return };
        let topic = Topic::UpdateBlock { device }.to_string();
        while self.output.len() < BLOCKS_OUTPUT_MAX
            && let Some(payload) = self.handle.next_block()
        {
            let outgoing = Outgoing { id: None, topic: &topic, properties: &[], payload: &payload };
            // What is longer than the client takes is not sent (MQTT 5, section 3.1.2.11.4).
            self.put(outgoing, Qos::AtMostOnce, None);
        }
    }

    /// Writes a parcel; `false` if it is longer than the client takes.
    fn put_parcel(&mut self, parcel: &Parcel, qos: Qos, left_s: u32) -> bool {
        let mut properties = Vec::new();
        if self.version == Version::V5 {
            if left_s != u32::MAX {
                properties.push(property::MESSAGE_EXPIRY);
                properties.extend_from_slice(&left_s.to_be_bytes());
            }
            property::put_user(&mut properties, EffectId::USER_PROPERTY, &parcel.effect.to_string());
        }
        let outgoing =
            Outgoing { id: None, topic: &parcel.topic, properties: &properties, payload: &parcel.payload };
        self.put(outgoing, qos, Some(parcel.effect))
    }

    /// Writes a PUBLISH and remembers it until it is acknowledged; `false` if it is longer than the client takes.
    fn put(&mut self, outgoing: Outgoing<'_>, qos: Qos, effect: Option<EffectId>) -> bool {
        // A packet id takes two bytes more.
        if outgoing.bytes(self.version) + 2 > self.packet_bytes_max {
            return false;
        }
        let id = (qos == Qos::AtLeastOnce).then(|| self.next_packet_id());
        Outgoing { id, ..outgoing }.put(&mut self.output, self.version);
        if let Some(packet_id) = id {
            self.sent.push(Sent { packet_id, effect });
        }
        true
    }

    /// The client has acknowledged a message.
    pub(super) fn acknowledge(&mut self, packet_id: u16) {
        let Some(at) = self.sent.iter().position(|sent| sent.packet_id == packet_id) else { return };
        let sent = self.sent.remove(at);
        if let (Some(effect), Some(device)) = (sent.effect, self.principal.device()) {
            self.handle.drop_parcel(&effect);
            self.shared.reports.acknowledged(device, effect);
        }
    }

    /// Takes what came from the router, as far as the client takes it.
    pub(super) fn take_arrivals(&mut self) -> Result<(), End> {
        while self.listening.is_some() && self.may_send(self.sent.len()) {
            match self.handle.next_arrival() {
                None => return Ok(()),
                Some(Arrival::Message(live)) => self.put_live(&live),
                Some(Arrival::Subscribed(packet_id)) => self.subscribed(packet_id),
                Some(Arrival::Lost) => return Err(End::Unavailable),
            }
        }
        Ok(())
    }

    fn put_live(&mut self, live: &Live) {
        let Some(listening) = &mut self.listening else { return };
        let own = live.source == self.handle.id;
        let covering = listening.filters.iter().filter(|(filter, _, no_local)| {
            !(own && *no_local) && fleetfn_protocol::filter_matches(filter, &live.topic)
        });
        let (count, granted) =
            covering.fold((0, None), |(count, best), (_, qos, _)| (count + 1, best.max(Some(*qos))));
        let Some(granted) = granted else { return };
        if count > 1 && !listening.is_first(live.number) {
            return;
        }
        let outgoing =
            Outgoing { id: None, topic: &live.topic, properties: &live.properties, payload: &live.payload };
        self.put(outgoing, granted.min(live.qos), None);
    }
}

/// Seconds until a parcel is pointless, `u32::MAX` for never; `None` if it is so already.
fn seconds_left(expires_at_ms: u64, now_ms: u64) -> Option<u32> {
    if expires_at_ms == u64::MAX {
        return Some(u32::MAX);
    }
    let left_ms = expires_at_ms.checked_sub(now_ms).filter(|left| *left > 0)?;
    Some(u32::try_from(left_ms.div_ceil(1_000)).unwrap_or(u32::MAX))
}
