//! `/invocations`: what functions do, while they do it, as server-sent events.

use super::Api;
use super::blob::Blob;
use super::function::level;
use super::problem::Problem;
use super::request::Parameters;
use crate::feed::InvocationRecord;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use fleetfn_core::{Effect, Outcome};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use futures_util::stream::{Stream, unfold};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

/// Name of the event that carries an invocation.
const INVOCATION_EVENT: &str = "invocation";

/// Name of the event that says how many invocations a slow client was not told of.
pub(crate) const MISSED_EVENT: &str = "missed";

/// How often a quiet stream sends a comment, so that a dead connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One version run for one event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InvocationView {
    /// Name of the function.
    pub(crate) function: String,
    /// The version that ran: SHA-256 of the module.
    pub(crate) version: String,
    /// `done`, `rejected`, `failed` or `interrupted`.
    pub(crate) outcome: String,
    /// Why not `done`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) error: Option<FailureView>,
    /// What it ran for.
    pub(crate) event: EventView,
    /// What it logged.
    pub(crate) logs: Vec<LineView>,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// Time in the guest, in microseconds.
    pub(crate) duration_us: u64,
    /// What it asked for.
    pub(crate) effects: Vec<EffectView>,
}

/// The event of an invocation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventView {
    /// Its place in the log.
    pub(crate) offset: u64,
    /// What it is about.
    pub(crate) entity: String,
    /// The topic on which it came.
    pub(crate) topic: String,
    /// When it was admitted, in milliseconds since 1970.
    pub(crate) received_at_ms: u64,
    /// What was published; of a long payload the beginning.
    pub(crate) payload: Blob,
}

/// Why an invocation did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailureView {
    /// A word for the kind: `trap`, `fuel`, `rejected`, ...
    #[serde(rename = "type")]
    pub(crate) error_type: String,
    /// What happened.
    pub(crate) detail: String,
}

/// A log line of an invocation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LineView {
    /// `debug`, `info`, `warn` or `error`.
    pub(crate) level: String,
    /// The line.
    pub(crate) text: String,
}

/// What an invocation asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum EffectView {
    /// To keep a value.
    StatePut {
        /// Under which key.
        key: Blob,
        /// The value.
        value: Blob,
    },
    /// To forget a key.
    StateDelete {
        /// Which.
        key: Blob,
    },
    /// To publish to whoever listens.
    Publish {
        /// By which receivers know it again.
        id: String,
        /// Where.
        topic: Blob,
        /// What.
        payload: Blob,
    },
    /// To command the event's device.
    Command {
        /// By which the device knows it again.
        id: String,
        /// Name of the command.
        name: Blob,
        /// What to send.
        payload: Blob,
        /// Seconds until it is pointless; 0 for never.
        ttl_s: u32,
    },
}

/// How many invocations a slow client was not told of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Missed {
    /// The number.
    pub(crate) missed: u64,
}

impl From<&InvocationRecord> for InvocationView {
    fn from(record: &InvocationRecord) -> Self {
        let invocation = &record.invocation;
        let effects = invocation.effects.iter().zip(0..).map(|(effect, index)| {
            let id = EffectId { offset: record.offset.0, function: invocation.function, index };
            effect_view(effect, id)
        });
        Self {
            function: invocation.function.to_string(),
            version: invocation.version.to_string(),
            outcome: outcome(&invocation.outcome).into(),
            error: failure(&invocation.outcome),
            event: EventView {
                offset: record.offset.0,
                entity: record.entity.clone(),
                topic: record.topic.clone(),
                received_at_ms: record.received_at_ms,
                payload: Blob::new(&record.payload),
            },
            logs: invocation
                .logs
                .iter()
                .map(|log| LineView { level: level(log.level).into(), text: log.text.clone() })
                .collect(),
            fuel: invocation.fuel,
            duration_us: record.duration_us,
            effects: effects.collect(),
        }
    }
}

fn effect_view(effect: &Effect, id: EffectId) -> EffectView {
    match effect {
        Effect::StatePut { key, value } => {
            EffectView::StatePut { key: Blob::new(key), value: Blob::new(value) }
        }
        Effect::StateDelete { key } => EffectView::StateDelete { key: Blob::new(key) },
        Effect::Publish { topic, payload } => {
            EffectView::Publish { id: id.to_string(), topic: Blob::new(topic), payload: Blob::new(payload) }
        }
        Effect::Command { name, payload, ttl_s } => EffectView::Command {
            id: id.to_string(),
            name: Blob::new(name),
            payload: Blob::new(payload),
            ttl_s: *ttl_s,
        },
    }
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Rejected { .. } => "rejected",
        Outcome::Failed { .. } => "failed",
        Outcome::Interrupted { .. } => "interrupted",
    }
}

/// Why an outcome is not [`Outcome::Done`].
pub(super) fn failure(outcome: &Outcome) -> Option<FailureView> {
    let (error_type, detail) = match outcome {
        Outcome::Done => return None,
        Outcome::Rejected { code } => ("rejected", format!("the handler returned {code}")),
        Outcome::Failed { error_type, detail } => (*error_type, detail.clone()),
        Outcome::Interrupted { detail } => ("interrupted", detail.clone()),
    };
    Some(FailureView { error_type: error_type.into(), detail })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    function: Option<String>,
    device: Option<String>,
}

struct Watch {
    feed: Receiver<Arc<InvocationRecord>>,
    ending: watch::Receiver<bool>,
    function: Option<FunctionName>,
    entity: Option<String>,
}

impl Watch {
    fn wants(&self, record: &InvocationRecord) -> bool {
        self.function.is_none_or(|name| record.invocation.function == name)
            && self.entity.as_ref().is_none_or(|entity| record.entity == *entity)
    }

    /// What the client is to be told next; `None` when the server stops.
    async fn next(&mut self) -> Option<News> {
        loop {
            let received = tokio::select! {
                received = self.feed.recv() => received,
                _ = self.ending.wait_for(|ending| *ending) => return None,
            };
            match received {
                Ok(record) if self.wants(&record) => return Some(News::Invocation(record)),
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => return Some(News::Missed(missed)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// Something to tell a client.
#[derive(Debug)]
enum News {
    Invocation(Arc<InvocationRecord>),
    /// The client was too slow for so many.
    Missed(u64),
}

impl News {
    fn event(&self) -> Event {
        let event = match self {
            Self::Invocation(record) => {
                Event::default().event(INVOCATION_EVENT).json_data(InvocationView::from(record.as_ref()))
            }
            Self::Missed(missed) => {
                Event::default().event(MISSED_EVENT).json_data(Missed { missed: *missed })
            }
        };
        // Numbers and strings always have a JSON form.
        event.unwrap_or_default()
    }
}

/// `GET /invocations`: from now on, of one `function` or `device`, or of all.
///
/// The engine does not wait for slow clients: an event `missed` says how many invocations they were not told of,
/// before any filter.
pub(super) async fn stream(
    State(api): State<Api>,
    Parameters(query): Parameters<StreamQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let function = query.function.as_deref().map(FunctionName::parse).transpose();
    let function = function.map_err(|error| Problem::malformed("function", &error))?;
    let device = query.device.as_deref().map(DeviceId::parse).transpose();
    let device = device.map_err(|error| Problem::malformed("device", &error))?;
    let entity = device.map(|id| fleetfn_core::Entity::Device(id).to_string());
    let watch = Watch { feed: api.engine.feed(), ending: api.ending, function, entity };
    let events = unfold(watch, async |mut watch| watch.next().await.map(|news| (Ok(news.event()), watch)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

#[cfg(test)]
mod tests {
    use super::{News, Watch};
    use crate::feed::InvocationRecord;
    use fleetfn_core::deployment::ModuleHash;
    use fleetfn_core::{Invocation, Offset, Outcome};
    use fleetfn_protocol::FunctionName;
    use std::sync::Arc;
    use tokio::sync::{broadcast, watch};

    fn record(offset: u64, entity: &str) -> Arc<InvocationRecord> {
        Arc::new(InvocationRecord {
            offset: Offset(offset),
            entity: entity.into(),
            topic: format!("{entity}/telemetry/climate"),
            received_at_ms: 0,
            payload: bytes::Bytes::new(),
            invocation: Invocation {
                function: FunctionName::parse("climate").expect("a name"),
                version: ModuleHash([0; 32]),
                outcome: Outcome::Done,
                fuel: 0,
                effects: Vec::new(),
                logs: Vec::new(),
            },
            duration_us: 0,
        })
    }

    #[tokio::test]
    async fn a_slow_client_is_told_how_much_it_missed_and_gets_the_rest() {
        let (live, feed) = broadcast::channel(2);
        let (end, ending) = watch::channel(false);
        let entity = Some("devices/a".to_owned());
        let mut watch = Watch { feed, ending, function: None, entity };
        for (offset, entity) in [(1, "devices/a"), (2, "devices/a"), (3, "devices/b"), (4, "devices/a")] {
            live.send(record(offset, entity)).expect("it listens");
        }
        assert!(matches!(watch.next().await, Some(News::Missed(2))));
        assert!(matches!(watch.next().await, Some(News::Invocation(record)) if record.offset == Offset(4)));
        end.send(true).expect("it listens");
        assert!(watch.next().await.is_none());
    }
}
