//! The event that is handled, and what can be asked for while it is.

use crate::{Error, State, ToPayload, host};
use fleetfn_abi::{EventCode, EventHeader};
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

/// The event's bytes: the guest's buffer, which stays as it is while the instance lives; in a test, a copy.
#[cfg(target_arch = "wasm32")]
pub(crate) type EventBytes = &'static [u8];
#[cfg(not(target_arch = "wasm32"))]
pub(crate) type EventBytes = std::rc::Rc<[u8]>;

/// The event that is handled, its device's state, and the ways out.
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
        if header.code != EventCode::Telemetry as u16 {
            return Err(broken("the event is of a kind that this function does not know"));
        }
        let context = Self { random: Cell::new(header.seed), header, event };
        if context.payload_at().checked_add(context.payload_len()) != Some(context.event.len()) {
            return Err(broken("the event is not as long as its header says"));
        }
        Ok(context)
    }

    /// The id of the device that the event is about.
    #[must_use]
    pub fn device(&self) -> &str {
        self.text(EventHeader::BYTES, self.header.device_len.into())
    }

    /// The channel: what follows `telemetry/` in the topic.
    #[must_use]
    pub fn channel(&self) -> &str {
        self.text(EventHeader::BYTES + usize::from(self.header.device_len), self.header.detail_len.into())
    }

    /// The payload as it came; a handler usually takes it as a parameter.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.event.get(self.payload_at()..).unwrap_or_default()
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

    /// What this function keeps about the device.
    #[must_use]
    pub fn state(&self) -> State<'_> {
        State::new(self)
    }

    /// Sends a command to the device on `devices/{id}/commands/{name}`, after the commit. It waits in the device's
    /// outbox until the device acknowledges it.
    ///
    /// A function whose attribute does not say `command`, and a name that is not one topic level, end the
    /// invocation.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the payload cannot be encoded.
    pub fn command(&self, name: &str, payload: impl ToPayload) -> Result<(), Error> {
        payload.with_payload(|payload| host::command(name, payload, 0))
    }

    /// Like [`Context::command`], but the command is forgotten if the device has not acknowledged it after `ttl`,
    /// counted in whole seconds, at least one.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the payload cannot be encoded.
    pub fn command_with_ttl(&self, name: &str, payload: impl ToPayload, ttl: Duration) -> Result<(), Error> {
        let whole = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0 && ttl.as_secs() < u64::MAX);
        let ttl_s = u32::try_from(whole).unwrap_or(u32::MAX).max(1);
        payload.with_payload(|payload| host::command(name, payload, ttl_s))
    }

    /// Publishes on a topic outside of `devices/`, after the commit, for services that subscribe to it.
    ///
    /// A topic that no `publish` filter of the attribute covers ends the invocation.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the payload cannot be encoded.
    pub fn publish(&self, topic: &str, payload: impl ToPayload) -> Result<(), Error> {
        payload.with_payload(|payload| host::publish(topic, payload))
    }

    fn payload_len(&self) -> usize {
        usize::try_from(self.header.payload_len).unwrap_or(usize::MAX)
    }

    fn payload_at(&self) -> usize {
        EventHeader::BYTES + usize::from(self.header.device_len) + usize::from(self.header.detail_len)
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
            .field("device", &self.device())
            .field("channel", &self.channel())
            .field("offset", &self.header.offset)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Context;
    use crate::Error;
    use fleetfn_abi::EventHeader;

    fn event(header: EventHeader, rest: &[u8]) -> Result<Context, Error> {
        Context::read([&header.to_bytes()[..], rest].concat().into())
    }

    const HEADER: EventHeader = EventHeader {
        code: 1,
        device_len: 3,
        detail_len: 7,
        trigger: 2,
        payload_len: 4,
        offset: 5,
        received_at_ms: 6,
        seed: 7,
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
        for rest in [&b""[..], b"d-1climate31", b"d-1climate31.55"] {
            assert_eq!(event(HEADER, rest).expect_err("refused").code(), Error::EVENT);
        }
        let unknown = EventHeader { code: 9, ..HEADER };
        assert_eq!(event(unknown, b"d-1climate31.5").expect_err("refused").code(), Error::EVENT);
        assert_eq!(Context::read([0; 8][..].into()).expect_err("refused").code(), Error::EVENT);
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
