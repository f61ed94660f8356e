//! The versions of a function, and which traffic each of them gets.

use crate::api::ManifestView;
use fleetfn_core::deployment::{Deployment, Guard, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The versions of a function, as the last act left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TrafficView {
    /// Handles every entity that the canary does not.
    pub(crate) live: Option<VersionView>,
    /// Handles a part of the entities.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) canary: Option<CanaryView>,
    /// Runs beside, without effect.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) dark: Option<VersionView>,
    /// What a rollback puts live.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) previous: Option<VersionView>,
    /// When the newest of live and canary is taken back by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) guard: Option<GuardView>,
    /// Why events wait, if they do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) paused: Option<String>,
    /// Events from before its deployment that it handles first; its other events wait meanwhile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) backfill: Option<BackfillView>,
    /// What was done last, and why.
    pub(crate) reason: String,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// A stretch of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct BackfillView {
    /// The first offset.
    pub(crate) from: u64,
    /// The offset after the last.
    pub(crate) until: u64,
}

/// A version that gets traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct VersionView {
    /// SHA-256 of the module.
    pub(crate) version: String,
    /// When it was deployed, in milliseconds since 1970.
    pub(crate) deployed_at_ms: u64,
    /// What it says of itself.
    pub(crate) manifest: ManifestView,
}

/// A version that gets a part of the entities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CanaryView {
    /// The version.
    #[serde(flatten)]
    pub(crate) version: VersionView,
    /// How many of a hundred entities it gets.
    pub(crate) percent: u8,
}

/// When a version is taken back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuardView {
    /// Most failed invocations of a hundred.
    pub(crate) errors_percent: u8,
    /// Most mean fuel of an invocation, as a percentage of that of the version before; 0 for any.
    #[serde(default)]
    pub(crate) fuel_percent: u16,
    /// Invocations before it judges.
    #[serde(default = "invocations_default")]
    pub(crate) invocations_min: u32,
}

/// Invocations before a guard judges when nobody says: fewer say little of a percentage.
pub(crate) const INVOCATIONS_MIN_DEFAULT: u32 = 100;

fn invocations_default() -> u32 {
    INVOCATIONS_MIN_DEFAULT
}

impl From<&Guard> for GuardView {
    fn from(guard: &Guard) -> Self {
        let Guard { errors_percent, fuel_percent, invocations_min } = *guard;
        Self { errors_percent, fuel_percent, invocations_min }
    }
}

impl From<GuardView> for Guard {
    fn from(view: GuardView) -> Self {
        let GuardView { errors_percent, fuel_percent, invocations_min } = view;
        Self { errors_percent, fuel_percent, invocations_min }
    }
}

impl From<&Version> for VersionView {
    fn from(version: &Version) -> Self {
        Self {
            version: version.hash.to_string(),
            deployed_at_ms: version.deployed_at_ms,
            manifest: ManifestView::from(&version.manifest),
        }
    }
}

impl From<&Deployment> for TrafficView {
    fn from(line: &Deployment) -> Self {
        let canary = line.canary.as_ref();
        Self {
            live: line.live.as_ref().map(VersionView::from),
            canary: canary.map(|canary| CanaryView {
                version: VersionView::from(&canary.version),
                percent: canary.percent,
            }),
            dark: line.dark.as_ref().map(VersionView::from),
            previous: line.previous.as_ref().map(VersionView::from),
            guard: line.guard.as_ref().map(GuardView::from),
            paused: line.paused.clone(),
            backfill: line
                .backfill
                .map(|backfill| BackfillView { from: backfill.from.0, until: backfill.until.0 }),
            reason: line.reason.clone(),
            at_ms: line.at_ms,
        }
    }
}

impl GuardView {
    /// Its bounds in words.
    pub(crate) fn summary(&self) -> String {
        let fuel = match self.fuel_percent {
            0 => String::new(),
            percent => format!(" or more than {percent}% of the fuel"),
        };
        format!("more than {}% errors{fuel} after {} invocations", self.errors_percent, self.invocations_min)
    }
}
