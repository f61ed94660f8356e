//! What a handler can ask for while it handles an event. All of it happens after the commit, or nothing.

use crate::fetch::Fetch;
use crate::twin::Document;
use crate::{Context, Error, Json, State, ToPayload, Twin, host};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// Bytes on the stack into which small documents and values are read; larger ones are allocated.
const SMALL_BYTES: usize = 512;

impl Context {
    /// What this function keeps about the entity.
    #[must_use]
    pub fn state(&self) -> State<'_> {
        State::new(self)
    }

    /// Sends a command to the device on `devices/{id}/commands/{name}`, after the commit. It waits in the device's
    /// outbox until the device acknowledges it.
    ///
    /// A function whose attribute does not say `command`, an event that is not about a device, and a name that is
    /// not one topic level, end the invocation.
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
        payload.with_payload(|payload| host::command(name, payload, seconds(ttl)))
    }

    /// Like [`Context::command`], and if the device has not answered after `timeout`, counted in whole seconds from
    /// the event's time, at least one, the command is forgotten and the trigger `reply` gets
    /// [`Answer::TimedOut`](crate::Answer::TimedOut).
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the payload cannot be encoded.
    pub fn command_awaiting(
        &self,
        name: &str,
        payload: impl ToPayload,
        timeout: Duration,
    ) -> Result<(), Error> {
        let timeout_s = seconds(timeout);
        payload.with_payload(|payload| host::command_await(name, payload, timeout_s, timeout_s))
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

    /// Sends a message to an entity, `devices/ID` or any other name: an event there, exactly once, for every function
    /// with a `message` trigger for the name; those of one entity come in the order in which they were sent.
    ///
    /// An entity that no `send` filter of the attribute covers ends the invocation.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the payload cannot be encoded.
    pub fn send(&self, entity: &str, name: &str, payload: impl ToPayload) -> Result<(), Error> {
        payload.with_payload(|payload| host::send(entity, name, payload, 0))
    }

    /// Like [`Context::send`], `delay` after the event's time, counted in whole seconds, at least one.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the payload cannot be encoded.
    pub fn send_later(
        &self,
        entity: &str,
        name: &str,
        payload: impl ToPayload,
        delay: Duration,
    ) -> Result<(), Error> {
        payload.with_payload(|payload| host::send(entity, name, payload, seconds(delay)))
    }

    /// Sets the timer of a name, or replaces it: `delay` after the event's time, counted in whole seconds, at least
    /// one, the trigger `timer` gets an event about this entity with the payload.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the payload cannot be encoded.
    pub fn set_timer(&self, name: &str, payload: impl ToPayload, delay: Duration) -> Result<(), Error> {
        payload.with_payload(|payload| host::timer_set(name, payload, seconds(delay)))
    }

    /// Cancels the timer of a name; cancelling what is not set is no error.
    pub fn cancel_timer(&self, name: &str) {
        host::timer_cancel(name);
    }

    /// The twin of the device; `None` if the event is not about one. Changes of this invocation are not in it.
    ///
    /// # Errors
    /// With [`Error::TWIN`] if it is not of these types.
    pub fn twin<D: DeserializeOwned, R: DeserializeOwned>(&self) -> Result<Option<Twin<D, R>>, Error> {
        let read = |bytes: &[u8]| match serde_json::from_slice::<Document<D, R>>(bytes) {
            Ok(document) => Ok(document.into()),
            Err(error) => Err(unfit(Error::TWIN, "the twin", error)),
        };
        with_bytes(host::twin_get, read)
    }

    /// Merges a change into the desired part of the device's twin: members replace, `null` removes, what is not named
    /// stays (RFC 7396). The device is sent the result.
    ///
    /// A function whose attribute does not say `patch_twin`, an event that is not about a device, and what is no JSON
    /// object, end the invocation.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the change has no form in JSON.
    pub fn patch_twin<T: Serialize + ?Sized>(&self, patch: &T) -> Result<(), Error> {
        Json(patch).with_payload(host::twin_patch)
    }

    /// Begins an HTTP request. Its response comes as [`Kind::Response`](crate::Kind::Response) with the tag, if a
    /// `message` trigger takes `response/TAG`.
    ///
    /// A URL that begins with no `fetch` of the attribute, and what is no HTTP, end the invocation when it is sent.
    pub fn fetch<'a>(&'a self, tag: &'a str, url: &'a str) -> Fetch<'a> {
        Fetch::new(self, tag, url)
    }

    /// Answers the HTTP request that the event is, once, with a status from 200 to 599 and a content type that fits
    /// the body.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the body cannot be encoded.
    pub fn respond<P: ToPayload>(&self, status: u16, body: P) -> Result<(), Error> {
        body.with_payload(|body| host::respond(status, P::CONTENT_TYPE, body))
    }

    /// Like [`Context::respond`], with another content type.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the body cannot be encoded.
    pub fn respond_as(&self, status: u16, content_type: &str, body: impl ToPayload) -> Result<(), Error> {
        body.with_payload(|body| host::respond(status, content_type, body))
    }

    /// A value of the function's configuration, parsed; `None` if it is not set.
    ///
    /// # Errors
    /// With [`Error::CONFIG`] if it is something else.
    pub fn config<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<T>, Error> {
        let read = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).map_err(|error| unfit(Error::CONFIG, key, error))?;
            text.parse().map_err(|error| unfit(Error::CONFIG, key, error))
        };
        with_bytes(|out| host::config_get(key, out), read)
    }

    /// Adds to a counter of the function, at least 0. A name is a small letter, then small letters, digits and `_`.
    pub fn counter(&self, name: &str, add: impl Into<f64>) {
        host::metric(COUNTER, name, add.into());
    }

    /// Sets a gauge of the function. A name is like that of a counter.
    pub fn gauge(&self, name: &str, value: impl Into<f64>) {
        host::metric(GAUGE, name, value.into());
    }
}

/// As the interface numbers them.
pub(crate) const COUNTER: u32 = 0;
pub(crate) const GAUGE: u32 = 1;

/// Whole seconds, at least one.
pub(crate) fn seconds(time: Duration) -> u32 {
    let whole = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    u32::try_from(whole).unwrap_or(u32::MAX).max(1)
}

/// Reads what the host fills in.
fn with_bytes<T>(
    fill: impl Fn(&mut [u8]) -> Option<usize>,
    read: impl FnOnce(&[u8]) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut small = [0; SMALL_BYTES];
    let Some(length) = fill(&mut small) else { return Ok(None) };
    if let Some(bytes) = small.get(..length) {
        return read(bytes).map(Some);
    }
    let mut large = vec![0; length];
    fill(&mut large);
    read(&large).map(Some)
}

#[cold]
fn unfit(code: i32, what: &str, why: impl Display) -> Error {
    Error::of_kind(code, format!("{what} is not of the type that is expected: {why}"))
}
