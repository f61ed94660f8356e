//! The device's end of a firmware update: from the offer to the image that has proved itself, or back.
//!
//! [`Update`] is a state machine with the verbs of the others, over two slots for images ([`Slots`]) and a journal in
//! flash. It trusts nothing that comes over the network: an offer counts if enough keys of the firmware have signed its
//! manifest, and an image counts if what is in flash has the digest that was signed.

#[cfg(feature = "embassy-boot")]
mod embassy;
mod firmware;
mod slots;

#[cfg(feature = "embassy-boot")]
pub use embassy::EmbassyBoot;
pub use firmware::{Config, Error, Firmware};
pub use slots::{Boot, Fault, Slots};

use crate::agent::{Agent, Notice};
use core::ops::Range;
use embedded_storage_async::nor_flash::NorFlash;
use fleetfn_protocol::update::{BlockRequest, Phase, Reason, Status};

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

/// The machine, over slots `S` and a journal in the flash `F`.
pub struct Update<'a, S, F> {
    firmware: Firmware<'a>,
    #[expect(dead_code, reason = "the bodies follow")]
    config: Config,
    slots: S,
    #[expect(dead_code, reason = "the bodies follow")]
    journal: F,
}

impl<'a, S: Slots, F: NorFlash> Update<'a, S, F> {
    /// Takes up what the flash says, after a start of the device: a download goes on, a trial begins or has ended.
    ///
    /// `range` of `journal` is an even number of whole pages, two in most flashes, that nothing else uses. It has to have
    /// been erased before the first time, or to hold what makes no sense.
    ///
    /// # Errors
    /// [`Error`] if the values do not fit each other. A flash that fails is no error: the next status says so.
    #[expect(clippy::unused_async, reason = "the bodies follow")]
    pub async fn open(
        firmware: Firmware<'a>,
        config: Config,
        slots: S,
        journal: F,
        range: Range<u32>,
    ) -> Result<Self, Error> {
        drop(range);
        Ok(Self { firmware, config, slots, journal })
    }

    /// Takes a notice of the agent, to be called with every one: connections, offers, blocks, and which status has
    /// arrived. `true` if it was about an update. An offer is in the journal when this returns, so that it may be
    /// acknowledged.
    ///
    /// Verifying an offer takes as long as its signatures: some hundred milliseconds to some seconds each on a
    /// microcontroller. It cannot be divided; the watchdog must bear it.
    #[expect(clippy::unused_async, reason = "the bodies follow")]
    pub async fn handle_notice(&mut self, notice: &Notice<'_>, now_ms: u64) -> bool {
        matches!((notice, now_ms), (Notice::Offer(_) | Notice::Block(_), _))
    }

    /// The time is known, in seconds since 1970: offers expire from now on.
    pub fn handle_time(&mut self, _unix_s: u64, _now_ms: u64) {}

    /// While the application is busy nothing is fetched, written, started or restarted. It begins as not busy.
    pub fn set_busy(&mut self, _is_busy: bool, _now_ms: u64) {}

    /// The application's own word that the image works. Counts in a trial, if [`Config::needs_word`].
    pub fn set_healthy(&mut self) {}

    /// The application does not want what is offered: the job fails with [`Reason::Refused`], if it is not on trial yet.
    /// An application that wants to look first is busy until it has looked at [`Update::job`].
    pub async fn refuse(&mut self) {}

    /// Does what is due, a slice at a time: a kilobyte of digest or of flash. To be called in each round of the main
    /// loop, and when [`Update::next_deadline`] says so.
    #[expect(clippy::unused_async, reason = "the bodies follow")]
    pub async fn handle_timeout(&mut self, _now_ms: u64) {}

    /// When to call [`Update::handle_timeout`], if nothing changes before; in the past if there is work now. At most a
    /// minute ahead.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// Carries status and requests to the agent, as far as it takes them; call it after the others, as the outbox's
    /// `flush`. It erases the flash that the blocks go to which it asks for.
    #[expect(clippy::unused_async, reason = "the bodies follow")]
    pub async fn flush(&mut self, _agent: &mut Agent<'_>, _now_ms: u64) {}

    /// The blocks to be asked for now; for those who do not [`Update::flush`] to an agent.
    #[expect(clippy::unused_async, reason = "the bodies follow")]
    pub async fn poll_request(&mut self, _now_ms: u64) -> Option<BlockRequest> {
        None
    }

    /// The status to be said now, likewise. The other side has it when [`Update::handle_reported`] is called.
    pub fn poll_status(&mut self, _now_ms: u64) -> Option<Status<'a>> {
        None
    }

    /// The server has what [`Update::poll_status`] said last.
    pub fn handle_reported(&mut self) {}

    /// Whether the device is to be reset now, to start an image or to put one back.
    #[must_use]
    pub const fn poll_restart(&self) -> bool {
        false
    }

    /// Whether the watchdog may be fed: not when the device should have been reset and was not. A board feeds it in each
    /// round of its main loop, if this is `true`, and never from a timer.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        true
    }

    /// What runs, and how far the job is.
    #[must_use]
    pub const fn status(&self) -> Status<'a> {
        Status {
            job: 0,
            sequence: self.firmware.sequence,
            version: self.firmware.version,
            phase: Phase::Idle,
            reason: Reason::None,
            have: 0,
            of: 0,
        }
    }

    /// The job that is being worked on; `None` if there is none, or it has ended.
    #[must_use]
    pub const fn job(&self) -> Option<Job> {
        None
    }

    /// Sequence below and at which nothing is taken any more.
    #[must_use]
    pub const fn floor(&self) -> u32 {
        self.firmware.sequence
    }

    /// The slots, for a board that needs them back.
    pub const fn slots(&mut self) -> &mut S {
        &mut self.slots
    }
}
