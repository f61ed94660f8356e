//! Effects as JSON. `fleetfn fn test` writes them in the same form, without ids.

use crate::api::blob::Blob;
use fleetfn_core::effect::MetricKind;
use fleetfn_core::request::HttpRequest;
use fleetfn_core::{Effect, Entity};
use fleetfn_protocol::EffectId;
use fleetfn_protocol::update::{Content, Manifest, Offer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an invocation asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum EffectView {
    /// To keep a value.
    StatePut {
        /// Under which key.
        key: Blob,
        /// The value.
        value: Blob,
        /// Seconds for which it is there; 0, and absent, for ever.
        #[serde(skip_serializing_if = "is_zero", default)]
        ttl_s: u32,
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
        /// Seconds to wait for a reply; 0, and absent, for not at all.
        #[serde(skip_serializing_if = "is_zero", default)]
        timeout_s: u32,
    },
    /// To send a message to an entity.
    Send {
        /// By which the message says what caused it.
        id: String,
        /// Who is to receive it.
        entity: Blob,
        /// Its name.
        name: Blob,
        /// What to send.
        payload: Blob,
        /// In how many seconds; 0, and absent, for at once.
        #[serde(skip_serializing_if = "is_zero", default)]
        delay_s: u32,
    },
    /// To set a timer.
    TimerSet {
        /// Its name.
        name: Blob,
        /// What its event will hold.
        payload: Blob,
        /// In how many seconds.
        delay_s: u32,
    },
    /// To cancel a timer.
    TimerCancel {
        /// Its name.
        name: Blob,
    },
    /// To change what the twin of the event's device desires.
    TwinPatch {
        /// A JSON object (RFC 7396).
        patch: Blob,
    },
    /// To give the event's device a job of an update, or to withdraw one: of built-in functions.
    UpdateOrder {
        /// The job's number, if the order can be read.
        job: Option<u32>,
        /// What it brings, unless it is withdrawn.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        version: Option<String>,
    },
    /// To make an HTTP request.
    Http {
        /// The idempotency key of the request.
        id: String,
        /// By which the function knows the response again.
        tag: Blob,
        /// `GET`, `POST`, ...
        method: String,
        /// Where.
        url: String,
        /// `NAME: VALUE` each; secrets stand there by name.
        headers: Vec<String>,
        /// Seconds that one try may take.
        timeout_s: u16,
        /// The body.
        body: Blob,
    },
    /// To answer the HTTP request that the event is.
    Respond {
        /// Status code.
        status: u16,
        /// Media type of the body.
        content_type: Blob,
        /// The body.
        body: Blob,
    },
    /// To count or measure something.
    Metric {
        /// Its name.
        name: Blob,
        /// `counter` or `gauge`.
        metric: String,
        /// The value; absent if it is no number.
        value: Option<f64>,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Shows an effect that has this id.
pub(crate) fn effect_view(effect: &Effect, id: EffectId) -> EffectView {
    match effect {
        Effect::StatePut { key, value, ttl_s } => {
            EffectView::StatePut { key: Blob::new(key), value: Blob::new(value), ttl_s: *ttl_s }
        }
        Effect::StateDelete { key } => EffectView::StateDelete { key: Blob::new(key) },
        Effect::Publish { topic, payload } => {
            EffectView::Publish { id: id.to_string(), topic: Blob::new(topic), payload: Blob::new(payload) }
        }
        Effect::Command { name, payload, ttl_s, timeout_s } => EffectView::Command {
            id: id.to_string(),
            name: Blob::new(name),
            payload: Blob::new(payload),
            ttl_s: *ttl_s,
            timeout_s: *timeout_s,
        },
        Effect::Send { entity, name, payload, delay_s } => EffectView::Send {
            id: id.to_string(),
            entity: Entity::from_canonical(entity)
                .map_or_else(|| Blob::new(entity), |entity| Blob::Text(entity.to_string())),
            name: Blob::new(name),
            payload: Blob::new(payload),
            delay_s: *delay_s,
        },
        Effect::TimerSet { name, payload, delay_s } => {
            EffectView::TimerSet { name: Blob::new(name), payload: Blob::new(payload), delay_s: *delay_s }
        }
        Effect::TimerCancel { name } => EffectView::TimerCancel { name: Blob::new(name) },
        Effect::TwinPatch { patch } => EffectView::TwinPatch { patch: Blob::new(patch) },
        Effect::UpdateOrder { offer } => update_order(offer),
        Effect::Http { tag, request } => http(tag, HttpRequest::decode(request), id),
        Effect::Respond { content_type, body, status } => EffectView::Respond {
            status: *status,
            content_type: Blob::new(content_type),
            body: Blob::new(body),
        },
        Effect::Metric { name, kind, value_bits } => {
            let metric = match kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            };
            let value = Some(f64::from_bits(*value_bits)).filter(|value| value.is_finite());
            EffectView::Metric { name: Blob::new(name), metric: metric.into(), value }
        }
    }
}

/// A request that cannot be read, which the host never lets through, is shown without its parts.
fn update_order(offer: &[u8]) -> EffectView {
    let Ok(offer) = Offer::parse(offer) else {
        return EffectView::UpdateOrder { job: None, version: None };
    };
    let version = match offer.content {
        Content::Update { envelope, .. } => {
            Manifest::parse(envelope.body()).ok().map(|manifest| manifest.version.into())
        }
        Content::Withdrawn => None,
    };
    EffectView::UpdateOrder { job: Some(offer.job), version }
}

fn http(tag: &[u8], request: Option<HttpRequest>, id: EffectId) -> EffectView {
    let (method, url) = (String::new(), String::new());
    let nothing = HttpRequest { method, url, headers: Vec::new(), timeout_s: 0, body: bytes::Bytes::new() };
    let HttpRequest { method, url, headers, timeout_s, body } = request.unwrap_or(nothing);
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let (id, tag, body) = (id.to_string(), Blob::new(tag), Blob::new(&body));
    EffectView::Http { id, tag, method, url, headers, timeout_s, body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::json;

    #[test]
    fn an_effect_has_a_kind_and_is_read_as_it_was_written() {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        let headers = vec![("authorization".to_owned(), "Bearer {{secret:KEY}}".to_owned())];
        let (method, url) = ("POST".to_owned(), "https://example.org/x".to_owned());
        let request = HttpRequest { method, url, headers, timeout_s: 9, body: bytes("hi") }.encode();
        let send = Effect::Send { entity: bytes("dlamp"), name: bytes("n"), payload: bytes("p"), delay_s: 0 };
        let metric = |value: f64| Effect::Metric {
            name: bytes("m"),
            kind: MetricKind::Gauge,
            value_bits: value.to_bits(),
        };
        let cases = [
            (
                Effect::StatePut { key: bytes("k"), value: Bytes::from_static(&[255]), ttl_s: 0 },
                json!({"kind": "state-put", "key": "k", "value": {"base64": "/w=="}}),
            ),
            (
                send,
                json!({"kind": "send", "id": "7.1.f", "entity": "devices/lamp", "name": "n", "payload": "p"}),
            ),
            (
                Effect::Http { tag: bytes("t"), request },
                json!({"kind": "http", "id": "7.1.f", "tag": "t", "method": "POST",
                    "url": "https://example.org/x", "headers": ["authorization: Bearer {{secret:KEY}}"],
                    "timeout_s": 9, "body": "hi"}),
            ),
            (metric(0.5), json!({"kind": "metric", "name": "m", "metric": "gauge", "value": 0.5})),
            (metric(f64::NAN), json!({"kind": "metric", "name": "m", "metric": "gauge", "value": null})),
        ];
        let id = EffectId { offset: 7, function: "f".parse().expect("a name"), index: 1 };
        for (effect, expected) in cases {
            let view = effect_view(&effect, id);
            let written = serde_json::to_value(&view).expect("JSON");
            assert_eq!(written, expected);
            assert_eq!(serde_json::from_value::<EffectView>(written).expect("is read"), view);
        }
    }
}
