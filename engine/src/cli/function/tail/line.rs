//! An invocation as people read it.

use crate::api::{Blob, EffectView, InvocationView};
use crate::cli::output::{clean, short};
use crate::cli::timestamp::rfc3339;
use std::fmt::Write;

/// Most characters of a payload that are shown; all of it is in the JSON.
const PAYLOAD_CHARACTERS_MAX: usize = 80;

/// One line: when, what, how it ended, for what, at which cost, and what came of it. Below it why it failed, and what it
/// logged. Without an end of line.
pub(crate) fn line(invocation: &InvocationView) -> String {
    let event = &invocation.event;
    let at = event.received_at_ms.map(rfc3339);
    // The day is known to whoever watches.
    let time = at.as_deref().and_then(|at| at.get(11..23)).unwrap_or("-");
    let dark = if invocation.role == "dark" { " dark" } else { "" };
    let again = event.again.as_deref().map(|why| format!(" again:{why}")).unwrap_or_default();
    let mut text = format!(
        "{time} {}@{}{dark} {} {} {}",
        invocation.function,
        short(&invocation.version),
        invocation.outcome,
        event.entity,
        event.kind.as_deref().unwrap_or("event"),
    );
    // Writing to a string does not fail.
    if !event.detail.is_empty() {
        let _ = write!(text, ":{}", event.detail);
    }
    let payload = event.payload.as_ref().map(Blob::to_string).unwrap_or_default();
    if !payload.is_empty() {
        let _ = write!(text, " {}", cut(&payload));
    }
    let _ = write!(text, "{again}  {} fuel {} us", invocation.fuel, invocation.duration_us);
    let effects: Vec<_> = invocation.effects.iter().map(effect).collect();
    if !effects.is_empty() {
        let _ = write!(text, " -> {}", effects.join(", "));
    }
    let mut text = clean(&text);
    if let Some(error) = &invocation.error {
        let _ = write!(text, "\n    {}: {}", error.error_type, clean(&error.detail));
    }
    for line in &invocation.logs {
        let _ = write!(text, "\n    {} {}", line.level, clean(&line.text));
    }
    text
}

/// What an effect does and to what, without what it sends.
fn effect(effect: &EffectView) -> String {
    match effect {
        EffectView::StatePut { key, .. } => format!("put {}", cut(&key.to_string())),
        EffectView::StateDelete { key } => format!("delete {}", cut(&key.to_string())),
        EffectView::Publish { topic, .. } => format!("publish {topic}"),
        EffectView::Command { name, .. } => format!("command {name}"),
        EffectView::Send { entity, name, .. } => format!("send {name} to {entity}"),
        EffectView::TimerSet { name, delay_s, .. } => format!("timer {name} in {delay_s} s"),
        EffectView::TimerCancel { name } => format!("cancel timer {name}"),
        EffectView::TwinPatch { .. } => "twin".into(),
        EffectView::UpdateOrder { job: Some(job), version: Some(version) } => {
            format!("job {job}: update to {version}")
        }
        EffectView::UpdateOrder { job: Some(job), version: None } => format!("withdraw job {job}"),
        EffectView::UpdateOrder { job: None, .. } => "update".into(),
        EffectView::Http { method, url, .. } => format!("{method} {}", cut(url)),
        EffectView::Respond { status, .. } => format!("respond {status}"),
        EffectView::Metric { name, value, .. } => match value {
            Some(value) => format!("{name}={value}"),
            None => format!("{name}=?"),
        },
    }
}

fn cut(text: &str) -> String {
    let mut characters = text.chars();
    let beginning: String = characters.by_ref().take(PAYLOAD_CHARACTERS_MAX).collect();
    if characters.next().is_some() { format!("{beginning}...") } else { beginning }
}

#[cfg(test)]
mod tests {
    use super::line;
    use serde_json::json;

    #[test]
    fn an_invocation_is_one_line_and_what_it_said_stands_below() {
        let view = json!({
            "function": "climate", "version": "ab".repeat(32), "role": "live", "outcome": "rejected",
            "error": {"type": "rejected", "detail": "the handler returned 7"},
            "event": {"offset": 7, "entity": "devices/d-1", "kind": "telemetry", "detail": "climate",
                "received_at_ms": 951_827_696_789_u64, "payload": "{\"t\":21}\u{1b}"},
            "logs": [{"level": "warn", "text": "hot\n"}], "fuel": 90, "duration_us": 4,
            "effects": [{"kind": "command", "id": "7.0.climate", "name": "fan", "payload": "on", "ttl_s": 0}],
            "cursor": "9.0",
        });
        let view = serde_json::from_value(view).expect("a view");
        assert_eq!(
            line(&view),
            "12:34:56.789 climate@abababababab rejected devices/d-1 telemetry:climate {\"t\":21}   90 fuel 4 us -> \
             command fan\n    rejected: the handler returned 7\n    warn hot "
        );
    }
}
