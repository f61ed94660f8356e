//! HTTP requests of functions, on their way out and back.
//!
//! A request is a row until its response is handled, so it is made again after a restart: at least once, under an
//! `Idempotency-Key` that never changes. Secrets are filled into headers here, behind everything that is recorded. What
//! comes back, or why nothing does, becomes an event of the entity that asked. Nothing here decides: whether a response
//! counts is settled when its event is.

mod address;
mod client;
#[cfg(test)]
mod tests;

pub(crate) use address::Private;

use crate::admit::Waiter;
use crate::clock::Clock;
use crate::metrics::Metrics;
use client::{Client, Lookup, Response, TOO_LATE, Trouble};
use fleetfn_core::commit::Request;
use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::request::HttpRequest;
use fleetfn_core::{Entity, EventKind, Offset, PartitionId};
use fleetfn_protocol::{EffectId, FunctionName};
use fleetfn_store::{AppendError, Haste, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Requests under way at once: each holds a thread while it waits.
const UNDER_WAY_MAX: usize = 64;

/// Tries of one request.
const TRIES_MAX: u32 = 5;

/// Pause after the first try that failed; four times as long after each further one.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause that a service may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How soon to look again whether the log has room.
const ROOM_WAIT: Duration = Duration::from_millis(20);

/// How a secret of a function is found by its name.
pub(crate) type Secrets = Box<dyn Fn(&FunctionName, &str) -> Option<Zeroizing<Vec<u8>>> + Send + Sync>;

/// What a fetcher is made of.
pub(crate) struct Parts {
    /// Where responses go.
    pub(crate) store: Store<Waiter>,
    /// How many partitions there are.
    pub(crate) partitions: u16,
    /// Secrets by name.
    pub(crate) secret: Secrets,
    /// Whether private networks may be reached.
    pub(crate) private: Private,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Tells when a response came. How long is waited for it is real time.
    pub(crate) clock: Clock,
}

/// Makes the requests of functions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fetcher(Arc<Inner>);

struct Inner {
    parts: Parts,
    client: Client,
    under_way: Arc<Semaphore>,
    runtime: Handle,
    pause: Duration,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    /// The status, or 0 and why there is none.
    source: String,
    body: Vec<u8>,
}

impl Fetcher {
    /// Begins to make requests, on the runtime of the caller.
    pub(crate) fn start(parts: Parts) -> Self {
        Self::over(parts, client::by_the_system(), PAUSE)
    }

    fn over(parts: Parts, lookup: Lookup, pause: Duration) -> Self {
        let client = Client::new(parts.private, lookup);
        let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        Self(Arc::new(Inner { parts, client, under_way, runtime: Handle::current(), pause }))
    }

    /// Makes a request, in the background. As many wait as there are rows.
    pub(crate) fn submit(&self, partition: PartitionId, effect: EffectId, request: Request) {
        let fetcher = self.clone();
        self.0.runtime.spawn(async move {
            let outcome = fetcher.fetch(effect, &request).await;
            fetcher.tell(partition, effect, &request, &outcome).await;
        });
    }

    /// Asks until there is an answer, or no more sense in asking.
    async fn fetch(&self, effect: EffectId, request: &Request) -> Outcome {
        let refused = |why: String| Outcome { source: format!("0 {why}"), body: Vec::new() };
        let Some(asked) = HttpRequest::decode(&request.request) else {
            return refused("the request is damaged".into());
        };
        let headers = match self.headers(effect, &asked) {
            Ok(headers) => headers,
            Err(name) => return refused(format!("there is no secret '{name}'")),
        };
        let mut pause = self.0.pause;
        for tried in 1.. {
            let (last, wait) = match self.ask(&asked, &headers).await {
                Ok(response) => {
                    let again = response.status == 429 || response.status >= 500;
                    let wait = response.retry_after_s.map(Duration::from_secs).filter(|_| again);
                    let outcome = outcome_of(response);
                    if !again {
                        return outcome;
                    }
                    (outcome, wait)
                }
                Err(Trouble { why, again: false }) => return refused(why),
                Err(Trouble { why, again: true }) => (refused(why), None),
            };
            if tried >= TRIES_MAX {
                return last;
            }
            tokio::time::sleep(wait.unwrap_or(pause).min(PAUSE_MAX)).await;
            pause *= 4;
        }
        refused("it was not tried".into())
    }

    /// One try, within its time. A look-up of a name cannot be called off: its thread keeps its place among those under
    /// way until it returns, so that a resolver that hangs takes no more threads than that.
    async fn ask(&self, asked: &HttpRequest, headers: &Headers) -> Result<Response, Trouble> {
        let broken = |why: String| Trouble { why, again: true };
        let permit = Arc::clone(&self.0.under_way).acquire_owned().await;
        let permit = permit.map_err(|error| broken(error.to_string()))?;
        let within = Duration::from_secs(asked.timeout_s.into());
        let (fetcher, asked, headers) = (self.clone(), asked.clone(), Arc::clone(headers));
        let asking = tokio::task::spawn_blocking(move || {
            let answered = fetcher.0.client.ask(&asked, &headers);
            drop(permit);
            answered
        });
        let answered = tokio::time::timeout(within, asking).await;
        self.0.parts.metrics.requests.add(1);
        let answered = answered.map_err(|_| broken(TOO_LATE.into()))?;
        answered.map_err(|error| broken(error.to_string()))?
    }

    /// The headers with their secrets, and the key by which a service knows a repeated request; the name of a secret
    /// that is missing otherwise.
    fn headers(&self, effect: EffectId, asked: &HttpRequest) -> Result<Headers, String> {
        let mut headers = Vec::with_capacity(asked.headers.len() + 1);
        for (name, value) in &asked.headers {
            headers.push((name.clone(), self.fill(&effect.function, value)?));
        }
        headers.push(("Idempotency-Key".into(), Zeroizing::new(effect.to_string())));
        Ok(Arc::new(headers))
    }

    /// A header's value with its `{{secret:NAME}}` filled in.
    fn fill(&self, function: &FunctionName, value: &str) -> Result<Zeroizing<String>, String> {
        let (mut filled, mut rest) = (Zeroizing::new(String::new()), value);
        while let Some((before, after)) = rest.split_once("{{secret:") {
            let (name, after) = after.split_once("}}").ok_or_else(|| after.to_owned())?;
            let secret = (self.0.parts.secret)(function, name).ok_or_else(|| name.to_owned())?;
            filled.push_str(before);
            filled.push_str(std::str::from_utf8(&secret).map_err(|_| name.to_owned())?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Makes an event of what came of it. Waits while the log has no room; a log that has failed ends the process, and
    /// the next one asks again.
    async fn tell(&self, partition: PartitionId, effect: EffectId, request: &Request, outcome: &Outcome) {
        let Parts { store, partitions, clock, .. } = &self.0.parts;
        let name = format!("response/{}", String::from_utf8_lossy(&request.tag));
        let Some(entity) = Entity::from_canonical(&request.entity) else {
            return tracing::error!(%effect, "a request of no entity");
        };
        let origin = Origin {
            cause: Offset(effect.offset),
            function: effect.function,
            partition,
            sequence: effect.index.into(),
            hops: 0,
            source: &outcome.source,
        };
        loop {
            let parts = EventParts {
                entity,
                kind: EventKind::Response { name: &name },
                received_at_ms: clock.now_ms(),
                expiry_s: 0,
                message_id: "",
                origin: Some(origin),
                payload: &outcome.body,
            };
            let Ok(event) = parts.encode() else {
                return tracing::error!(%effect, "a response cannot be made an event");
            };
            match store.admit(entity.partition(*partitions), event, Haste::Now, Waiter::Nobody) {
                Ok(_) => return,
                Err(AppendError::Full(_)) => tokio::time::sleep(ROOM_WAIT).await,
                Err(error) => return tracing::error!(%effect, %error, "a response cannot be made durable"),
            }
        }
    }
}

/// Headers as they are sent. Shared, so that what is secret is in memory once, and wiped after the last try.
type Headers = Arc<Vec<(String, Zeroizing<String>)>>;

fn outcome_of(response: Response) -> Outcome {
    let Response { status, body, is_cut, .. } = response;
    let source = if is_cut { format!("{status} cut") } else { status.to_string() };
    Outcome { source, body }
}
