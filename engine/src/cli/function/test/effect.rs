//! Effects, log lines and outcomes in the form in which `fn tail` prints them, without ids, which depend on places in
//! the log.

use super::value::shown;
use fleetfn_core::effect::MetricKind;
use fleetfn_core::event::Entity;
use fleetfn_core::invocation::{LogLevel, LogLine};
use fleetfn_core::request::HttpRequest;
use fleetfn_core::{Effect, Outcome};
use serde_json::{Value, json};

/// One effect.
pub(super) fn effect(effect: &Effect) -> Value {
    match effect {
        Effect::StatePut { key, value, ttl_s } => with_seconds(
            json!({"kind": "state-put", "key": shown(key), "value": shown(value)}),
            "ttl_s",
            *ttl_s,
        ),
        Effect::StateDelete { key } => json!({"kind": "state-delete", "key": shown(key)}),
        Effect::Publish { topic, payload } => {
            json!({"kind": "publish", "topic": shown(topic), "payload": shown(payload)})
        }
        Effect::Command { name, payload, ttl_s, timeout_s } => {
            let value =
                json!({"kind": "command", "name": shown(name), "payload": shown(payload), "ttl_s": ttl_s});
            with_seconds(value, "timeout_s", *timeout_s)
        }
        Effect::Send { entity, name, payload, delay_s } => {
            let to = Entity::from_canonical(entity).map_or_else(|| shown(entity), |to| to.to_string().into());
            let value = json!({"kind": "send", "entity": to, "name": shown(name), "payload": shown(payload)});
            with_seconds(value, "delay_s", *delay_s)
        }
        Effect::TimerSet { name, payload, delay_s } => {
            json!({"kind": "timer-set", "name": shown(name), "payload": shown(payload), "delay_s": delay_s})
        }
        Effect::TimerCancel { name } => json!({"kind": "timer-cancel", "name": shown(name)}),
        Effect::TwinPatch { patch } => json!({"kind": "twin-patch", "patch": shown(patch)}),
        Effect::Http { tag, request } => match HttpRequest::decode(request) {
            Some(HttpRequest { method, url, headers, timeout_s, body }) => {
                let headers: Vec<String> =
                    headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                json!({"kind": "http", "tag": shown(tag), "method": method, "url": url, "headers": headers,
                    "timeout_s": timeout_s, "body": shown(&body)})
            }
            None => json!({"kind": "http", "tag": shown(tag)}),
        },
        Effect::Respond { content_type, body, status } => {
            json!({"kind": "respond", "status": status, "content_type": shown(content_type), "body": shown(body)})
        }
        Effect::Metric { name, kind, value_bits } => {
            let metric = match kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            };
            let value = f64::from_bits(*value_bits);
            json!({"kind": "metric", "name": shown(name), "metric": metric, "value": value})
        }
    }
}

/// A number of seconds, unless it is 0.
fn with_seconds(mut effect: Value, name: &str, seconds: u32) -> Value {
    if let (Value::Object(members), true) = (&mut effect, seconds > 0) {
        members.insert(name.into(), seconds.into());
    }
    effect
}

/// One log line.
pub(super) fn line(line: &LogLine) -> Value {
    let level = match line.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    json!({"level": level, "text": line.text})
}

/// A word for an outcome.
pub(super) fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Rejected { .. } => "rejected",
        Outcome::Refused { .. } => "refused",
        Outcome::Failed { .. } => "failed",
        Outcome::Interrupted { .. } => "interrupted",
    }
}

/// Why an outcome is not `done`, without the backtrace, which every compiler makes anew.
pub(super) fn error(outcome: &Outcome) -> Option<Value> {
    let (error_type, detail) = outcome.failure()?;
    let reason = detail.lines().next().unwrap_or_default();
    Some(json!({"type": error_type, "detail": reason}))
}
