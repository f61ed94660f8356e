//! A device of a test, or another entity: what a function keeps about it, its clock, and how an event is handled.

use super::effect::{Effect, LogLine};
use super::reply::{Outcome, Reply};
use super::timers::{Purpose, Timers};
use super::twin::Twin;
use super::world::{Ended, State, World, exchange};
use crate::{Context, Error, Function, Level, Postcard, ToPayload};
use fleetfn_abi::{EventCode, EventHeader};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// When the first event is received: 14 November 2023, 22:13:20 UTC.
const START_MS: u64 = 1_700_000_000_000;

/// A device, or another entity, whose events one function handles.
#[derive(Debug, Clone)]
pub struct Device {
    /// The device's id, or the entity's name.
    pub(super) name: String,
    is_device: bool,
    pub(super) function: Function,
    state: State,
    state_version: u32,
    pub(super) twin: Twin,
    config: BTreeMap<String, String>,
    pub(super) timers: Timers,
    offset: u64,
    pub(super) now_ms: u64,
}

/// An event in the words of the interface.
pub(super) struct Event<'a> {
    pub(super) code: EventCode,
    pub(super) trigger: usize,
    pub(super) detail: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) source: &'a str,
}

impl Device {
    /// A device that the function has not heard of.
    #[must_use]
    pub fn new(id: &str, function: Function) -> Self {
        Self::of(id, function, true)
    }

    /// Another entity, by name: for functions that get messages, requests, or the times of a calendar.
    #[must_use]
    pub fn named(entity: &str, function: Function) -> Self {
        Self::of(entity, function, false)
    }

    fn of(name: &str, function: Function, is_device: bool) -> Self {
        Self {
            name: name.into(),
            is_device,
            function,
            state: State::new(),
            state_version: function.state_version,
            twin: Twin::default(),
            config: BTreeMap::new(),
            timers: Timers::default(),
            offset: 0,
            now_ms: START_MS,
        }
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

    /// Makes the state one that an older version of the function left: the next event migrates it.
    pub fn set_state_version(&mut self, version: u32) {
        self.state_version = version;
    }

    /// Sets a value of the function's configuration.
    pub fn set_config(&mut self, key: &str, value: &str) {
        self.config.insert(key.into(), value.into());
    }

    /// What is desired of the device, as JSON.
    #[must_use]
    pub fn desired(&self) -> serde_json::Value {
        self.twin.desired()
    }

    /// How long until the timer of a name is due; `None` if it is not set.
    #[must_use]
    pub fn timer(&self, name: &str) -> Option<Duration> {
        let due_ms = self.timers.due_ms(&Purpose::Named(name.into()))?;
        Some(Duration::from_millis(due_ms.saturating_sub(self.now_ms)))
    }

    /// Lets time pass before the next event. What becomes due meanwhile happens at its time and in order: timers fire,
    /// awaited answers time out, `quiet` triggers, values end. What came of each event; `cron` is up to
    /// [`Device::cron`].
    ///
    /// # Panics
    /// If no trigger of the function takes a timer or reply that it asked for.
    #[track_caller]
    pub fn advance(&mut self, time: Duration) -> Vec<Reply> {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let until_ms = self.now_ms.saturating_add(ms);
        let mut replies = Vec::new();
        while let Some((purpose, due_ms, payload)) = self.timers.take(until_ms) {
            self.now_ms = due_ms;
            match purpose {
                Purpose::Named(name) => replies.push(self.fire_timer(&name, &payload)),
                Purpose::Reply(command) => replies.push(self.time_out(&command)),
                Purpose::Quiet(trigger) => replies.push(self.fire_quiet(trigger)),
                Purpose::Expiry(key) => drop(self.state.remove(key.as_bytes())),
            }
        }
        self.now_ms = until_ms;
        replies
    }

    /// When the next event is received, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Lets the function handle an event.
    ///
    /// What it asked for happens here as far as it concerns this entity, if the handler succeeds. A panic of the
    /// handler goes on into the test.
    #[track_caller]
    pub(super) fn handle(&mut self, event: &Event<'_>) -> Reply {
        let bytes = self.encode(event);
        let about = if self.is_device { Some(self.twin.shown()) } else { None };
        let world = World {
            function: self.function,
            is_device: self.is_device,
            is_request: event.code == EventCode::Http,
            state: self.state.clone(),
            twin: about,
            config: self.config.clone(),
            effects: Vec::new(),
            logs: Vec::new(),
        };
        let migrate = self.function.migrate.filter(|_| self.is_outdated());
        let (function, from) = (self.function, self.state_version);
        let before = exchange(Some(world));
        let run = AssertUnwindSafe(|| {
            let context = Context::read(bytes.into())?;
            migrate.map_or(Ok(()), |migrate| migrate(from, &context))?;
            (function.handle)(&context)
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
            self.state_version = self.state_version.max(function.state_version);
            self.timers.follow(&world.effects, self.now_ms);
            for effect in &world.effects {
                if let Effect::PatchTwin { patch } = effect {
                    // Checked when it was asked for.
                    let _ = self.twin.desire(patch.bytes());
                }
            }
        } else {
            world.effects.clear();
        }
        Reply { outcome, effects: world.effects, logs: world.logs }
    }

    fn is_outdated(&self) -> bool {
        self.state_version < self.function.state_version && !self.state.is_empty()
    }

    #[track_caller]
    fn encode(&mut self, event: &Event<'_>) -> Vec<u8> {
        let Event { code, trigger, detail, payload, source } = event;
        let payload_len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let bytes_max = self.function.payload_bytes_max;
        assert!(
            payload_len <= bytes_max,
            "the payload has {payload_len} bytes, the function takes {bytes_max}: say payload_bytes_max = N"
        );
        self.offset += 1;
        let length = |text: &str| u16::try_from(text.len()).unwrap_or(u16::MAX);
        let header = EventHeader {
            code: *code as u16,
            entity_len: length(&self.name),
            detail_len: length(detail),
            trigger: u16::try_from(*trigger).unwrap_or(u16::MAX),
            payload_len,
            offset: self.offset,
            received_at_ms: self.now_ms,
            is_device: self.is_device,
            seed: self.offset,
        };
        [&header.to_bytes(), self.name.as_bytes(), detail.as_bytes(), payload, source.as_bytes()].concat()
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
