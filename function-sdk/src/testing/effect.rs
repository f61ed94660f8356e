//! What a handler asked for, as a test sees it.
#![expect(clippy::panic, reason = "these are the assertions of tests")]

use crate::{Error, FromPayload, Json, Level, Postcard, ToPayload};
use serde::de::DeserializeOwned;
use std::fmt;

/// What a handler asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// To keep a value.
    Put {
        /// Under this key.
        key: String,
        /// As it is encoded.
        value: Vec<u8>,
        /// Seconds until it is gone; 0 for never.
        ttl_s: u32,
    },
    /// To forget a key.
    Delete {
        /// The key.
        key: String,
    },
    /// To publish on a shared topic.
    Publish {
        /// The topic.
        topic: String,
        /// The message.
        payload: Payload,
    },
    /// To send the device a command.
    Command {
        /// Its name.
        name: String,
        /// Its payload.
        payload: Payload,
        /// Seconds until it is pointless; 0 for never.
        ttl_s: u32,
        /// Seconds that an answer may take; 0 if none is awaited.
        timeout_s: u32,
    },
    /// To send a message to an entity.
    Send {
        /// The entity, `devices/ID` or another name.
        entity: String,
        /// The message's name.
        name: String,
        /// Its payload.
        payload: Payload,
        /// Seconds until it is sent; 0 for at once.
        delay_s: u32,
    },
    /// To set a timer.
    SetTimer {
        /// Its name.
        name: String,
        /// What its event will hold.
        payload: Payload,
        /// Seconds until it is due.
        delay_s: u32,
    },
    /// To cancel a timer.
    CancelTimer {
        /// Its name.
        name: String,
    },
    /// To change what is desired of the device.
    PatchTwin {
        /// A JSON object.
        patch: Payload,
    },
    /// To make an HTTP request.
    Fetch(Request),
    /// To answer the HTTP request.
    Respond {
        /// The status.
        status: u16,
        /// Media type of the body.
        content_type: String,
        /// The body.
        body: Payload,
    },
    /// To add to a counter.
    Counter {
        /// Its name.
        name: String,
        /// What is added.
        add: f64,
    },
    /// To set a gauge.
    Gauge {
        /// Its name.
        name: String,
        /// What it is set to.
        value: f64,
    },
}

/// A command that the device would get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its payload.
    pub payload: &'a Payload,
    /// Seconds until it is pointless; 0 for never.
    pub ttl_s: u32,
    /// Seconds that an answer may take; 0 if none is awaited.
    pub timeout_s: u32,
}

/// A message that an entity would get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its payload.
    pub payload: &'a Payload,
    /// Seconds until it is sent; 0 for at once.
    pub delay_s: u32,
}

/// An HTTP request that would be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// By which its response is known again.
    pub tag: String,
    /// `GET`, `POST`, ...
    pub method: String,
    /// Where to.
    pub url: String,
    /// Names and values; secrets are not filled in.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Payload,
    /// Seconds that one try may take.
    pub timeout_s: u32,
}

/// A log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How grave.
    pub level: Level,
    /// What it says.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.level, self.text)
    }
}

/// A payload that was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

impl Payload {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As text. Panics if it is none.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        self.decode()
    }

    /// As the JSON of a value. Panics if it is none.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        self.decode::<Json<T>>().0
    }

    /// As the postcard of a value. Panics if it is none.
    #[must_use]
    #[track_caller]
    pub fn postcard<T: DeserializeOwned>(&self) -> T {
        self.decode::<Postcard<T>>().0
    }

    #[track_caller]
    fn decode<'a, T: FromPayload<'a>>(&'a self) -> T {
        match T::from_payload(&self.0) {
            Ok(value) => value,
            Err(error) => panic!("{error}; it is {self:?}"),
        }
    }
}

/// What one function sent can be given to another.
impl ToPayload for Payload {
    fn with_payload<R>(&self, send: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        Ok(send(&self.0))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "{:?}", self.0),
        }
    }
}
