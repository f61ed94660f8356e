//! What a policy means where it says nothing.

use super::{Load, Retries, Timeouts};

/// Devices at it at once: what a node serves blocks to without noticing.
pub(super) fn concurrency() -> u32 {
    1_000
}

/// The middle, so that another rollout can go before or after.
pub(super) fn weight() -> u16 {
    100
}

/// A function answers in milliseconds; a node that is behind by a minute has no answer to wait for.
pub(super) fn gate_timeout_s() -> u32 {
    60
}

/// Two messages may be lost.
pub(super) fn cadences() -> u32 {
    3
}

/// A reboot and a reconnect with back-off take minutes.
pub(super) fn floor_s() -> u32 {
    900
}

/// What is quiet only after a day is not quiet because of the update.
pub(super) fn watch_s() -> u32 {
    86_400
}

impl Default for Load {
    fn default() -> Self {
        // What waits is seen every few seconds: the last third is for what comes until then.
        Self { hold_percent: 70, slow_percent: 90 }
    }
}

impl Load {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        // A sleepy device connects once a day; a step is a download that stands still, or a trial.
        Self { offer_s: 86_400, step_s: 3_600, in_progress_s: 86_400 }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: 3, deliveries: 10, delay_s: 300 }
    }
}
