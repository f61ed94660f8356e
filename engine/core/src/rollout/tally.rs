//! How many devices stand where. Kept up with every row that changes, and always equal to a recount of the rows.

use super::device::{Device, Step};
use serde::{Deserialize, Serialize};

/// Counts of devices. In JSON those that are zero are left out: the head is written with most events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// No phase has taken them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub undrawn: u32,
    /// Wait for their turn.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ready: u32,
    /// Wait for a time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub later: u32,
    /// Were not there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub absent: u32,
    /// Have an offer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offered: u32,
    /// Fetch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub downloading: u32,
    /// Have the image and have not confirmed it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub installing: u32,
    /// Run the release, and are heard.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub succeeded: u32,
    /// Run the release, and are not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub silent: u32,
    /// Ran out of attempts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u32,
    /// Took too long.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timed_out: u32,
    /// Cannot or do not want to take it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rejected: u32,
    /// Are no part of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub removed: u32,
    /// Were not to get it any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub canceled: u32,
    /// Sum of the confidences of those that are silent, in thousandths.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub silent_thousandths: u64,
}

impl Tally {
    fn count(&mut self, device: &Device) -> &mut u32 {
        match device.step {
            Step::Undrawn => &mut self.undrawn,
            Step::Ready => &mut self.ready,
            Step::Later => &mut self.later,
            Step::Absent => &mut self.absent,
            Step::Offered => &mut self.offered,
            Step::Downloading => &mut self.downloading,
            Step::Verified | Step::Armed | Step::Trial => &mut self.installing,
            Step::Succeeded if device.confidence > 0 => &mut self.silent,
            Step::Succeeded => &mut self.succeeded,
            Step::Failed => &mut self.failed,
            Step::TimedOut => &mut self.timed_out,
            Step::Rejected => &mut self.rejected,
            Step::Removed => &mut self.removed,
            Step::Canceled => &mut self.canceled,
        }
    }

    /// Counts a device.
    pub fn add(&mut self, device: &Device) {
        let count = self.count(device);
        *count = count.saturating_add(1);
        self.silent_thousandths += u64::from(device.confidence);
    }

    /// Counts it no more.
    pub fn remove(&mut self, device: &Device) {
        let count = self.count(device);
        *count = count.saturating_sub(1);
        self.silent_thousandths = self.silent_thousandths.saturating_sub(device.confidence.into());
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            undrawn: self.undrawn.saturating_add(other.undrawn),
            ready: self.ready.saturating_add(other.ready),
            later: self.later.saturating_add(other.later),
            absent: self.absent.saturating_add(other.absent),
            offered: self.offered.saturating_add(other.offered),
            downloading: self.downloading.saturating_add(other.downloading),
            installing: self.installing.saturating_add(other.installing),
            succeeded: self.succeeded.saturating_add(other.succeeded),
            silent: self.silent.saturating_add(other.silent),
            failed: self.failed.saturating_add(other.failed),
            timed_out: self.timed_out.saturating_add(other.timed_out),
            rejected: self.rejected.saturating_add(other.rejected),
            removed: self.removed.saturating_add(other.removed),
            canceled: self.canceled.saturating_add(other.canceled),
            silent_thousandths: self.silent_thousandths.saturating_add(other.silent_thousandths),
        }
    }

    /// Those that have an offer or are at it.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.offered.saturating_add(self.downloading).saturating_add(self.installing)
    }

    /// Those that a phase waits for.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.active().saturating_add(self.ready).saturating_add(self.later)
    }

    /// Those that run the release, heard or not.
    #[must_use]
    pub fn updated(&self) -> u32 {
        self.succeeded.saturating_add(self.silent)
    }

    /// Those whose job has come to an end of its own.
    #[must_use]
    pub fn ended(&self) -> u32 {
        [self.failed, self.timed_out, self.rejected].into_iter().fold(self.updated(), u32::saturating_add)
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u32 {
        [self.ended(), self.undrawn, self.absent, self.removed, self.canceled]
            .into_iter()
            .fold(self.pending(), u32::saturating_add)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
pub(super) fn is_zero<N: Copy + Into<u64>>(number: &N) -> bool {
    (*number).into() == 0
}

/// Counts as a gate reads them: each is there, also if it is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Devices in all.
    pub devices: u32,
    /// Those that run the release and are heard.
    pub succeeded: u32,
    /// Those that run the release and are silent.
    pub silent: u32,
    /// Those that ran out of attempts.
    pub failed: u32,
    /// Those that took too long.
    pub timed_out: u32,
    /// Those that cannot or do not want to take it.
    pub rejected: u32,
    /// Those that were not there.
    pub absent: u32,
}

impl From<Tally> for Counts {
    fn from(tally: Tally) -> Self {
        let Tally { succeeded, silent, failed, timed_out, rejected, absent, .. } = tally;
        Self { devices: tally.total(), succeeded, silent, failed, timed_out, rejected, absent }
    }
}
