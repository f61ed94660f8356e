//! `/invocations`: what functions do, while they do it, as server-sent events.

use super::InvocationView;
use crate::api::Api;
use crate::api::problem::{Kind, Problem};
use crate::api::request::Parameters;
use crate::follow::{self, Batch, Cursor, Follower};
use crate::place;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use fleetfn_core::invocation::Role;
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_core::{Entity, Offset};
use fleetfn_protocol::{DeviceId, FunctionName};
use fleetfn_store::ReadError;
use futures_util::stream::{Stream, unfold};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Name of the event that carries an invocation.
const INVOCATION_EVENT: &str = "invocation";

/// Name of the event that says that the log has forgotten what a slow client had not read.
pub(crate) const TRIMMED_EVENT: &str = "trimmed";

/// How often a quiet stream sends a comment, so that a dead connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a client may ask for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct StreamQuery {
    function: Option<String>,
    device: Option<String>,
    entity: Option<String>,
    /// `done`, `failed`, or a word for a kind of failure.
    outcome: Option<String>,
    role: Option<String>,
    /// A cursor, an offset, `beginning` or `now`.
    from: Option<String>,
    /// The first event of this time or later, in milliseconds since 1970.
    from_ms: Option<u64>,
}

/// Which invocations a client wants.
#[derive(Debug, Default)]
struct Filter {
    function: Option<FunctionName>,
    /// Canonical bytes.
    entity: Option<Vec<u8>>,
    outcome: Option<String>,
    role: Option<Role>,
}

impl Filter {
    fn parse(query: &StreamQuery) -> Result<Self, Problem> {
        let function = query.function.as_deref().map(FunctionName::parse).transpose();
        let device = query.device.as_deref().map(DeviceId::parse).transpose();
        let device = device.map_err(|error| Problem::malformed("device", &error))?;
        let entity = match (device, query.entity.as_deref()) {
            (Some(_), Some(_)) => {
                return Err(Problem::new(Kind::Malformed, "device and entity exclude each other"));
            }
            (Some(id), None) => Some(Entity::Device(id).canonical()),
            (None, Some(text)) => Some(
                Entity::parse(text)
                    .ok_or_else(|| Problem::new(Kind::Malformed, format!("entity: {text:?} is none")))?
                    .canonical(),
            ),
            (None, None) => None,
        };
        let role = match query.role.as_deref() {
            None => None,
            Some("live") => Some(Role::Live),
            Some("dark") => Some(Role::Dark),
            Some(_) => return Err(Problem::new(Kind::Malformed, "role: it is live or dark")),
        };
        Ok(Self {
            function: function.map_err(|error| Problem::malformed("function", &error))?,
            entity,
            outcome: query.outcome.clone(),
            role,
        })
    }

    fn wants(&self, recording: &Recording) -> bool {
        let outcome_is = |wanted: &str| match &recording.outcome {
            RecordedOutcome::Done => wanted == "done",
            RecordedOutcome::Failed { error_type, .. } => wanted == "failed" || wanted == error_type,
        };
        self.function.is_none_or(|name| recording.function == name)
            && self.entity.as_ref().is_none_or(|entity| recording.entity == *entity)
            && self.role.is_none_or(|role| recording.role == role)
            && self.outcome.as_deref().is_none_or(outcome_is)
    }
}

/// Where a client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    After(Cursor),
    At(Offset),
    Beginning,
    Time(u64),
    Now,
}

impl Start {
    /// The place that a client was at last has precedence: it comes back with the address that it began with.
    fn parse(query: &StreamQuery, last: Option<&str>) -> Result<Self, Problem> {
        match (last.filter(|last| !last.is_empty()), query.from.as_deref(), query.from_ms) {
            (Some(text), ..) => Self::place(text, "Last-Event-ID"),
            (None, Some(_), Some(_)) => {
                Err(Problem::new(Kind::Malformed, "from and from_ms exclude each other"))
            }
            (None, Some(text), None) => Self::place(text, "from"),
            (None, None, Some(at_ms)) => Ok(Self::Time(at_ms)),
            (None, None, None) => Ok(Self::Now),
        }
    }

    fn place(text: &str, what: &str) -> Result<Self, Problem> {
        match text {
            "beginning" => Ok(Self::Beginning),
            "now" => Ok(Self::Now),
            _ => (text.parse().map(Self::After).ok())
                .or_else(|| text.parse().map(|offset| Self::At(Offset(offset))).ok())
                .ok_or_else(|| {
                    let why = "it is a cursor, an offset, beginning or now";
                    Problem::new(Kind::Malformed, format!("{what}: {why}"))
                }),
        }
    }

    async fn follower(self, api: &Api) -> Result<Follower, Problem> {
        let store = api.engine.store().clone();
        let begin = move || {
            let end = store.durable_end();
            let at = match self {
                Self::After(cursor) if cursor.commit < end => return Ok(Follower::after(store, cursor)),
                Self::At(offset) => offset.min(end),
                Self::Beginning => store.start(),
                // A place of another log that was longer: what it shows next is new as well.
                Self::Now | Self::After(_) => end,
                Self::Time(at_ms) => place::of_time(&store, at_ms)?,
            };
            Ok(Follower::new(store, at))
        };
        let begun: Result<Result<Follower, ReadError>, _> = tokio::task::spawn_blocking(begin).await;
        let failed = |error: &dyn std::fmt::Display| Problem::new(Kind::Unavailable, error.to_string());
        begun.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }
}

/// What is on its way to one client.
struct Tail {
    batches: mpsc::Receiver<Result<Batch, follow::Error>>,
    ending: watch::Receiver<bool>,
    ready: VecDeque<Event>,
}

impl Tail {
    /// What the client is to be told next; `None` when the server stops or the log cannot be read.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if *self.ending.borrow() {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let batch = tokio::select! {
                batch = self.batches.recv() => batch?,
                _ = self.ending.wait_for(|ending| *ending) => return None,
            };
            match batch {
                Ok(batch) if batch.shown.is_empty() => self.ready.push_back(position(batch.position)),
                Ok(batch) => self.ready.extend(batch.shown.iter().map(|shown| {
                    let event = Event::default().id(shown.cursor.to_string()).event(INVOCATION_EVENT);
                    // Numbers and strings always have a JSON form.
                    event.json_data(InvocationView::from(shown)).unwrap_or_default()
                })),
                Err(follow::Error::Read(ReadError::Trimmed { wanted, start })) => {
                    let text = format!("{{\"from\":{wanted},\"to\":{start}}}");
                    self.ready.push_back(Event::default().event(TRIMMED_EVENT).data(text));
                }
                Err(error) => {
                    tracing::error!(%error, "a stream of invocations ends");
                    return None;
                }
            }
        }
    }
}

/// Says where a client is without telling it of anything: an event without data is not dispatched, but its id counts
/// (WHATWG HTML, "server-sent events", section 9.2.6).
fn position(offset: Offset) -> Event {
    Event::default().id(offset.to_string())
}

/// `GET /invocations`: from `from` on, or from now on, all that pass the filters, in the order of the log.
///
/// The id of each event is its cursor: a client that comes back with it as `Last-Event-ID` goes on after it. A slow client
/// falls behind and misses nothing, unless the log forgets it first: then an event `trimmed` says from which offset to
/// which.
pub(in crate::api) async fn stream(
    State(api): State<Api>,
    headers: HeaderMap,
    Parameters(query): Parameters<StreamQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let filter = Filter::parse(&query)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let follower = Start::parse(&query, last)?.follower(&api).await?;
    // At once, so that a client which is cut off before the first invocation misses nothing either.
    let begin = match last {
        Some(last) if !last.is_empty() => VecDeque::new(),
        Some(_) | None => VecDeque::from([position(follower.position())]),
    };
    let wants = Arc::new(move |recording: &Recording| filter.wants(recording));
    let batches = follow::watch(follower, api.engine.durable(), wants);
    let tail = Tail { batches, ending: api.ending, ready: begin };
    let events = unfold(tail, async |mut tail| tail.next().await.map(|event| (Ok(event), tail)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Offset, Start, StreamQuery};

    #[test]
    fn a_client_goes_on_where_it_was_whatever_it_asked_for_at_first() {
        let begin = |from: Option<&str>, last: Option<&str>| {
            let query = StreamQuery { from: from.map(Into::into), ..StreamQuery::default() };
            Start::parse(&query, last).map_err(|problem| problem.detail)
        };
        let cursor = Start::After(Cursor { commit: Offset(7), index: 2 });
        assert_eq!(begin(None, None), Ok(Start::Now));
        assert_eq!(begin(Some("now"), Some("7.2")), Ok(cursor));
        assert_eq!(begin(Some("7.2"), Some("")), Ok(cursor));
        assert_eq!(begin(Some("beginning"), None), Ok(Start::Beginning));
        assert_eq!(begin(Some("17"), None), Ok(Start::At(Offset(17))));
        assert!(begin(Some("yesterday"), None).is_err());
    }
}
