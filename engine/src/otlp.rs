//! Export to OpenTelemetry: each invocation as a span, over OTLP/HTTP with JSON.
//!
//! Read from the log behind everything that counts, so that the path of an event pays nothing. What an event led to
//! is one trace: its id is made from the first event and the installation, a span's id from event, function and role,
//! both the same whenever they are made. If its PUBLISH carried a `traceparent` (W3C Trace Context, as an MQTT 5 user
//! property), that trace goes on here, and its span is the parent of the first ones. A collector that is away misses what happens meanwhile, which is counted; the log
//! has it all the same.

use crate::engine::Engine;
use crate::follow::{Follower, Shown};
use fleetfn_core::invocation::Role;
use fleetfn_core::recording::RecordedOutcome;
use fleetfn_core::{Event, EventKind, Offset};
use fleetfn_protocol::{FunctionName, TraceParent};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use ureq::Agent;

/// Spans of one request: about half a megabyte.
const BATCH_MAX: usize = 512;

/// How long a collector may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long spans wait for others to join them.
const GATHER: Duration = Duration::from_millis(500);

/// Events of which it is remembered to which trace they belong: those that lead to others soon.
const ROOTS_MAX: usize = 100_000;

/// Sends spans to one collector.
struct Exporter {
    engine: Engine,
    agent: Agent,
    url: String,
    roots: Roots,
}

/// To which trace events belong.
struct Roots {
    installation: [u8; 32],
    of: BTreeMap<Offset, Root>,
}

/// Where a trace begins.
#[derive(Debug, Clone, Copy)]
struct Root {
    offset: Offset,
    /// The span of somebody else that led to it.
    trace: Option<TraceParent>,
}

/// Begins to export, in the background: what happens from now on, to the collector at `url` (`/v1/traces` is added).
pub(crate) fn start(engine: &Engine, url: &str) {
    let config = Agent::config_builder().timeout_global(Some(ANSWER_MAX)).proxy(None).build();
    let url = format!("{}/v1/traces", url.trim_end_matches('/'));
    let roots = Roots { installation: engine.installation(), of: BTreeMap::new() };
    let exporter = Exporter { engine: engine.clone(), agent: config.into(), url, roots };
    tokio::spawn(exporter.run());
}

impl Exporter {
    async fn run(mut self) {
        let mut durable = self.engine.durable();
        let store = self.engine.store().clone();
        let from = store.durable_end();
        let mut follower = Follower::new(store, from);
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let batch = follower.next_batch(BATCH_MAX, |_| true);
                (follower, batch)
            });
            let Ok((back, batch)) = read.await else { return };
            follower = back;
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::warn!(%error, "spans are missing: the log cannot be read");
                    Vec::new()
                }
            };
            if !batch.is_empty() {
                self.send(&batch).await;
            }
            if follower.is_at_end() {
                tokio::time::sleep(GATHER).await;
                if follower.is_at_end() && durable.changed().await.is_err() {
                    return;
                }
            }
        }
    }

    async fn send(&mut self, batch: &[Shown]) {
        let spans: Vec<Value> = batch.iter().filter_map(|shown| self.roots.span(shown)).collect();
        let count = spans.len();
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let sent = tokio::task::spawn_blocking(move || agent.post(&url).send_json(request(spans)).map(drop));
        let failed = match sent.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(spans = count, error = failed, "the collector did not take spans: they are dropped");
        self.engine.metrics().spans_dropped.add(u64::try_from(count).unwrap_or_default());
    }
}

/// The document of a request (OTLP 1.x, `ExportTraceServiceRequest`).
fn request(spans: Vec<Value>) -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [text("service.name", "fleetfn"), text("faas.name", "fleetfn")]},
        "scopeSpans": [{"scope": {"name": "fleetfn", "version": env!("CARGO_PKG_VERSION")}, "spans": spans}],
    }]})
}

impl Roots {
    /// The first event of the trace that an event belongs to.
    fn root(&mut self, offset: Offset, event: &Event) -> Root {
        let cause = event.origin().map(|origin| origin.cause).filter(|cause| cause.0 != u64::MAX);
        let begins = |offset, trace| Root { offset, trace };
        let root = match cause {
            None => begins(offset, event.trace()),
            Some(cause) => self.of.get(&cause).copied().unwrap_or_else(|| begins(cause, None)),
        };
        self.of.insert(offset, root);
        if self.of.len() > ROOTS_MAX {
            self.of.pop_first();
        }
        root
    }

    fn id(&self, parts: &[&[u8]]) -> String {
        let mut hash = Sha256::new_with_prefix(self.installation);
        parts.iter().for_each(|part| hash.update(part));
        hex(&hash.finalize())
    }

    fn trace_id(&self, root: Root) -> String {
        if let Some(trace) = root.trace {
            return hex(&trace.trace_id);
        }
        let mut id = self.id(&[b"trace", &root.offset.0.to_be_bytes()]);
        id.truncate(32);
        id
    }

    fn span_id(&self, offset: Offset, function: &FunctionName, role: Role) -> String {
        let mut id =
            self.id(&[b"span", &offset.0.to_be_bytes(), &[role as u8], function.as_str().as_bytes()]);
        id.truncate(16);
        id
    }

    /// An invocation as a span; `None` if the log has forgotten its event.
    fn span(&mut self, shown: &Shown) -> Option<Value> {
        let (recording, given) = (&shown.recording, shown.given.as_ref()?);
        let (offset, function) = (recording.offset, recording.function);
        let root = self.root(offset, &given.logged);
        let origin = given.logged.origin().filter(|origin| origin.cause.0 != u64::MAX);
        let parent = match origin {
            Some(origin) => Some(self.span_id(origin.cause, &origin.function, Role::Live)),
            None => root.trace.map(|trace| hex(&trace.span_id)),
        };
        let begin_ns = given.logged.received_at_ms().saturating_mul(1_000_000);
        let mut attributes = vec![
            text("faas.trigger", trigger(&given.event)),
            text("faas.invocation_id", &format!("{offset}.{function}")),
            text("faas.version", &recording.version.to_string()),
            text("fleetfn.entity", &given.event.entity().to_string()),
            number("fleetfn.fuel", recording.fuel),
            number("fleetfn.effects", u64::try_from(recording.effects.len()).unwrap_or_default()),
        ];
        if let EventKind::Telemetry { channel } = given.event.kind() {
            let size = u64::try_from(given.event.payload().len()).unwrap_or_default();
            attributes.extend([
                text("messaging.system", "mqtt"),
                text("messaging.operation.name", "process"),
                text("messaging.destination.template", &format!("devices/{{id}}/telemetry/{channel}")),
                number("messaging.message.body.size", size),
            ]);
        }
        if recording.role == Role::Dark {
            attributes.push(json!({"key": "fleetfn.dark", "value": {"boolValue": true}}));
        }
        let status = match &recording.outcome {
            RecordedOutcome::Done => json!({}),
            RecordedOutcome::Failed { error_type, detail } => {
                attributes.push(text("error.type", error_type));
                json!({"code": 2, "message": detail})
            }
        };
        Some(json!({
            "traceId": self.trace_id(root),
            "spanId": self.span_id(offset, &function, recording.role),
            "parentSpanId": parent.unwrap_or_default(),
            "name": function.as_str(),
            "kind": 2,
            "startTimeUnixNano": begin_ns.to_string(),
            "endTimeUnixNano": begin_ns.saturating_add(recording.guest_ns).to_string(),
            "attributes": attributes,
            "status": status,
        }))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The word of the semantic conventions for what made a function run.
fn trigger(event: &Event) -> &'static str {
    match event.kind() {
        EventKind::TimerFired => "timer",
        EventKind::Request { .. } => "http",
        EventKind::Telemetry { .. }
        | EventKind::TwinReported
        | EventKind::CommandReply { .. }
        | EventKind::Message { .. }
        | EventKind::Shared { .. } => "pubsub",
        _ => "other",
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// A 64-bit number is a string in JSON (Protocol Buffers, "ProtoJSON format").
fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// Names an address to which exporting cannot begin, so that it is refused at the start.
pub(crate) fn check(url: &str) -> Result<String, String> {
    match url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(url.into()),
        _ => Err("give the collector as http://HOST:PORT or https://HOST:PORT".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::Cursor;
    use fleetfn_core::deployment::ModuleHash;
    use fleetfn_core::event::{EventParts, Origin};
    use fleetfn_core::recording::Recording;
    use fleetfn_core::{Entity, Given, PartitionId};

    fn function() -> FunctionName {
        FunctionName::parse("site").expect("a name")
    }

    fn shown(offset: u64, kind: EventKind<'_>, cause: Option<u64>) -> Shown {
        traced(offset, kind, cause, None)
    }

    fn traced(offset: u64, kind: EventKind<'_>, cause: Option<u64>, trace: Option<&TraceParent>) -> Shown {
        let origin = cause.map(|cause| Origin {
            cause: Offset(cause),
            function: function(),
            partition: PartitionId(0),
            sequence: 0,
            hops: 1,
            source: "",
        });
        let parts = EventParts {
            entity: Entity::Named("site/berlin"),
            kind,
            received_at_ms: 5,
            expiry_s: 0,
            message_id: "",
            origin,
            payload: b"20",
        };
        let given = Given::decode(parts.encode_traced(trace).expect("fits")).expect("an event");
        let recording = Recording {
            offset: Offset(offset),
            entity: Entity::Named("site/berlin").canonical().into(),
            function: function(),
            version: ModuleHash([1; 32]),
            role: Role::Live,
            trigger: 0,
            outcome: RecordedOutcome::Failed { error_type: "trap".into(), detail: "unreachable".into() },
            fuel: u64::MAX,
            guest_ns: 7,
            reads: Vec::new(),
            effects: Vec::new(),
            logs: Vec::new(),
        };
        Shown { cursor: Cursor { commit: Offset(offset + 1), index: 0 }, given: Some(given), recording }
    }

    #[test]
    fn what_an_event_led_to_is_one_trace_whose_spans_know_their_parents() {
        let mut roots = Roots { installation: [3; 32], of: BTreeMap::new() };
        let first = roots.span(&shown(10, EventKind::Telemetry { channel: "room" }, None)).expect("a span");
        let second =
            roots.span(&shown(12, EventKind::Message { name: "reading" }, Some(10))).expect("a span");
        let third = roots.span(&shown(15, EventKind::Message { name: "mean" }, Some(12))).expect("a span");
        assert_eq!((&first["traceId"], &second["traceId"]), (&third["traceId"], &third["traceId"]));
        assert_eq!((&second["parentSpanId"], &third["parentSpanId"]), (&first["spanId"], &second["spanId"]));
        assert_eq!(first["parentSpanId"], "");
        assert_eq!(
            (first["traceId"].as_str().map(str::len), first["spanId"].as_str().map(str::len)),
            (Some(32), Some(16))
        );
        assert_eq!(
            (&first["startTimeUnixNano"], &first["endTimeUnixNano"]),
            (&json!("5000000"), &json!("5000007"))
        );
        assert_eq!(first["status"], json!({"code": 2, "message": "unreachable"}));
        let attributes = first["attributes"].to_string();
        for wanted in
            [r#""error.type""#, r#""intValue":"18446744073709551615""#, r#""devices/{id}/telemetry/room""#]
        {
            assert!(attributes.contains(wanted), "{wanted} in {attributes}");
        }
        let mut others = Roots { installation: [4; 32], of: BTreeMap::new() };
        let other = others.span(&shown(10, EventKind::Telemetry { channel: "room" }, None)).expect("a span");
        assert_ne!(other["traceId"], first["traceId"]);
    }

    #[test]
    fn the_trace_of_a_publish_goes_on_in_all_that_it_led_to() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = TraceParent::parse(text).expect("is valid");
        let mut roots = Roots { installation: [3; 32], of: BTreeMap::new() };
        let reading = traced(10, EventKind::Telemetry { channel: "room" }, None, Some(&parent));
        let first = roots.span(&reading).expect("a span");
        let second =
            roots.span(&shown(12, EventKind::Message { name: "reading" }, Some(10))).expect("a span");
        for span in [&first, &second] {
            assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        }
        assert_eq!(first["parentSpanId"], "00f067aa0ba902b7");
        assert_eq!(second["parentSpanId"], first["spanId"]);
    }

    #[test]
    fn a_collector_is_named_by_its_url() {
        assert!(check("http://127.0.0.1:4318").is_ok() && check("https://collector").is_ok());
        for wrong in ["", "collector:4318", "http://", "http:///v1"] {
            assert!(check(wrong).is_err(), "{wrong:?} must be refused");
        }
    }
}
