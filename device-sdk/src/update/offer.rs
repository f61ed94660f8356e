//! Offers: what becomes of one, and of the job before it.

use super::record::{Content, Patch, Record};
use super::{Slots, Stage, Update, trust};
use embedded_storage_async::nor_flash::NorFlash;
use fleetfn_protocol::update::{Content as Asked, Delivery, Manifest, Offer, Phase, Reason};

/// What an offer leads to, once it was looked at.
enum Answer {
    /// Nothing but a status.
    Said,
    /// The job that is being worked on is given up.
    TakeBack,
    /// A job begins, with that number and a record as it is written.
    Begin(u32, [u8; Record::BYTES]),
}

impl<S: Slots, F: NorFlash> Update<'_, S, F> {
    /// An offer came; for those who have no agent. It may be acknowledged when this returns.
    ///
    /// One that is not newer than the last job is answered with the status; one that comes while an image is about to be
    /// started or on trial is not taken.
    pub async fn handle_offer(&mut self, bytes: &[u8], now_ms: u64) {
        self.clock.tick(now_ms);
        match &self.answer(bytes) {
            Answer::Said => {}
            Answer::TakeBack => self.take_back(Reason::Withdrawn).await,
            Answer::Begin(job, record) => self.begin(*job, record).await,
        }
    }

    /// On its own, so that no future has room for what is looked at here.
    #[inline(never)]
    fn answer(&mut self, bytes: &[u8]) -> Answer {
        self.report.changed();
        let last = self.record.as_ref().map_or(0, |record| record.job);
        let Ok(offer) = Offer::parse(bytes) else {
            if let Some(job) = job_of(bytes).filter(|job| *job > last) {
                self.report.refuse(job, Reason::Format);
            }
            return Answer::Said;
        };
        let is_newer = offer.job > last;
        match offer.content {
            Asked::Withdrawn if offer.job == last => return Answer::TakeBack,
            Asked::Withdrawn if is_newer => {
                self.report.refuse(offer.job, Reason::Withdrawn);
                if !self.is_committed() {
                    return Answer::TakeBack;
                }
            }
            Asked::Update { delivery, envelope } if is_newer && !self.is_committed() => {
                // One after the other, since each takes kilobytes of the stack.
                let verified = trust::verify(&self.firmware, &envelope);
                match verified.and_then(|()| self.judge(offer.job, &delivery, envelope.body())) {
                    Ok(record) => {
                        self.is_base_checked = false;
                        self.report.accept();
                        return Answer::Begin(offer.job, record);
                    }
                    Err(reason) => self.report.refuse(offer.job, reason),
                }
            }
            Asked::Withdrawn | Asked::Update { .. } => {}
        }
        Answer::Said
    }

    /// The application does not want what is offered: the job fails with [`Reason::Refused`], if it is not on trial yet.
    /// An application that wants to look first is busy until it has looked at [`Update::job`].
    pub async fn refuse(&mut self) {
        if !matches!(self.stage, Stage::Trial { .. }) {
            self.take_back(Reason::Refused).await;
        }
    }

    /// Gives the job up, wherever it is, unless it has ended.
    async fn take_back(&mut self, reason: Reason) {
        match self.stage {
            Stage::Idle | Stage::Ended(..) => {}
            Stage::Trial { .. } => self.roll_back(reason).await,
            Stage::Armed { .. } => {
                // In this order: an image that is started after its job has ended is put back at once.
                self.end(Phase::Failed, reason).await;
                if self.slots.confirm().await.is_ok() {
                    self.restart_since_ms = None;
                }
            }
            _ => self.end(Phase::Failed, reason).await,
        }
    }

    /// An image is about to be started or put back, or on trial.
    const fn is_committed(&self) -> bool {
        matches!(self.stage, Stage::Armed { .. } | Stage::Trial { .. }) || self.restart_since_ms.is_some()
    }

    /// The record of an offer that is followed, as it is written. Its signatures hold; its manifest is not looked at before.
    #[inline(never)]
    fn judge(&self, job: u32, delivery: &Delivery, body: &[u8]) -> Result<[u8; Record::BYTES], Reason> {
        let (sequence, image) = self.image(body)?;
        let record = self.record_of(job, delivery, sequence, image);
        self.check_sizes(&record)?;
        Ok(record.write())
    }

    /// Sequence and image of a manifest that is for this device. On its own, since a manifest takes half a kilobyte of the
    /// stack.
    #[inline(never)]
    fn image(&self, body: &[u8]) -> Result<(u32, Content), Reason> {
        // Looked at where it is: moving it takes more flash than reading it.
        let Ok(manifest) = &Manifest::parse(body) else { return Err(Reason::Format) };
        trust::check(&self.firmware, manifest, self.floor(), &self.clock)?;
        Ok((manifest.sequence, Content { size: manifest.size, digest: manifest.digest }))
    }

    fn record_of(&self, job: u32, delivery: &Delivery, sequence: u32, image: Content) -> Record {
        let patch = match *delivery {
            Delivery::Whole => None,
            Delivery::Patch { base_size, base, size, digest } => {
                let base = Content { size: base_size, digest: base };
                Some(Patch { base, patch: Content { size, digest } })
            }
        };
        Record {
            generation: self.record.as_ref().map_or(1, |last| last.generation.saturating_add(1)),
            floor: self.floor(),
            job,
            sequence,
            unit_bytes: S::SECTOR_BYTES.max(self.config.block_bytes.get().into()),
            image,
            patch,
            attempts: 0,
            trials: 0,
        }
    }

    fn check_sizes(&self, record: &Record) -> Result<(), Reason> {
        let (image, payload) = (record.image.size, record.payload().size);
        let slot = self.slots.slot_bytes();
        let whole = |bytes: u32| sectors(bytes, S::SECTOR_BYTES);
        // A patch lies behind the image that is made of it.
        let both = match record.patch {
            None => whole(image),
            Some(_) => whole(image).zip(whole(payload)).and_then(|(image, patch)| image.checked_add(patch)),
        };
        let fits = both.is_some_and(|bytes| bytes <= slot) && image <= self.slots.image_bytes_max();
        let has_marks = Record::units(payload, record.unit_bytes) <= self.journal.units_max();
        if image == 0 || payload == 0 || !fits || !has_marks {
            return Err(Reason::Size);
        }
        match record.patch {
            Some(patch) if patch.base.size > self.slots.image_bytes_max() => Err(Reason::Base),
            _ => Ok(()),
        }
    }
}

/// So many bytes in whole sectors, in bytes.
pub(super) const fn sectors(bytes: u32, sector_bytes: u32) -> Option<u32> {
    let mask = sector_bytes.wrapping_sub(1);
    match bytes.checked_add(mask) {
        Some(bytes) => Some(bytes & !mask),
        None => None,
    }
}

/// The job's number in an offer that cannot be read.
fn job_of(bytes: &[u8]) -> Option<u32> {
    let (_, rest) = bytes.split_first()?;
    Some(u32::from_le_bytes(*rest.first_chunk()?)).filter(|job| *job != 0)
}
