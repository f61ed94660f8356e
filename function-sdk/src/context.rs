//! The event that is handled.

use crate::{Error, Kind};
use fleetfn_abi::EventHeader;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

/// The event's bytes: the guest's buffer, which stays as it is while the instance lives; in a test, a copy.
#[cfg(target_arch = "wasm32")]
pub(crate) type EventBytes = &'static [u8];
#[cfg(not(target_arch = "wasm32"))]
pub(crate) type EventBytes = std::rc::Rc<[u8]>;

/// The event that is handled, its entity's state, and the ways out.
pub struct Context {
    header: EventHeader,
    event: EventBytes,
    /// State of [`Context::random`].
    random: Cell<u64>,
}

impl Context {
    pub(crate) fn read(event: EventBytes) -> Result<Self, Error> {
        let broken = |text: &'static str| Error::of_kind(Error::EVENT, text);
        let header = event
            .get(..EventHeader::BYTES)
            .and_then(EventHeader::from_bytes)
            .ok_or_else(|| broken("the event is not of this version of the interface"))?;
        if Kind::read(header.code, "", "").is_none() {
            return Err(broken("the event is of a kind that this function does not know"));
        }
        let context = Self { random: Cell::new(header.seed), header, event };
        if context.source_at() > context.event.len() {
            return Err(broken("the event is not as long as its header says"));
        }
        Ok(context)
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> Kind<'_> {
        // Checked when the event was read.
        Kind::read(self.header.code, self.detail(), self.source()).unwrap_or(Kind::Quiet)
    }

    /// What the event is about, as [`Context::send`] takes it: `devices/ID`, or the name of another entity.
    #[must_use]
    pub fn entity(&self) -> Cow<'_, str> {
        match self.header.is_device {
            true => ["devices/", self.entity_name()].concat().into(),
            false => self.entity_name().into(),
        }
    }

    /// The id of the device that the event is about; empty if it is about something else.
    #[must_use]
    pub fn device(&self) -> &str {
        if self.header.is_device { self.entity_name() } else { "" }
    }

    /// The channel of a reading: what follows `telemetry/` in the topic. Empty for other events.
    #[must_use]
    pub fn channel(&self) -> &str {
        match self.kind() {
            Kind::Telemetry { channel } => channel,
            _ => "",
        }
    }

    /// The payload as it came; a handler usually takes it as a parameter.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.event.get(self.payload_at()..self.source_at()).unwrap_or_default()
    }

    /// Which of the attribute's triggers fired, from 0.
    #[must_use]
    pub fn trigger(&self) -> usize {
        self.header.trigger.into()
    }

    /// The event's place in the log: it never changes, and grows with every event.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.header.offset
    }

    /// When the node took the event, in milliseconds since 1970: a handler's only clock.
    #[must_use]
    pub fn received_at_ms(&self) -> u64 {
        self.header.received_at_ms
    }

    /// The next random number of this invocation: the same sequence if the event is handled again. Anyone who
    /// knows the log can compute it: not for secrets.
    #[must_use]
    pub fn random(&self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood, 2014).
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn payload_len(&self) -> usize {
        usize::try_from(self.header.payload_len).unwrap_or(usize::MAX)
    }

    fn payload_at(&self) -> usize {
        EventHeader::BYTES + usize::from(self.header.entity_len) + usize::from(self.header.detail_len)
    }

    fn source_at(&self) -> usize {
        self.payload_at().saturating_add(self.payload_len())
    }

    fn entity_name(&self) -> &str {
        self.text(EventHeader::BYTES, self.header.entity_len.into())
    }

    /// The name that filters of triggers are over.
    pub(crate) fn detail(&self) -> &str {
        let at = EventHeader::BYTES + usize::from(self.header.entity_len);
        self.text(at, self.header.detail_len.into())
    }

    fn source(&self) -> &str {
        let at = self.source_at();
        self.text(at, self.event.len().saturating_sub(at))
    }

    /// The host writes names as text; what is none reads as empty.
    fn text(&self, at: usize, length: usize) -> &str {
        let bytes = self.event.get(at..at + length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("entity", &self.entity())
            .field("kind", &self.kind())
            .field("offset", &self.header.offset)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Context;
    use crate::{Answer, Error, Kind};
    use fleetfn_abi::EventHeader;

    fn event(header: EventHeader, rest: &[u8]) -> Result<Context, Error> {
        Context::read([&header.to_bytes()[..], rest].concat().into())
    }

    const HEADER: EventHeader = EventHeader {
        code: 1,
        entity_len: 3,
        detail_len: 7,
        trigger: 2,
        payload_len: 4,
        offset: 5,
        received_at_ms: 6,
        seed: 7,
        is_device: true,
    };

    #[test]
    fn an_event_is_taken_apart_as_the_interface_says() {
        let context = event(HEADER, b"d-1climate31.5").expect("an event");
        assert_eq!((context.device(), context.channel()), ("d-1", "climate"));
        assert_eq!((context.payload(), context.trigger()), (&b"31.5"[..], 2));
        assert_eq!((context.offset(), context.received_at_ms()), (5, 6));
    }

    #[test]
    fn an_event_that_belies_its_header_is_refused() {
        for rest in [&b""[..], b"d-1climate", b"d-1climate31"] {
            assert_eq!(event(HEADER, rest).expect_err("refused").code(), Error::EVENT);
        }
        let unknown = EventHeader { code: 14, ..HEADER };
        assert_eq!(event(unknown, b"d-1climate31.5").expect_err("refused").code(), Error::EVENT);
        assert_eq!(Context::read([0; 8][..].into()).expect_err("refused").code(), Error::EVENT);
    }

    #[test]
    fn every_kind_has_words_of_its_own() {
        let cases = [
            (2, "disconnected", "keep-alive", Kind::Presence { online: false, reason: "keep-alive" }),
            (2, "connected", "", Kind::Presence { online: true, reason: "" }),
            (3, "quiet", "", Kind::Quiet),
            (4, "", "", Kind::Twin),
            (5, "check", "", Kind::Timer { name: "check" }),
            (6, "0 2 * * *", "", Kind::Cron { expression: "0 2 * * *" }),
            (7, "reading", "devices/d-7", Kind::Message { name: "reading", from: "devices/d-7" }),
            (8, "reboot", "device", Kind::Reply { command: "reboot", reply: Answer::Answered }),
            (8, "reboot", "timeout", Kind::Reply { command: "reboot", reply: Answer::TimedOut }),
            (9, "hooks/a", "POST", Kind::Http { method: "POST", path: "hooks/a" }),
            (10, "response/a", "204", Kind::Response { tag: "a", status: 204, reason: "" }),
            (10, "response/a", "0 timed out", Kind::Response { tag: "a", status: 0, reason: "timed out" }),
        ];
        for (code, detail, source, kind) in cases {
            let detail_len = u16::try_from(detail.len()).expect("short");
            let header = EventHeader { code, detail_len, is_device: false, ..HEADER };
            let context =
                event(header, &["d-1", detail, "31.5", source].concat().into_bytes()).expect("an event");
            assert_eq!((context.kind(), context.payload()), (kind, &b"31.5"[..]));
            assert_eq!((context.entity().as_ref(), context.device(), context.channel()), ("d-1", "", ""));
        }
        assert_eq!(event(HEADER, b"d-1climate31.5").expect("an event").entity(), "devices/d-1");
    }

    #[test]
    fn random_numbers_depend_on_the_seed_alone() {
        let numbers = |seed| {
            let context = event(EventHeader { seed, ..HEADER }, b"d-1climate31.5").expect("an event");
            [context.random(), context.random()]
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        assert_ne!(numbers(7)[0], numbers(7)[1]);
    }
}
