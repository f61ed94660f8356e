//! Arming, trial, confirmation and the way back.

use super::journal::{Mark, TRIALS_MAX};
use super::{Slots, Stage, Update};
use embedded_storage_async::nor_flash::NorFlash;
use fleetfn_protocol::update::{Phase, Reason};

impl<S: Slots, F: NorFlash> Update<'_, S, F> {
    /// Counts the trial, then tells the boot loader.
    pub(super) async fn arm(&mut self) {
        if self.trials >= TRIALS_MAX {
            return self.end(Phase::RolledBack, Reason::Reset).await;
        }
        // Counted before: an image that was started and not counted could be started for ever.
        let is_marked = self.journal.mark(Mark::Trial(self.marked_trials)).await.is_ok();
        if !is_marked || self.slots.arm().await.is_err() {
            return self.handle_fault().await;
        }
        self.marked_trials = self.marked_trials.saturating_add(1);
        self.trials = self.trials.saturating_add(1);
        self.stage = Stage::Armed { since_ms: self.clock.now_ms() };
        self.report.changed();
    }

    /// Healthy, or not yet, or too late.
    pub(super) async fn go_on_trial(&mut self, until_ms: u64, now_ms: u64) {
        let is_healthy = self.report.is_reported() && (self.has_word || !self.config.needs_word);
        // What the boot loader was told first holds, should a cut come between; the journal catches up at the next start.
        if is_healthy && self.slots.confirm().await.is_ok() {
            self.is_on_trial = false;
            self.end(Phase::Confirmed, Reason::None).await;
        } else if now_ms >= until_ms {
            self.roll_back(Reason::Unhealthy).await;
        }
    }

    /// The image on trial goes at the next reset, which is now.
    pub(super) async fn roll_back(&mut self, reason: Reason) {
        self.end(Phase::RolledBack, reason).await;
        self.restart();
    }
}
