//! A manifest, as JSON shows it: the same shape as in the module's own section.

use fleetfn_core::deployment::{Manifest, Per, Trigger};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a version says of itself. What it does not ask for is left out, but for the first two grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ManifestView {
    /// Name under which it is deployed.
    pub(crate) name: String,
    /// When it runs.
    #[serde(default)]
    pub(crate) triggers: Vec<TriggerView>,
    /// Filters of the shared topics that it may publish to.
    #[serde(default)]
    pub(crate) publish: Vec<String>,
    /// Whether it may send commands to the event's device.
    #[serde(default)]
    pub(crate) command: bool,
    /// Filters of the entities that it may send messages to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) send: Vec<String>,
    /// Whether it may patch the twin of the event's device.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) twin: bool,
    /// What the URLs of its HTTP requests begin with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) http: Vec<String>,
    /// Names of the secrets that its HTTP requests may carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) secrets: Vec<String>,
    /// Version of what it keeps in state.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) state_version: u32,
}

/// When a function runs: one field that says what triggers, and those that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct TriggerView {
    /// On telemetry of a channel that falls under the filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) telemetry: Option<String>,
    /// JSON Schema of the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Value>,
    /// When a device has sent no such telemetry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quiet: Option<String>,
    /// For so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) for_s: Option<u32>,
    /// When a device comes or goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence: Option<bool>,
    /// When a device reports its twin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) twin: Option<bool>,
    /// When a timer of the function is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timer: Option<String>,
    /// At times of the calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cron: Option<String>,
    /// For whom: `device` or `function`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per: Option<String>,
    /// On messages between entities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// On a device's answer to a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<String>,
    /// On HTTP requests to the function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http: Option<String>,
    /// `offer`: before a device is offered a release; `report`: when its job has come a step further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) update: Option<String>,
    /// When a rollout asks whether to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gate: Option<bool>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<&Trigger> for TriggerView {
    fn from(trigger: &Trigger) -> Self {
        let none = Self::default();
        match trigger {
            Trigger::Telemetry { filter, schema } => {
                let schema = schema.as_deref().and_then(|schema| serde_json::from_str(schema).ok());
                Self { telemetry: Some(filter.clone()), schema, ..none }
            }
            Trigger::Quiet { filter, for_s } => {
                Self { quiet: Some(filter.clone()), for_s: Some(*for_s), ..none }
            }
            Trigger::Presence => Self { presence: Some(true), ..none },
            Trigger::Twin => Self { twin: Some(true), ..none },
            Trigger::Timer { filter } => Self { timer: Some(filter.clone()), ..none },
            Trigger::Cron { expression, per } => {
                let per = match per {
                    Per::Device => "device",
                    Per::Function => "function",
                };
                Self { cron: Some(expression.clone()), per: Some(per.into()), ..none }
            }
            Trigger::Message { filter } => Self { message: Some(filter.clone()), ..none },
            Trigger::Reply { filter } => Self { reply: Some(filter.clone()), ..none },
            Trigger::Http { filter } => Self { http: Some(filter.clone()), ..none },
            Trigger::UpdateOffer => Self { update: Some("offer".into()), ..none },
            Trigger::UpdateReport => Self { update: Some("report".into()), ..none },
            Trigger::Gate => Self { gate: Some(true), ..none },
        }
    }
}

impl TriggerView {
    /// In a few words.
    fn summary(&self) -> String {
        let named = [
            ("telemetry/", &self.telemetry),
            ("timer/", &self.timer),
            ("message/", &self.message),
            ("reply/", &self.reply),
            ("http/", &self.http),
            ("update/", &self.update),
        ];
        if let Some((word, Some(filter))) = named.into_iter().find(|(_, filter)| filter.is_some()) {
            let schema = if self.schema.is_some() { " (schema)" } else { "" };
            return format!("{word}{filter}{schema}");
        }
        match (&self.quiet, &self.cron) {
            (Some(filter), _) => format!("quiet {filter} for {} s", self.for_s.unwrap_or_default()),
            (None, Some(cron)) => format!("cron '{cron}' per {}", self.per.as_deref().unwrap_or("function")),
            (None, None) if self.presence == Some(true) => "presence".into(),
            (None, None) if self.gate == Some(true) => "gate".into(),
            (None, None) => "twin".into(),
        }
    }
}

impl From<&Manifest> for ManifestView {
    fn from(manifest: &Manifest) -> Self {
        Self {
            name: manifest.name.to_string(),
            triggers: manifest.triggers.iter().map(TriggerView::from).collect(),
            publish: manifest.publish.clone(),
            command: manifest.command,
            send: manifest.send.clone(),
            twin: manifest.twin,
            http: manifest.http.clone(),
            secrets: manifest.secrets.clone(),
            state_version: manifest.state_version,
        }
    }
}

impl ManifestView {
    /// Triggers and grants in a few words.
    pub(crate) fn summary(&self) -> String {
        let mut words: Vec<String> = self.triggers.iter().map(TriggerView::summary).collect();
        for (is_granted, what) in [(self.command, "may command"), (self.twin, "may patch twins")] {
            words.extend(is_granted.then(|| what.into()));
        }
        let grants = [
            ("may publish", &self.publish),
            ("may send to", &self.send),
            ("may call", &self.http),
            ("may use secret", &self.secrets),
        ];
        for (may, values) in grants {
            words.extend(values.iter().map(|value| format!("{may} {value}")));
        }
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_manifest_is_shown_as_it_is_written() {
        let written = json!({
            "name": "climate",
            "triggers": [
                { "telemetry": "climate/#", "schema": { "type": "object" } },
                { "quiet": "climate/#", "for_s": 60 },
                { "presence": true },
                { "twin": true },
                { "cron": "0 3 * * *", "per": "device" },
                { "message": "response/+" },
            ],
            "publish": ["alerts/#"],
            "command": true,
            "send": ["site/+"],
            "twin": true,
            "http": ["https://example.org/"],
            "secrets": ["token"],
            "state_version": 2,
        });
        let view: ManifestView = serde_json::from_value(written.clone()).expect("is one");
        assert_eq!(serde_json::to_value(&view).expect("serialises"), written);
        let summary = "telemetry/climate/# (schema), quiet climate/# for 60 s, presence, twin, cron '0 3 * * *' per \
                       device, message/response/+, may command, may patch twins, may publish alerts/#, may send to \
                       site/+, may call https://example.org/, may use secret token";
        assert_eq!(view.summary(), summary);
    }

    #[test]
    fn what_is_not_asked_for_is_left_out() {
        let trigger = Trigger::Telemetry { filter: "a".into(), schema: None };
        let mut manifest = Manifest::new("f".parse().expect("a name"));
        manifest.triggers.push(trigger);
        let shown = serde_json::to_value(ManifestView::from(&manifest)).expect("serialises");
        let expected =
            json!({ "name": "f", "triggers": [{ "telemetry": "a" }], "publish": [], "command": false });
        assert_eq!(shown, expected);
    }
}
