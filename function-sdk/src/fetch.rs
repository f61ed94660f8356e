//! HTTP requests of a function.

use crate::{Context, Error, ToPayload, host};
use std::time::Duration;

/// Seconds that a request may take if nothing is said.
const TIMEOUT_S_DEFAULT: u32 = 10;

/// A request as the host takes it.
pub(crate) struct Request<'a> {
    pub(crate) tag: &'a str,
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) headers: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) timeout_s: u32,
}

/// An HTTP request that is put together; [`Fetch::send`] makes it.
#[derive(Debug, Clone)]
#[must_use = "a request is made by `send`"]
pub struct Fetch<'a> {
    // Only while an event is handled.
    context: &'a Context,
    tag: &'a str,
    url: &'a str,
    method: Option<&'a str>,
    headers: String,
    body: Vec<u8>,
    has_body: bool,
    timeout_s: u32,
}

impl<'a> Fetch<'a> {
    pub(crate) fn new(context: &'a Context, tag: &'a str, url: &'a str) -> Self {
        let (headers, body) = (String::new(), Vec::new());
        Self { context, tag, url, method: None, headers, body, has_body: false, timeout_s: TIMEOUT_S_DEFAULT }
    }

    /// The method: `GET` unless said otherwise, `POST` with a body.
    pub fn method(mut self, method: &'a str) -> Self {
        self.method = Some(method);
        self
    }

    /// Adds a header. `{{secret:NAME}}` in the value is filled in on the way out, if the attribute says
    /// `secret = "NAME"`: put no text there that somebody else wrote.
    ///
    /// What is no header, as one with a line break, ends the invocation when the request is sent.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        // A line break would begin another header; any other control character is refused by the host.
        let one_line = |character| if character == '\n' { '\u{b}' } else { character };
        self.headers.extend(name.chars().map(one_line));
        self.headers.push_str(": ");
        self.headers.extend(value.chars().map(one_line));
        self.headers.push('\n');
        self
    }

    /// The body, and a content type that fits it.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if it cannot be encoded.
    pub fn body<P: ToPayload>(mut self, body: P) -> Result<Self, Error> {
        self.body = body.with_payload(<[u8]>::to_vec)?;
        self.has_body = true;
        Ok(self.header("Content-Type", P::CONTENT_TYPE))
    }

    /// How long one try may take: 1 to 60 whole seconds, 10 unless said otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_s = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
        self
    }

    /// Makes the request after the commit, at least once, with retries.
    pub fn send(self) {
        let _handled = self.context;
        let otherwise = if self.has_body { "POST" } else { "GET" };
        host::http(&Request {
            tag: self.tag,
            method: self.method.unwrap_or(otherwise),
            url: self.url,
            headers: &self.headers,
            body: &self.body,
            timeout_s: self.timeout_s,
        });
    }
}
