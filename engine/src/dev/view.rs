//! What is shown of a run, and what is counted of it: invocations on stdout, everything else on stderr.

use super::devices::Cast;
use super::fleet::Report;
use super::node::Node;
use super::suggested::channel as channel_of;
use super::{Form, Plan};
use crate::api::{Blob, EffectView, InvocationView, ManifestView};
use crate::cli::{Failure, clean, invocation_line, print_line, short};
use crate::follow::Shown;
use fleetfn_core::deployment::ModuleHash;
use std::fmt::Write;

/// Most characters of a value that are shown; all of it is in the state.
const VALUE_CHARACTERS_MAX: usize = 100;

/// Troubles of devices that are told one by one; the rest are counted.
const TROUBLES_TOLD_MAX: u64 = 5;

/// Shows and counts.
pub(super) struct View {
    form: Form,
    /// Live invocations that were shown, whatever their outcome.
    pub(super) shown: u64,
    failed: u64,
    refused: u64,
    skipped: u64,
    troubles: u64,
    /// The first failure, in words.
    first: Option<String>,
}

impl View {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { form: plan.form, shown: 0, failed: 0, refused: 0, skipped: 0, troubles: 0, first: None }
    }

    /// Shows an invocation and what it changed.
    pub(super) fn invocation(&mut self, shown: &Shown) -> Result<(), Failure> {
        let view = InvocationView::from(shown);
        if view.role == "live" {
            self.count(&view);
        }
        match self.form {
            // Strings and numbers always have a JSON form.
            Form::Json => print_line(&serde_json::to_string(&view).unwrap_or_default()),
            Form::Line => print_line(&format!("{}{}", invocation_line(&view), changes(&view))),
        }
    }

    fn count(&mut self, view: &InvocationView) {
        self.shown += 1;
        match view.outcome.as_str() {
            "refused" => self.refused += 1,
            // What is interrupted is done again, and failed is what is not done.
            "done" | "interrupted" => {}
            _ => {
                self.failed += 1;
                let error = view.error.as_ref();
                let why = error.map(|error| format!("{}: {}", error.error_type, clean(&error.detail)));
                self.first.get_or_insert_with(|| why.unwrap_or_else(|| view.outcome.clone()));
            }
        }
    }

    /// Tells what is wrong with a device.
    pub(super) fn report(&mut self, report: Report) {
        let text = match report {
            Report::Gone { skipped } => {
                self.skipped += skipped;
                return;
            }
            Report::Refused { device, why } => format!("{device}: the broker refused a message: {why}"),
            Report::Lost { device, why } => format!("{device} lost its connection, and tries again: {why}"),
        };
        self.troubles += 1;
        if self.troubles <= TROUBLES_TOLD_MAX {
            eprintln!("{text}");
        }
    }

    /// Sums up; an error if an invocation failed.
    pub(super) fn finish(&self, events: u64, ran: &str, plan: &Plan) -> Result<(), Failure> {
        let Self { shown, failed, refused, skipped, troubles, .. } = self;
        let mut text = format!("{ran}: {events} events, {shown} invocations, {failed} failed");
        // Writing to a string does not fail.
        if *refused > 0 {
            let _ = write!(text, ", {refused} payloads refused by the schema");
        }
        if *troubles > 0 {
            let _ = write!(text, ", {troubles} troubles of devices");
        }
        eprintln!("{text}");
        if *skipped > 0 {
            eprintln!(
                "{skipped} messages were left out: this machine is too slow for them at {}",
                plan.speed
            );
        }
        let Some(first) = &self.first else { return Ok(()) };
        let next = match &plan.data {
            Some(data) => format!("fleetfn serve --data {}, then: fleetfn fn dead", data.display()),
            None => "the lines above, or run it with --data DIR, which keeps the dead letters".into(),
        };
        Err(Failure::new(format!("{failed} of {shown} invocations failed"), format!("the first: {first}"))
            .next(next))
    }
}

/// The keys that an invocation changed, each on a line of its own. Nothing comes of one that is not done, or dark.
fn changes(view: &InvocationView) -> String {
    let mut text = String::new();
    if view.outcome != "done" || view.role != "live" {
        return text;
    }
    for effect in &view.effects {
        // Writing to a string does not fail.
        let _ = match effect {
            EffectView::StatePut { key, value, ttl_s } => {
                let expires = if *ttl_s > 0 { format!(" for {ttl_s} s") } else { String::new() };
                write!(text, "\n    state {} = {}{expires}", clean(&key.to_string()), shown(value))
            }
            EffectView::StateDelete { key } => {
                write!(text, "\n    state {} is gone", clean(&key.to_string()))
            }
            _ => Ok(()),
        };
    }
    text
}

/// A value as JSON has it: what is no text to be read is escaped.
fn shown(value: &Blob) -> String {
    let text = match value {
        Blob::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Blob::Binary { .. } => value.to_string(),
    };
    let mut characters = text.chars();
    let beginning: String = characters.by_ref().take(VALUE_CHARACTERS_MAX).collect();
    if characters.next().is_some() { format!("{beginning}...") } else { beginning }
}

/// Says what runs and how to look at it.
pub(super) fn welcome(node: &Node, plan: &Plan, manifest: &ManifestView, cast: &Cast) {
    let (mqtt, http, data) = (node.engine.mqtt_address(), node.api.address(), node.data.display());
    eprintln!("mqtt={mqtt} http={http} speed={}", plan.speed);
    let (port, name) = (mqtt.port(), &manifest.name);
    let device = cast.devices.first().map(|device| device.id.to_string()).unwrap_or_default();
    let (channel, payload) = cast.example().unwrap_or(("CHANNEL", "PAYLOAD"));
    let topic = format!("devices/{device}/telemetry/{channel}");
    eprintln!("  publish:  mosquitto_pub -p {port} -u {device} -q 1 -t {topic} -m '{payload}'");
    eprintln!("  listen:   mosquitto_sub -p {port} -t '#' -v");
    for filter in manifest.triggers.iter().filter_map(|trigger| trigger.http.as_deref()) {
        eprintln!("  call:     curl -d '' http://{http}/fn/{name}/{}", channel_of(filter));
    }
    eprintln!("  inspect:  fleetfn --data {data} fn state {name} devices/{device}");
    eprintln!("every save is built and deployed, Ctrl-C ends");
}

/// The version of a deployment as it is shown.
pub(super) fn version(hash: &ModuleHash) -> String {
    short(&hash.to_string()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::changes;
    use serde_json::{Value, json};

    fn view(outcome: &str) -> Value {
        json!({
            "function": "f", "version": "ab", "role": "live", "outcome": outcome, "logs": [], "fuel": 1,
            "event": {"offset": 7, "entity": "devices/d-1", "kind": "telemetry", "detail": "t"},
            "duration_us": 4, "cursor": "9.0", "effects": [
                {"kind": "state-put", "key": "on", "value": "\u{1}"},
                {"kind": "state-put", "key": "n", "value": "7", "ttl_s": 60},
                {"kind": "state-put", "key": "raw", "value": {"base64": "/wA="}},
                {"kind": "state-delete", "key": "off"},
            ],
        })
    }

    #[test]
    fn keys_that_changed_stand_below_and_what_failed_changes_nothing() {
        let changes = |outcome| changes(&serde_json::from_value(view(outcome)).expect("a view"));
        assert_eq!(
            changes("done"),
            "\n    state on = \"\\u0001\"\n    state n = \"7\" for 60 s\n    state raw = base64:/wA=\n    state off is gone"
        );
        assert_eq!(changes("failed"), "");
    }
}
