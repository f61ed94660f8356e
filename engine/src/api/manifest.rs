//! A manifest, as JSON shows it: the same shape as in the module's own section.

use fleetfn_core::deployment::{Manifest, Trigger};
use serde::{Deserialize, Serialize};

/// What a version says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// When a function runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TriggerView {
    /// On telemetry of a channel that falls under the filter.
    Telemetry(String),
}

impl From<&Manifest> for ManifestView {
    fn from(manifest: &Manifest) -> Self {
        let trigger = |trigger: &Trigger| match trigger {
            Trigger::Telemetry { filter } => TriggerView::Telemetry(filter.clone()),
        };
        Self {
            name: manifest.name.to_string(),
            triggers: manifest.triggers.iter().map(trigger).collect(),
            publish: manifest.publish.clone(),
            command: manifest.command,
        }
    }
}

impl ManifestView {
    /// Triggers and grants in a few words.
    pub(crate) fn summary(&self) -> String {
        let mut words: Vec<String> = self
            .triggers
            .iter()
            .map(|TriggerView::Telemetry(filter)| format!("telemetry/{filter}"))
            .collect();
        if self.command {
            words.push("may command".into());
        }
        words.extend(self.publish.iter().map(|filter| format!("may publish {filter}")));
        words.join(", ")
    }
}
