//! What devices of a group send: messages of one kind each, before they are a device's.

use super::generator::{Generator, Template};
use super::program::Stream;
use super::span::Span;
use fleetfn_device::mqtt::Qos;
use fleetfn_device::simulation::Random;
use fleetfn_protocol::limits::PAYLOAD_BYTES_MAX;
use serde_json::Value;
use std::sync::Arc;

/// Shortest pause between two messages: at the fastest speed nobody could tell less apart.
const EVERY_MS_MIN: u64 = 10;

/// When messages of one kind come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cadence {
    pub(super) every: Option<Span>,
    pub(super) jitter: Option<Span>,
    pub(super) after: Option<Span>,
}

/// Messages of one kind.
pub(super) struct Kind {
    topic: Arc<str>,
    qos: Qos,
    template: Arc<Template>,
    every_ms: Option<u64>,
    jitter_ms: u64,
    after_ms: Option<u64>,
    /// About as long as a payload is.
    pub(super) payload_bytes: usize,
}

impl Kind {
    /// Checks what is said of them; `path` and `member` name the payload.
    pub(super) fn new(
        topic: String,
        qos: Qos,
        payload: &Value,
        cadence: Cadence,
        (path, member): (&str, &str),
    ) -> Result<Self, String> {
        let Cadence { every, jitter, after } = cadence;
        if every.is_some_and(|every| every.ms() < EVERY_MS_MIN) {
            return Err(format!("{path}.every: at least {EVERY_MS_MIN}ms"));
        }
        if jitter.is_some_and(|jitter| every.is_none_or(|every| jitter > every)) {
            return Err(format!("{path}.jitter: it must not be more than \"every\""));
        }
        let payload_bytes = payload.to_string().len();
        if payload_bytes > PAYLOAD_BYTES_MAX {
            return Err(format!("{path}.{member}: a payload has at most {PAYLOAD_BYTES_MAX} bytes"));
        }
        let template = Template::parse(payload, &format!("{path}.{member}"))?;
        Ok(Self {
            topic: topic.into(),
            qos,
            template: Arc::new(template),
            every_ms: every.map(Span::ms),
            jitter_ms: jitter.map_or(0, Span::ms),
            after_ms: after.map(Span::ms),
            payload_bytes,
        })
    }

    /// The messages of the device with this number in its group; `place` is theirs in the group. Devices begin at different
    /// moments, spread over one pause.
    pub(super) fn stream(&self, device: &Arc<str>, number: usize, seed: u64, place: u64) -> Stream {
        let share = u64::try_from(number * 37 % 100).unwrap_or_default();
        let spread = self.every_ms.unwrap_or_default() * share / 100;
        Stream {
            topic: Arc::clone(&self.topic),
            qos: self.qos,
            generator: Generator::new(
                Arc::clone(&self.template),
                Random::new(seed, device, place),
                Arc::clone(device),
            ),
            next_ms: Some(self.after_ms.unwrap_or(spread)),
            every_ms: self.every_ms,
            jitter_ms: self.jitter_ms,
            random: Random::new(seed, device, JITTERS + place),
        }
    }
}

/// Where the numbers begin that tell the chance of pauses from that of payloads.
const JITTERS: u64 = 1 << 32;
