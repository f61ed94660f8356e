//! How devices of a group update their firmware, and with how many of them it goes wrong.

use super::span::Span;
use fleetfn_device::simulation::{Ending, Random, UpdatePlan};
use fleetfn_protocol::limits::VERSION_BYTES_MAX;
use fleetfn_protocol::update::{BlockBytes, Reason};
use serde::Deserialize;
use std::sync::Arc;

/// Length of a block when nothing is said: a sector of common flash, in a packet that small receive buffers take.
const BLOCK_BYTES_DEFAULT: u16 = 512;

/// How long a restart takes when nothing is said.
const RESTART_MS_DEFAULT: u64 = 2_000;

/// How long a trial takes when nothing is said.
const TRIAL_MS_DEFAULT: u64 = 10_000;

/// Kinds of failure of a group: as many as there are reasons.
const FAILURES_MAX: usize = 32;

/// As it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Updates {
    /// What they run before the first update.
    #[serde(default = "first_version")]
    version: String,
    #[serde(default)]
    sequence: u32,
    #[serde(default)]
    block_bytes: Option<u16>,
    #[serde(default)]
    restart: Option<Span>,
    #[serde(default)]
    trial: Option<Span>,
    #[serde(default)]
    failures: Vec<Failing>,
}

/// A share of the devices with which it goes wrong.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failing {
    share: f64,
    #[serde(rename = "as")]
    end: End,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Failed,
    RolledBack,
}

fn first_version() -> String {
    "1.0.0".into()
}

/// What runs on a device before its first update.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) version: String,
    pub(super) sequence: u32,
}

/// What was checked.
pub(super) struct Checked {
    plan: UpdatePlan,
    installed: Arc<Installed>,
    /// Shares, each added to those before it.
    endings: Vec<(f64, Ending)>,
}

impl Updates {
    /// Checks what serde cannot; `path` is that of the group.
    pub(super) fn check(&self, path: &str) -> Result<Checked, String> {
        let path = format!("{path}.updates");
        let printable = !self.version.is_empty() && !self.version.chars().any(char::is_control);
        if !printable || self.version.len() > VERSION_BYTES_MAX {
            return Err(format!("{path}.version: it is a text of 1 to {VERSION_BYTES_MAX} bytes"));
        }
        let block_bytes = BlockBytes::new(self.block_bytes.unwrap_or(BLOCK_BYTES_DEFAULT))
            .map_err(|_| format!("{path}.block_bytes: a power of two from 64 to 4096"))?;
        if self.failures.len() > FAILURES_MAX {
            return Err(format!("{path}.failures: at most {FAILURES_MAX}"));
        }
        let (mut endings, mut sum) = (Vec::with_capacity(self.failures.len()), 0.0);
        for (number, failing) in self.failures.iter().enumerate() {
            let path = format!("{path}.failures[{number}]");
            let word = failing.reason.as_str();
            let reason = Reason::ALL.iter().copied().find(|reason| reason.as_str() == word);
            let reason = reason.filter(|reason| *reason != Reason::None).ok_or_else(|| {
                let words: Vec<&str> = Reason::ALL.iter().skip(1).map(|reason| reason.as_str()).collect();
                format!("{path}.reason: '{word}' is none of {}", words.join(", "))
            })?;
            sum += failing.share;
            // Written so that it refuses what is no number.
            if !(failing.share >= 0.0 && sum <= 1.0) {
                return Err(format!("{path}.share: shares are from 0 to 1, and so is their sum"));
            }
            let ending = match failing.end {
                End::Failed => Ending::Fail(reason),
                End::RolledBack => Ending::RollBack(reason),
            };
            endings.push((sum, ending));
        }
        let plan = UpdatePlan {
            block_bytes,
            restart_ms: self.restart.map_or(RESTART_MS_DEFAULT, Span::ms),
            trial_ms: self.trial.map_or(TRIAL_MS_DEFAULT, Span::ms),
            ending: Ending::Confirm,
        };
        let installed = Arc::new(Installed { version: self.version.clone(), sequence: self.sequence });
        Ok(Checked { plan, installed, endings })
    }
}

impl Checked {
    /// How it goes with one device.
    pub(super) fn of_a_device(&self, random: &mut Random) -> (UpdatePlan, Arc<Installed>) {
        let fate = random.share();
        let ending = self.endings.iter().find(|(up_to, _)| fate < *up_to);
        let ending = ending.map_or(Ending::Confirm, |(_, ending)| *ending);
        (UpdatePlan { ending, ..self.plan }, Arc::clone(&self.installed))
    }
}
