//! What is said, and when: on each connection, at each change, and now and then while blocks come.

use super::{Slots, Stage, Update};
use crate::agent::Agent;
use crate::mqtt::PacketId;
use embedded_storage_async::nor_flash::NorFlash;
use fleetfn_protocol::update::{Phase, Reason, Status};

/// Between reports of progress, in milliseconds: a server hears of a whole fleet at once.
const PROGRESS_MS: u64 = 5_000;

/// What is to be said, and whether it has arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    is_connected: bool,
    is_due: bool,
    /// What was said last has arrived, on this connection.
    is_reported: bool,
    packet: Option<PacketId>,
    /// The last offer that was refused, which no flash remembers.
    refusal: Option<(u32, Reason)>,
    is_refusal_due: bool,
    /// Which part of the payload was reported last, and when.
    part: u32,
    said_at_ms: u64,
}

impl Report {
    pub(super) const fn new() -> Self {
        Self {
            is_connected: false,
            is_due: false,
            is_reported: false,
            packet: None,
            refusal: None,
            is_refusal_due: false,
            part: 0,
            said_at_ms: 0,
        }
    }

    pub(super) const fn connected(&mut self) {
        self.is_connected = true;
        self.packet = None;
        self.changed();
    }

    pub(super) const fn disconnected(&mut self) {
        self.is_connected = false;
        self.is_reported = false;
    }

    pub(super) const fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(super) const fn is_reported(&self) -> bool {
        self.is_connected && self.is_reported
    }

    /// There is something new to say.
    pub(super) const fn changed(&mut self) {
        self.is_due = true;
        self.is_reported = false;
    }

    pub(super) const fn refuse(&mut self, job: u32, reason: Reason) {
        self.refusal = Some((job, reason));
        self.is_refusal_due = true;
        self.changed();
    }

    /// An offer was accepted: what was refused before is of no interest any more.
    pub(super) const fn accept(&mut self) {
        self.refusal = None;
        self.is_refusal_due = false;
    }

    /// A download begins.
    pub(super) const fn begin(&mut self) {
        self.part = 0;
    }

    pub(super) fn progress(&mut self, have: u32, of: u32, now_ms: u64) {
        // Twenty rounds at the most, since small microcontrollers have no division.
        let step = tenth(of).max(1);
        let (mut part, mut end) = (0_u32, step);
        while end <= have {
            part = part.saturating_add(1);
            end = end.saturating_add(step);
        }
        if part > self.part && now_ms >= self.said_at_ms.saturating_add(PROGRESS_MS) {
            (self.part, self.said_at_ms) = (part, now_ms);
            self.changed();
        }
    }

    /// Whether the packet was the last status.
    pub(super) fn take(&mut self, packet: PacketId) -> bool {
        self.packet.take_if(|known| *known == packet).is_some()
    }
}

/// A tenth, rounded down: the whole of a length is reported in so many parts. The factor is 2^35 / 10, rounded up, which is
/// exact for all 32 bits.
fn tenth(number: u32) -> u32 {
    u32::try_from(u64::from(number).wrapping_mul(0xcccc_cccd) >> 35).unwrap_or_default()
}

impl<'a, S: Slots, F: NorFlash> Update<'a, S, F> {
    /// Carries status and requests to the agent, as far as it takes them; call it after the others, as the outbox's
    /// `flush`. It erases the flash that the blocks go to which it asks for.
    pub async fn flush(&mut self, agent: &mut Agent<'_>, now_ms: u64) {
        if !agent.is_online() {
            self.handle_disconnected();
            return;
        }
        if let Some(status) = self.poll_status(now_ms) {
            match agent.report_update(&status) {
                Ok(packet) => self.report.packet = packet,
                // There is no room now: the next time.
                Err(_) => self.report.is_due = true,
            }
        }
        if let Some(request) = self.poll_request(now_ms).await {
            // One that is lost, here or on the way, is asked again when its time is over.
            let _ = agent.request_blocks(&request);
        }
    }

    /// The status to be said now; for those who do not [`Update::flush`] to an agent. The other side has it when
    /// [`Update::handle_reported`] is called.
    pub fn poll_status(&mut self, now_ms: u64) -> Option<Status<'a>> {
        self.clock.tick(now_ms);
        if !self.report.is_connected || !self.report.is_due {
            return None;
        }
        let status = self.status();
        // A refusal is said once, and what goes on after it.
        self.report.is_due = core::mem::take(&mut self.report.is_refusal_due) && self.is_active();
        Some(status)
    }

    /// The server has what [`Update::poll_status`] said last.
    pub const fn handle_reported(&mut self) {
        self.report.is_reported = self.report.is_connected && !self.report.is_due;
    }

    /// What runs, and how far the job is.
    #[must_use]
    pub fn status(&self) -> Status<'a> {
        let (phase, reason) = self.phase();
        let job = self.record.as_ref().map_or(0, |record| record.job);
        let (have, of) = self.progress();
        let status = Status {
            job,
            sequence: self.firmware.sequence,
            version: self.firmware.version,
            phase,
            reason,
            have,
            of,
        };
        match self.report.refusal {
            Some((job, reason)) if self.report.is_refusal_due || !self.is_active() => {
                Status { job, phase: Phase::Failed, reason, have: 0, of: 0, ..status }
            }
            _ => status,
        }
    }

    fn phase(&self) -> (Phase, Reason) {
        let phase = match self.stage {
            Stage::Idle => Phase::Idle,
            Stage::Ended(phase, reason) => return (phase, reason),
            Stage::Trial { .. } => Phase::Trial,
            _ if self.is_busy => return (Phase::Paused, Reason::Busy),
            Stage::Fetch(_) | Stage::Check(_) | Stage::Apply(_) => Phase::Downloading,
            Stage::Verified => Phase::Verified,
            Stage::Armed { .. } => Phase::Armed,
        };
        (phase, Reason::None)
    }

    /// How much of the payload is in flash, and how long it is.
    fn progress(&self) -> (u32, u32) {
        let Some(record) = self.record.as_ref().filter(|_| self.is_active()) else { return (0, 0) };
        let size = record.payload().size;
        match &self.stage {
            Stage::Fetch(fetch) => (fetch.have(size), size),
            Stage::Check(check) if check.is_before_download() => (0, size),
            _ => (size, size),
        }
    }
}
