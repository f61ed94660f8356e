//! The device's end of a firmware update: from the offer to the image that has proved itself, or back.
//!
//! [`Update`] is a state machine with the verbs of the others, over two slots for images ([`Slots`]) and a journal in
//! flash. It trusts nothing that comes over the network: an offer counts if enough keys of the firmware have signed its
//! manifest, and an image counts if what is in flash has the digest that was signed.
//!
//! Stored is, and in this order:
//!
//! - in the journal a record of the job, before its offer is acknowledged;
//! - in the download slot its payload, from the front; a patch from the sector at the end of the slot where it just fits;
//! - in the journal a mark for each unit of that (a sector or a block, whichever is longer), after its bytes;
//! - with a patch, the image in front of it in the download slot, made anew after a cut;
//! - in the journal a mark for the trial, before the boot loader is told;
//! - with the boot loader that the image stays, then in the journal how the job ended; only that raises the floor.
//!
//! A cut leaves what was marked, and the next start goes on from there. Attempts and trials are counted in the journal, so
//! that an image that does not come or does not work is given up, however often the device starts.
//!
//! `trust` says whether an offer is followed, with a [`Verifier`] of signatures; `window` which blocks are wanted, `record` and
//! `journal` what is in flash; `offer`, `fetch`, `check`, `trial` and `report` are the machine in the order in which a job goes
//! through it, `job` what begins and ends it.

mod check;
mod clock;
#[cfg(feature = "embassy-boot")]
mod embassy;
mod fetch;
mod firmware;
mod job;
mod journal;
#[cfg(feature = "std")]
pub mod memory;
mod offer;
mod record;
mod report;
#[cfg(feature = "ed25519")]
mod signature;
mod slots;
mod trial;
mod trust;
mod window;

#[cfg(feature = "embassy-boot")]
pub use embassy::EmbassyBoot;
pub use firmware::{Config, Error, Firmware, Verifier};
#[cfg(feature = "ed25519")]
pub use signature::ed25519;
pub use slots::{Boot, Fault, Slots};

use crate::agent::Notice;
use check::{Apply, Check};
use clock::Clock;
use core::mem::MaybeUninit;
use core::ops::Range;
use embedded_storage_async::nor_flash::NorFlash;
use fetch::Fetch;
use fleetfn_protocol::limits::VERSION_BYTES_MAX;
use fleetfn_protocol::update::{Phase, Reason};
use journal::Journal;
use record::Record;
use report::Report;

/// How long the server has to take the last status before the device restarts, and the board to reset it then, in
/// milliseconds.
const RESTART_MS: u64 = 10_000;

/// What a job asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub number: u32,
    /// Sequence of the image.
    pub sequence: u32,
    /// Length of the image, in bytes.
    pub size: u32,
}

/// Where the job is.
#[expect(clippy::large_enum_variant, reason = "there is one of it, and no allocator")]
enum Stage {
    /// There is none.
    Idle,
    Fetch(Fetch),
    Check(Check),
    Apply(Apply),
    /// The image is in the download slot, whole.
    Verified,
    /// The boot loader will start it.
    Armed {
        since_ms: u64,
    },
    Trial {
        until_ms: u64,
    },
    Ended(Phase, Reason),
}

/// The machine, over slots `S` and a journal in the flash `F`.
pub struct Update<'a, S, F> {
    firmware: Firmware<'a>,
    config: Config,
    slots: S,
    journal: Journal<F>,
    clock: Clock,
    report: Report,
    /// Trials of the job, those of the record included.
    trials: u8,
    /// Those that are marked in the half of the journal that holds.
    marked_trials: u8,
    /// Failures of the flash in a row.
    faults: u8,
    /// What runs is not confirmed.
    is_on_trial: bool,
    /// The image that a patch is applied to is the one that runs.
    is_base_checked: bool,
    is_busy: bool,
    has_word: bool,
    restart_since_ms: Option<u64>,
    record: Option<Record>,
    stage: Stage,
}

impl<'a, S: Slots, F: NorFlash> Update<'a, S, F> {
    /// Takes up what the flash says, after a start of the device: a download goes on, a trial begins or has ended.
    ///
    /// `range` of `journal` is an even number of whole pages, two in most flashes, that nothing else uses. It has to have
    /// been erased before the first time, or to hold what makes no sense.
    ///
    /// # Errors
    /// [`Error`] if the values do not fit each other. A flash that fails is no error: the next status says so.
    pub async fn open(
        firmware: Firmware<'a>,
        config: Config,
        slots: S,
        journal: F,
        range: Range<u32>,
    ) -> Result<Self, Error> {
        let mut update = Self::new(firmware, config, slots, journal, range)?;
        update.start().await;
        Ok(update)
    }

    /// [`Update::open`] without looking at the flash, for firmware that has no room for a future that moves an `Update`:
    /// [`Update::start`] comes before all else.
    ///
    /// # Errors
    /// As `open`.
    #[inline(never)]
    pub fn new(
        firmware: Firmware<'a>,
        config: Config,
        slots: S,
        journal: F,
        range: Range<u32>,
    ) -> Result<Self, Error> {
        let journal = Self::fit(&firmware, &slots, journal, &range)?;
        Ok(Self::made(firmware, config, slots, journal))
    }

    /// [`Update::new`] in a place of the firmware's own, a `static` most often. What is returned by value is on the stack
    /// before it is anywhere else, and an `Update` has more than a kilobyte.
    ///
    /// # Errors
    /// As `open`; the place is as it was.
    #[inline(never)]
    pub fn new_in<'p>(
        place: &'p mut MaybeUninit<Self>,
        firmware: Firmware<'a>,
        config: Config,
        slots: S,
        journal: F,
        range: Range<u32>,
    ) -> Result<&'p mut Self, Error> {
        let journal = Self::fit(&firmware, &slots, journal, &range)?;
        Ok(place.write(Self::made(firmware, config, slots, journal)))
    }

    /// The journal, if the values fit each other.
    fn fit(firmware: &Firmware<'a>, slots: &S, journal: F, range: &Range<u32>) -> Result<Journal<F>, Error> {
        let version = firmware.version;
        let is_text = !version.bytes().any(|byte| byte < b' ' || byte == 0x7f);
        if version.is_empty() || version.len() > VERSION_BYTES_MAX || !is_text {
            return Err(Error::Version);
        }
        let sector = S::SECTOR_BYTES;
        let fits = sector.is_power_of_two()
            && sector >= 64
            && S::WORD_BYTES.is_power_of_two()
            && S::WORD_BYTES <= 64
            && slots.slot_bytes() & sector.wrapping_sub(1) == 0;
        if !fits {
            return Err(Error::Sizes);
        }
        Journal::new(journal, range)
    }

    const fn made(firmware: Firmware<'a>, config: Config, slots: S, journal: Journal<F>) -> Self {
        Self {
            firmware,
            config,
            slots,
            journal,
            clock: Clock::new(),
            record: None,
            stage: Stage::Idle,
            report: Report::new(),
            trials: 0,
            marked_trials: 0,
            faults: 0,
            is_on_trial: false,
            is_base_checked: false,
            is_busy: false,
            has_word: false,
            restart_since_ms: None,
        }
    }

    /// Takes up what the flash says, once, after [`Update::new`].
    pub async fn start(&mut self) {
        if self.take_up().await.is_err() {
            self.stage = Stage::Ended(Phase::Failed, Reason::Flash);
            // Without a journal a trial cannot be counted, nor confirmed.
            if self.is_on_trial {
                self.restart();
            }
        }
    }

    /// Takes a notice of the agent, to be called with every one: connections, offers, blocks, and which status has
    /// arrived. `true` if it was about an update. An offer is in the journal when this returns, so that it may be
    /// acknowledged.
    ///
    /// Verifying an offer takes as long as its signatures: some hundred milliseconds to some seconds each on a
    /// microcontroller. It cannot be divided; the watchdog must bear it.
    pub async fn handle_notice(&mut self, notice: &Notice<'_>, now_ms: u64) -> bool {
        match notice {
            Notice::Listening => self.handle_connected(now_ms),
            Notice::Offer(offer) => self.handle_offer(offer, now_ms).await,
            Notice::Block(block) => self.handle_block(block, now_ms).await,
            Notice::Delivered { id, reason } => {
                let is_ours = self.report.take(*id);
                if is_ours && !reason.is_failure() {
                    self.handle_reported();
                }
                return is_ours;
            }
            Notice::Lost { id } => return self.report.take(*id),
            _ => return false,
        }
        !matches!(notice, Notice::Listening)
    }

    /// There is a connection, and the device listens to offers and blocks on it; for those who have no agent.
    pub fn handle_connected(&mut self, now_ms: u64) {
        let now_ms = self.clock.tick(now_ms);
        self.report.connected();
        if let Stage::Fetch(fetch) = &mut self.stage {
            fetch.give_up(now_ms);
        }
    }

    /// The connection is lost. [`Update::flush`] notices by itself.
    pub const fn handle_disconnected(&mut self) {
        self.report.disconnected();
    }

    /// The time is known, in seconds since 1970: offers expire from now on.
    pub fn handle_time(&mut self, unix_s: u64, now_ms: u64) {
        self.clock.tick(now_ms);
        self.clock.set_unix_s(unix_s);
    }

    /// While the application is busy nothing is fetched, applied or armed, and a new image is not started; an offer is still
    /// written to the journal. It begins as not busy. A trial goes on, and ends.
    pub fn set_busy(&mut self, is_busy: bool, now_ms: u64) {
        let now_ms = self.clock.tick(now_ms);
        if self.is_busy != is_busy {
            self.is_busy = is_busy;
            if let Stage::Fetch(fetch) = &mut self.stage {
                fetch.give_up(now_ms);
            }
            self.report.changed();
        }
    }

    /// The application's own word that the image works. Counts in a trial, if [`Config::needs_word`].
    pub const fn set_healthy(&mut self) {
        self.has_word = true;
    }

    /// Does what is due, a slice at a time: a kilobyte of digest or of flash. To be called in each round of the main
    /// loop, and when [`Update::next_deadline`] says so.
    pub async fn handle_timeout(&mut self, now_ms: u64) {
        let now_ms = self.clock.tick(now_ms);
        match &self.stage {
            Stage::Trial { until_ms } => {
                let until_ms = *until_ms;
                self.go_on_trial(until_ms, now_ms).await;
            }
            _ if self.is_busy => {}
            Stage::Check(_) => self.check_slice().await,
            Stage::Apply(_) => self.apply_slice().await,
            Stage::Verified => self.arm().await,
            Stage::Armed { since_ms } => {
                if self.report.is_reported() || now_ms >= since_ms.saturating_add(RESTART_MS) {
                    self.restart();
                }
            }
            Stage::Idle | Stage::Fetch(_) | Stage::Ended(..) => {}
        }
    }

    /// When to call [`Update::handle_timeout`] and [`Update::flush`], if nothing changes before; in the past if there is
    /// work now. At most a minute ahead.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let at_ms = match &self.stage {
            Stage::Trial { until_ms } => Some(*until_ms),
            _ if self.is_busy => None,
            Stage::Check(_) | Stage::Apply(_) | Stage::Verified => Some(0),
            Stage::Armed { since_ms } => Some(since_ms.saturating_add(RESTART_MS)),
            Stage::Fetch(fetch) if self.report.is_connected() => Some(fetch.due_ms()),
            Stage::Idle | Stage::Fetch(_) | Stage::Ended(..) => None,
        };
        at_ms.map(|at_ms| self.clock.callers_ms(at_ms))
    }

    /// Whether the device is to be reset now, to start an image or to put one back.
    #[must_use]
    pub const fn poll_restart(&self) -> bool {
        self.restart_since_ms.is_some()
    }

    /// Whether the watchdog may be fed: not when the device should have been reset ten seconds ago and was not. A board
    /// feeds it in each round of its main loop if this is `true`, and never from a timer or an interrupt.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let is_late = |since_ms: u64| self.clock.now_ms() >= since_ms.saturating_add(RESTART_MS);
        !self.restart_since_ms.is_some_and(is_late)
    }

    /// The job that is being worked on; `None` if there is none, or it has ended.
    #[must_use]
    pub fn job(&self) -> Option<Job> {
        let record = self.record.as_ref().filter(|_| self.is_active())?;
        Some(Job { number: record.job, sequence: record.sequence, size: record.image.size })
    }

    /// Sequence below and at which nothing is taken any more: the highest that was confirmed.
    #[must_use]
    pub fn floor(&self) -> u32 {
        let running = if self.is_on_trial { 0 } else { self.firmware.sequence };
        let of_record = |record: &Record| match self.stage {
            Stage::Ended(Phase::Confirmed, _) => record.floor.max(record.sequence),
            _ => record.floor,
        };
        self.record.as_ref().map_or(running, |record| of_record(record).max(running))
    }

    /// The slots, for a board that shares them.
    pub const fn slots(&mut self) -> &mut S {
        &mut self.slots
    }

    fn restart(&mut self) {
        self.restart_since_ms = self.restart_since_ms.or(Some(self.clock.now_ms()));
    }

    const fn is_active(&self) -> bool {
        !matches!(self.stage, Stage::Idle | Stage::Ended(..))
    }
}

/// As much as there is, or as there is room for. One function for all copies, which saves flash.
#[inline(never)]
fn copy(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}
