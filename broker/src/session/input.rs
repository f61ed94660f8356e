//! From the client: whole packets off the buffer, each to its place.

use super::output::shrink;
use super::{End, Session};
use crate::codec::publish::Qos;
use crate::codec::subscribe::Granted;
use crate::codec::{self, Kind, Malformed, disconnect};
use fleetfn_protocol::limits::PACKET_BYTES_MAX;
use std::mem;
use std::time::Duration;
use tokio::time::Instant;

/// Filters of a service that has no link yet, and the answer to give when they stand.
pub(super) struct LinkWanted {
    pub(super) packet_id: u16,
    pub(super) granted: Vec<Granted>,
    pub(super) filters: Vec<(String, Qos, bool)>,
}

impl Session {
    /// Takes every whole packet off the buffer, until something pushes back.
    pub(super) fn take_input(&mut self) -> Result<(), End> {
        self.refill();
        self.held_back = false;
        if self.input.is_empty() {
            return Ok(());
        }
        let input = mem::take(&mut self.input);
        let mut taken = 0;
        let result = loop {
            if !self.reads() || self.link_wanted.is_some() {
                self.held_back = true;
                break Ok(());
            }
            let rest = input.get(taken..).unwrap_or_default();
            match codec::frame(rest, PACKET_BYTES_MAX) {
                Ok(Some(frame)) => match self.take_packet(&frame) {
                    Ok(true) => taken += frame.bytes,
                    Ok(false) => break Ok(()),
                    Err(end) => break Err(end),
                },
                Ok(None) => break Ok(()),
                Err(malformed) => break Err(malformed.into()),
            }
        };
        self.input = input;
        self.input.drain(..taken);
        if taken > 0 {
            self.last_packet = Instant::now();
        }
        shrink(&mut self.input);
        result
    }

    /// Takes one packet; `false` if it has to wait and be taken again.
    fn take_packet(&mut self, frame: &codec::Frame<'_>) -> Result<bool, End> {
        match frame.kind {
            Kind::Publish => return self.take_publish(&codec::publish::decode(frame, self.version)?),
            Kind::PubAck => {
                let id = codec::decode_puback(frame.body, self.version)?;
                self.acknowledge(id);
            }
            Kind::Subscribe => {
                let (id, subscriptions) = codec::subscribe::decode(frame.body, self.version)?;
                self.subscribe(id, &subscriptions)?;
            }
            Kind::Unsubscribe => {
                let (id, filters) = codec::subscribe::decode_unsubscribe(frame.body, self.version)?;
                self.unsubscribe(id, &filters)?;
            }
            Kind::PingReq if frame.body.is_empty() => codec::put_pingresp(&mut self.output),
            Kind::PingReq => return Err(Malformed::new("a PINGREQ with a body").into()),
            Kind::Disconnect => {
                return Err(match disconnect::decode(frame.body, self.version)? {
                    disconnect::Goodbye::Normal => End::Goodbye,
                    disconnect::Goodbye::WithWill => End::GoodbyeWithWill,
                });
            }
            Kind::Connect => return Err(Malformed::protocol("a second CONNECT").into()),
        }
        Ok(true)
    }

    /// Gives back the messages that time allows.
    fn refill(&mut self) {
        let rate = f64::from(self.shared.config.messages_per_s);
        if self.tokens >= rate {
            self.refilled = Instant::now();
            return;
        }
        let now = Instant::now();
        let elapsed = now.duration_since(self.refilled);
        if elapsed >= Duration::from_millis(10) {
            self.tokens = (self.tokens + elapsed.as_secs_f64() * rate).min(rate);
            self.refilled = now;
        }
    }
}
