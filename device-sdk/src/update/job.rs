//! The course of a job: taken up after a start, begun, begun again, ended.

use super::check::{Check, What};
use super::fetch::Fetch;
use super::journal::{Mark, TRIALS_MAX};
use super::record::Record;
use super::{Boot, Fault, Slots, Stage, Update};
use embedded_storage_async::nor_flash::NorFlash;
use fleetfn_protocol::update::{Phase, Reason};

/// Downloads that may end with a wrong digest: one for a flash that had a bad moment, one more for luck.
const ATTEMPTS_MAX: u8 = 3;

/// How often in a row the flash may fail before the job is given up.
const FAULTS_MAX: u8 = 3;

impl<S: Slots, F: NorFlash> Update<'_, S, F> {
    /// What the journal and the boot loader say after a start.
    pub(super) async fn take_up(&mut self) -> Result<(), Fault> {
        // A state that cannot be read may be a trial, which nobody may confirm unproven: the next reset ends it.
        let boot = self.slots.boot().await.inspect_err(|_| self.is_on_trial = true)?;
        self.is_on_trial = boot == Boot::Trial;
        let loaded = self.journal.load(&mut self.record).await;
        loaded.inspect_err(|_| self.record = None)?;
        let Some(&Record { trials, sequence, .. }) = self.record.as_ref() else {
            // Whoever armed it, a trial that is not in the journal can be neither counted nor confirmed.
            if self.is_on_trial {
                self.restart();
            }
            return Ok(());
        };
        let marks = self.journal.marks().await?;
        self.marked_trials = marks.trials;
        self.trials = trials.saturating_add(marks.trials);
        if let Some((phase, reason)) = marks.ended {
            self.stage = Stage::Ended(phase, reason);
            if self.is_on_trial && phase != Phase::Confirmed {
                self.restart();
            }
            return Ok(());
        }
        let is_it = sequence == self.firmware.sequence;
        match boot {
            Boot::Trial if is_it => {
                self.stage = Stage::Trial { until_ms: self.config.trial_ms };
                // It only tells later why there was no confirmation.
                let _ = self.journal.mark(Mark::Started).await;
            }
            // It says that it is another than was signed, and would say so for ever.
            Boot::Trial => self.roll_back(Reason::Unhealthy).await,
            // A cut came between what the boot loader was told and the journal.
            Boot::Normal | Boot::Reverted if is_it => {
                self.slots.confirm().await?;
                self.end(Phase::Confirmed, Reason::None).await;
            }
            Boot::Normal | Boot::Reverted if self.trials < TRIALS_MAX => self.resume().await,
            Boot::Reverted => self.end(Phase::RolledBack, Reason::Reset).await,
            Boot::Normal if marks.was_started => self.end(Phase::RolledBack, Reason::Reset).await,
            Boot::Normal => self.end(Phase::Failed, Reason::Boot).await,
        }
        Ok(())
    }

    /// Goes on with the job where the journal says.
    pub(super) async fn resume(&mut self) {
        let Some(record) = &self.record else { return };
        let units = Record::units(record.payload().size, record.unit_bytes);
        if self.trials > 0 {
            return self.begin_check(What::Image);
        }
        if record.patch.is_some() && !self.is_base_checked {
            return self.begin_check(What::Base);
        }
        match self.journal.units(units).await {
            Ok(done) if done >= units => self.begin_check(What::Payload),
            Ok(done) => self.begin_fetch(done),
            Err(_) => self.end(Phase::Failed, Reason::Flash).await,
        }
    }

    // Each stage is made in its place: one that is handed over is moved with room for the longest.

    #[inline(never)]
    pub(super) fn begin_check(&mut self, what: What) {
        self.stage = Stage::Check(Check::new(what));
        self.report.changed();
    }

    #[inline(never)]
    fn begin_fetch(&mut self, done: u32) {
        if let Some(record) = &self.record {
            let fetch = Fetch::new(record, self.config.block_bytes, done, self.clock.now_ms());
            self.stage = Stage::Fetch(fetch);
            self.report.changed();
        }
    }

    /// A job begins, or begins anew, with a record as it is written.
    pub(super) async fn begin(&mut self, job: u32, record: &[u8; Record::BYTES]) {
        if self.journal.begin(record).await.is_err() {
            self.report.refuse(job, Reason::Flash);
            self.stage = Stage::Ended(Phase::Failed, Reason::Flash);
            return;
        }
        self.begun(record);
        self.resume().await;
    }

    /// The record is in flash.
    fn begun(&mut self, record: &[u8; Record::BYTES]) {
        self.record = Record::read(record);
        self.trials = self.record.as_ref().map_or(0, |record| record.trials);
        (self.marked_trials, self.faults) = (0, 0);
        self.report.begin();
    }

    /// What was downloaded is not what was signed.
    pub(super) async fn begin_again(&mut self) {
        match self.next_attempt() {
            Some((job, record)) => self.begin(job, &record).await,
            None => self.end(Phase::Failed, Reason::Digest).await,
        }
    }

    /// The record of the same job once more, unless it was tried often enough.
    #[inline(never)]
    fn next_attempt(&self) -> Option<(u32, [u8; Record::BYTES])> {
        let record = self.record.as_ref()?;
        let attempts = record.attempts.saturating_add(1);
        // What was tried on trial is not there any more; the trials still count.
        let (trials, generation) = (self.trials, record.generation.saturating_add(1));
        let again = Record { attempts, trials, generation, ..*record };
        (attempts < ATTEMPTS_MAX).then(|| (again.job, again.write()))
    }

    pub(super) async fn end(&mut self, phase: Phase, reason: Reason) {
        // If the journal does not take it, the next start comes to the same end.
        let _ = self.journal.end(phase, reason).await;
        self.stage = Stage::Ended(phase, reason);
        self.report.changed();
    }

    /// The flash failed: once more from what is there, a few times.
    pub(super) async fn handle_fault(&mut self) {
        self.faults = self.faults.saturating_add(1);
        if self.faults > FAULTS_MAX {
            self.end(Phase::Failed, Reason::Flash).await;
        } else {
            self.resume().await;
        }
    }
}
