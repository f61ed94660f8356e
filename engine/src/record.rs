//! A slice of real traffic as a case of `fleetfn fn test`: what one function did with the events of one entity.
//!
//! The case begins with what the function read and had not written itself, as it was recorded, so that it finds the same
//! when the case is run; what it did is what the case expects. The format is in `docs/reference/testing.md`.

use crate::admit::Waiter;
use crate::api::{Blob, effect_view};
use crate::follow::{self, Follower, Shown};
use crate::place;
use fleetfn_core::event::Purpose;
use fleetfn_core::invocation::{LogLevel, Read, Role};
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_core::{Effect, Event, EventKind};
use fleetfn_protocol::{EffectId, FunctionName};
use fleetfn_store::Store;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Events of one case: more than anybody reads.
const EVENTS_MAX: usize = 1_000;

/// Stretches of the log that are looked through, of half a megabyte each: some seconds.
const STRETCHES_MAX: usize = 2_048;

/// What was recorded.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// The case; `None` if no invocation was found.
    pub(crate) case: Option<Value>,
    /// What is not in it, or not as it was, in words.
    pub(crate) remarks: BTreeSet<String>,
}

/// Looks for what `function` did, live, for the entity of these canonical bytes since a time. Blocks.
pub(crate) fn record(
    store: &Store<Waiter>,
    function: FunctionName,
    entity: &[u8],
    from_ms: u64,
) -> Result<Recorded, follow::Error> {
    let wants = |recording: &Recording| {
        recording.function == function && recording.role == Role::Live && recording.entity == *entity
    };
    let mut follower = Follower::new(store.clone(), place::of_time(store, from_ms)?);
    let (mut shown, mut stretches) = (Vec::new(), 0);
    while !follower.is_at_end() && shown.len() < EVENTS_MAX && stretches < STRETCHES_MAX {
        shown.extend(follower.next_batch(EVENTS_MAX - shown.len(), wants)?);
        stretches += 1;
    }
    let mut recorded = case(&shown);
    if !follower.is_at_end() {
        recorded.remarks.insert("there is more: the case ends where it is long enough".into());
    }
    Ok(recorded)
}

/// What a case begins with, as far as it is known.
#[derive(Default)]
struct Before {
    /// Keys that were read or written: what is found there later is the function's own doing.
    known: BTreeSet<Vec<u8>>,
    state: Map<String, Value>,
    state_version: Option<u32>,
    config: Map<String, Value>,
    twin: Option<Value>,
}

impl Before {
    fn read(&mut self, read: &Read, remarks: &mut BTreeSet<String>) {
        match read {
            Read::State { key, value } => {
                if !self.known.insert(key.to_vec()) {
                    return;
                }
                let Some(value) = value else { return };
                match (key.is_empty(), std::str::from_utf8(key)) {
                    (true, _) => {
                        let version = <[u8; 4]>::try_from(&value[..]).ok().map(u32::from_le_bytes);
                        self.state_version = version;
                    }
                    (false, Ok(key)) => drop(self.state.insert(key.into(), blob(value))),
                    (false, Err(_)) => {
                        remarks.insert("keys that are no text are not in the state before".into());
                    }
                }
            }
            Read::Twin { document } => {
                let document = document.as_ref().and_then(|twin| serde_json::from_slice::<Value>(twin).ok());
                if let (None, Some(twin)) = (&self.twin, document) {
                    let part = |name: &str| twin.get(name).cloned().unwrap_or_else(|| json!({}));
                    self.twin = Some(json!({"desired": part("desired"), "reported": part("reported")}));
                }
            }
            Read::Config { key, value } => {
                if let Some(value) = value {
                    self.config.entry(key.as_str()).or_insert_with(|| blob(value));
                }
            }
            // Functions of the engine's own alone ask for these, and nobody tests one.
            Read::Update { .. } | Read::Listeners { .. } => {}
            Read::Lost => {
                remarks
                    .insert("an invocation read more than is recorded: the state before is not whole".into());
            }
        }
    }

    fn wrote(&mut self, effect: &Effect) {
        if let Effect::StatePut { key, .. } | Effect::StateDelete { key } = effect {
            self.known.insert(key.to_vec());
        }
    }
}

/// The case that invocations of one function for one entity make.
fn case(shown: &[Shown]) -> Recorded {
    let (mut before, mut remarks, mut events) = (Before::default(), BTreeSet::new(), Vec::new());
    let (mut begin, mut last_ms) = (None, 0);
    for Shown { given, recording, .. } in shown {
        let Some(event) = given.as_ref().map(|given| &given.event) else {
            remarks.insert("events that the log has forgotten are left out".into());
            continue;
        };
        let Some(mut step) = step(event) else {
            let word = event.kind().word();
            remarks.insert(format!("events of the kind {word} are left out: a case has no word for them"));
            continue;
        };
        recording.reads.iter().for_each(|read| before.read(read, &mut remarks));
        if recording.outcome == RecordedOutcome::Done {
            recording.effects.iter().for_each(|effect| before.wrote(effect));
        }
        let at_ms = event.received_at_ms();
        let payload = event.firing().map_or_else(|| event.payload(), |firing| firing.payload);
        if !payload.is_empty() && !matches!(event.kind(), EventKind::TwinReported) {
            step.insert("payload".into(), blob(&payload));
        }
        if begin.is_none() {
            begin = Some((event, recording.function));
        } else {
            // To the second, as time of a case goes.
            step.insert("after_s".into(), (at_ms.saturating_sub(last_ms) / 1_000).into());
        }
        last_ms = at_ms;
        step.insert("expect".into(), expect(recording));
        events.push(Value::Object(step));
    }
    let case = begin.map(|(first, function)| {
        let mut case = Map::new();
        let from = first.entity().to_string();
        case.insert("name".into(), format!("what {function} did for {from}").into());
        let (word, name) = match from.strip_prefix("devices/") {
            Some(id) => ("device", id),
            None => ("entity", from.as_str()),
        };
        case.insert(word.into(), name.into());
        case.insert("start_ms".into(), first.received_at_ms().into());
        let Before { state, state_version, config, twin, .. } = before;
        let version = state_version.map(Value::from);
        let parts = [("state_version", version), ("twin", twin)].map(|(name, part)| Some((name, part?)));
        let maps = [("config", config), ("state", state)].map(|(name, map)| (name, Value::Object(map)));
        case.extend(
            maps.into_iter().chain(parts.into_iter().flatten()).map(|(name, part)| (name.into(), part)),
        );
        case.insert("events".into(), events.into());
        Value::Object(case)
    });
    Recorded { case, remarks }
}

/// What happens, in the words of a case; `None` where it has none.
fn step(event: &Event) -> Option<Map<String, Value>> {
    let source = event.origin().map(|origin| origin.source).unwrap_or_default();
    let firing = event.firing();
    let (word, name, source): (&str, Value, &str) = match event.kind() {
        EventKind::Telemetry { channel } => ("telemetry", channel.into(), ""),
        EventKind::Connected => ("presence", "connected".into(), ""),
        EventKind::Disconnected { reason } => ("presence", "disconnected".into(), reason),
        EventKind::TwinReported => ("twin", serde_json::from_slice(&event.payload()).ok()?, ""),
        EventKind::CommandReply { name } => ("reply", name.into(), ""),
        EventKind::Message { name } => ("message", name.into(), source),
        EventKind::Request { path } => ("http", path.into(), source),
        EventKind::Response { name } => ("response", name.strip_prefix("response/")?.into(), source),
        EventKind::TimerFired => match Purpose::from_bytes(&firing.as_ref()?.purpose)? {
            Purpose::Named(name) => ("timer", name.into(), ""),
            Purpose::Cron(expression) => ("cron", expression.into(), ""),
            Purpose::Reply(name) => ("reply", name.into(), "timeout"),
            Purpose::Quiet(..) | Purpose::Expiry(_) | Purpose::Send(..) => return None,
        },
        EventKind::UpdateStatus
        | EventKind::CommandRequested { .. }
        | EventKind::Shared { .. }
        | EventKind::TwinRequested { .. }
        | EventKind::UpdateRequested
        | EventKind::UpdateUndelivered
        | EventKind::Redrive => return None,
    };
    let mut step = Map::from_iter([(word.to_owned(), name)]);
    if !source.is_empty() {
        step.insert("source".into(), source.into());
    }
    Some(step)
}

/// What an invocation did.
fn expect(recording: &Recording) -> Value {
    let mut expect = Map::new();
    match &recording.outcome {
        RecordedOutcome::Done => {}
        RecordedOutcome::Failed { error_type, detail } => {
            let word = match error_type.as_str() {
                "rejected" => "rejected",
                "schema" => "refused",
                "interrupted" => "interrupted",
                _ => "failed",
            };
            expect.insert("outcome".into(), word.into());
            // Without the backtrace, which every compiler makes anew.
            let reason = detail.lines().next().unwrap_or_default();
            expect.insert("error".into(), json!({"type": error_type, "detail": reason}));
        }
    }
    // Taken out again: it depends on the place in the log.
    let id = EffectId { offset: 0, function: recording.function, index: 0 };
    let effects = recording.effects.iter().map(|effect| {
        let mut view = serde_json::to_value(effect_view(effect, id)).unwrap_or_default();
        if let Value::Object(members) = &mut view {
            members.remove("id");
        }
        view
    });
    expect.insert("effects".into(), effects.collect());
    let logs = recording.logs.iter().map(|line| {
        let level = match line.level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        json!({"level": level, "text": line.text})
    });
    expect.insert("logs".into(), logs.collect());
    Value::Object(expect)
}

fn blob(bytes: &[u8]) -> Value {
    // Text and base64 always have a JSON form.
    serde_json::to_value(Blob::new(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
