//! A link in virtual time: one packet after the other at its rate, and each so much later at the other end.

use std::collections::VecDeque;

/// How long a byte is on the way, in microseconds.
const LATENCY_US: u64 = 50_000;

/// What a PUBLISH has besides topic and payload: fixed header with a length of two bytes, length of the topic, no properties.
const PUBLISH_BYTES: usize = 3 + 2 + 1;

/// What a QoS 1 takes besides: an identifier, and the PUBACK that comes back.
pub(crate) const IDENTIFIER_BYTES: usize = 2;
pub(crate) const PUBACK_BYTES: usize = 4;

/// One direction of it.
pub(crate) struct Link {
    bytes_per_s: u64,
    free_at_us: u64,
    /// When each arrives, its topic, its payload.
    on_the_way: VecDeque<(u64, &'static str, Vec<u8>)>,
    /// All that was sent.
    pub(crate) bytes: usize,
}

impl Link {
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s, free_at_us: 0, on_the_way: VecDeque::new(), bytes: 0 }
    }

    /// A message on a topic, with so many bytes more in its packet.
    pub(crate) fn publish(&mut self, now_us: u64, topic: &'static str, more: usize, payload: &[u8]) {
        let at_us = self.take(now_us, PUBLISH_BYTES + topic.len() + more + payload.len());
        self.on_the_way.push_back((at_us, topic, payload.to_vec()));
    }

    /// What was sent last is lost on the way.
    pub(crate) fn lose(&mut self) {
        self.on_the_way.pop_back();
    }

    /// A packet that nobody waits for.
    pub(crate) fn take(&mut self, now_us: u64, bytes: usize) -> u64 {
        self.bytes += bytes;
        let time_us = u64::try_from(bytes).expect("a packet is short") * 1_000_000 / self.bytes_per_s;
        self.free_at_us = self.free_at_us.max(now_us) + time_us;
        self.free_at_us + LATENCY_US
    }

    /// When something arrives next.
    pub(crate) fn next_us(&self) -> Option<u64> {
        self.on_the_way.front().map(|(at_us, ..)| *at_us)
    }

    /// What has arrived.
    pub(crate) fn arrived(&mut self, now_us: u64) -> Option<(&'static str, Vec<u8>)> {
        self.on_the_way
            .pop_front_if(|(at_us, ..)| *at_us <= now_us)
            .map(|(_, topic, payload)| (topic, payload))
    }
}
