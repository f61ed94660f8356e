//! A device of a test: sends readings to a function and keeps its state.

use super::reply::{LogLine, Outcome, Reply};
use super::world::{Ended, State, World, exchange, matches};
use crate::{Context, Error, Function, Level, Postcard, ToPayload};
use fleetfn_abi::{EventCode, EventHeader};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// When the first reading is received: 14 November 2023, 22:13:20 UTC.
const START_MS: u64 = 1_700_000_000_000;

/// A device whose readings one function handles.
#[derive(Debug, Clone)]
pub struct Device {
    id: String,
    function: Function,
    state: State,
    offset: u64,
    now_ms: u64,
}

impl Device {
    /// A device that the function has not heard of.
    #[must_use]
    pub fn new(id: &str, function: Function) -> Self {
        Self { id: id.into(), function, state: State::new(), offset: 0, now_ms: START_MS }
    }

    /// Publishes a reading on `devices/{id}/telemetry/{channel}` and lets the function handle it.
    ///
    /// State changes last if it succeeds, and are dropped if not. A panic of the handler goes on into the test.
    ///
    /// # Panics
    /// If no trigger of the function takes the channel, or the payload cannot be encoded or is too large for
    /// the function's buffer.
    #[track_caller]
    pub fn telemetry(&mut self, channel: &str, payload: impl ToPayload) -> Reply {
        let trigger = self.function.telemetry.iter().position(|filter| matches(filter, channel));
        assert!(
            trigger.is_some(),
            "'{}' is triggered by {:?}, none takes '{channel}'",
            self.function.name,
            self.function.telemetry
        );
        let event = payload.with_payload(|payload| self.event(channel, trigger.unwrap_or(0), payload));
        assert!(event.is_ok(), "the payload cannot be encoded: {event:?}");
        self.handle(event.unwrap_or_default())
    }

    /// What the function keeps under a key. `None` if there is nothing, or something else.
    #[must_use]
    pub fn state<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        postcard::from_bytes(self.state.get(key.as_bytes())?).ok()
    }

    /// Keeps a value as if the function had done it.
    ///
    /// # Panics
    /// If it has no form in postcard.
    #[track_caller]
    pub fn set_state<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        let kept = Postcard(value).with_payload(<[u8]>::to_vec);
        assert!(kept.is_ok(), "the value cannot be kept: {kept:?}");
        self.state.insert(key.into(), kept.unwrap_or_default());
    }

    /// Lets time pass before the next reading.
    pub fn advance(&mut self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.now_ms = self.now_ms.saturating_add(ms);
    }

    /// When the next reading is received, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    #[track_caller]
    fn event(&mut self, channel: &str, trigger: usize, payload: &[u8]) -> Vec<u8> {
        let payload_len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let bytes_max = self.function.payload_bytes_max;
        assert!(
            payload_len <= bytes_max,
            "the payload has {payload_len} bytes, the function takes {bytes_max}: say payload_bytes_max = N"
        );
        self.offset += 1;
        let length = |text: &str| u16::try_from(text.len()).unwrap_or(u16::MAX);
        let header = EventHeader {
            code: EventCode::Telemetry as u16,
            device_len: length(&self.id),
            detail_len: length(channel),
            trigger: u16::try_from(trigger).unwrap_or(u16::MAX),
            payload_len,
            offset: self.offset,
            received_at_ms: self.now_ms,
            seed: self.offset,
        };
        [&header.to_bytes(), self.id.as_bytes(), channel.as_bytes(), payload].concat()
    }

    fn handle(&mut self, event: Vec<u8>) -> Reply {
        let world = World {
            function: self.function,
            state: self.state.clone(),
            effects: Vec::new(),
            logs: Vec::new(),
        };
        let before = exchange(Some(world));
        let run = AssertUnwindSafe(|| {
            Context::read(event.into()).and_then(|context| (self.function.handle)(&context))
        });
        let ended = catch_unwind(run);
        let Some(mut world) = exchange(before) else { return lost() };
        let outcome = match ended {
            Ok(Ok(())) => Outcome::Done,
            Ok(Err(error)) => rejected(&error, &mut world.logs),
            Err(thrown) => match thrown.downcast::<Ended>() {
                Ok(ended) => Outcome::Failed { detail: ended.0 },
                Err(panic) => resume_unwind(panic),
            },
        };
        if outcome == Outcome::Done {
            self.state = world.state;
        } else {
            world.effects.clear();
        }
        Reply { outcome, effects: world.effects, logs: world.logs }
    }
}

fn rejected(error: &Error, logs: &mut Vec<LogLine>) -> Outcome {
    logs.push(LogLine { level: Level::Error, text: error.text().into() });
    Outcome::Rejected { code: error.code() }
}

/// A handler that ran a test of its own and did not come back from it.
fn lost() -> Reply {
    let outcome = Outcome::Failed { detail: "the event was lost".into() };
    Reply { outcome, effects: Vec::new(), logs: Vec::new() }
}
