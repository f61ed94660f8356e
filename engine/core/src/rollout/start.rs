//! Who is offered the release next: those that wait for their turn, then new ones of the phase, as pace, concurrency and
//! their windows allow.

use super::RolloutError;
use super::device::{Device, READY, Step, queue_prefix};
use super::head::State;
use super::ledger::device_id;
use super::machine::Machine;
use super::output::{OFFER, Offer, to_device};
use super::policy::{Release, Size};
use super::why::Why;
use alloc::string::ToString;
use alloc::vec::Vec;
use fleetfn_protocol::DeviceId;

/// Devices that one event starts at most: a commit of some hundred kilobytes.
pub(super) const STARTS_MAX: u32 = 256;

/// Devices that one event looks at for that at most: most may have their window closed.
const LOOKS_MAX: u32 = 512;

/// What one event may still do.
struct Budget {
    starts: u32,
    looks: u32,
    begun: u32,
}

/// What an event offers.
type Offered = (Release, Vec<Release>);

impl Machine<'_> {
    /// Devices per minute that may begin at the moment; `None` for any number.
    pub(super) fn per_minute(&self) -> Option<u32> {
        let updated = self.head.in_phases().updated();
        self.head.pace.per_minute(self.policy.rate.as_ref(), updated, self.now_ms)
    }

    fn free(&self) -> u32 {
        self.policy.concurrency.saturating_sub(self.head.in_phases().active())
    }

    pub(super) fn offer_some(&mut self) -> Result<(), RolloutError> {
        if self.head.state != State::Running || !self.can_start() {
            return Ok(());
        }
        let per_minute = self.per_minute();
        let permits = self.head.pace.permits(per_minute, self.policy.concurrency, self.now_ms);
        let starts = permits.min(self.free()).min(STARTS_MAX);
        if starts == 0 {
            return Ok(());
        }
        let mut budget = Budget { starts, looks: LOOKS_MAX, begun: 0 };
        let offered = self.offered()?;
        if self.head.in_phases().ready > 0 {
            self.offer_queue(READY, u32::MAX, &offered, &mut budget)?;
        }
        for source in self.sources() {
            self.offer_queue(&queue_prefix(source), self.room(), &offered, &mut budget)?;
        }
        if budget.begun > 0 {
            self.head.pace.take(budget.begun, self.now_ms);
        }
        self.moves.offered = budget.begun;
        self.more = self.more || budget.looks == 0 || (starts == STARTS_MAX && budget.starts == 0);
        Ok(())
    }

    /// Offers the release to as many devices of a queue as the budget allows, and `room` of them at most.
    fn offer_queue(
        &mut self,
        prefix: &str,
        mut room: u32,
        offered: &Offered,
        budget: &mut Budget,
    ) -> Result<(), RolloutError> {
        loop {
            let count = budget.starts.min(budget.looks).min(room);
            let keys = self.book.keys(prefix, None, usize::try_from(count).unwrap_or(usize::MAX))?;
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                let id = device_id(&key)?;
                let before = self.known(&id)?;
                let mut after = before.clone();
                after.phase = before.phase.or(Some(self.head.phase));
                after.group = None;
                self.make_ready(&mut after, Why::InTurn);
                if after.step == Step::Ready {
                    self.offer(&id, &mut after, offered);
                    budget.starts -= 1;
                    budget.begun += 1;
                }
                self.keep(&id, Some(&before), &after);
                budget.looks -= 1;
                room -= 1;
            }
        }
    }

    /// Makes a device ready, or lets it wait for its window.
    pub(super) fn make_ready(&self, device: &mut Device, why: Why) {
        if let Some(window) = &self.policy.window
            && !window.is_open(device.zone, self.now_ms)
        {
            let opens_ms = window.opens_at(device.zone, self.now_ms);
            device.go(Step::Later, Why::WindowClosed { opens_ms }, self.now_ms);
            device.due_ms = opens_ms;
            return;
        }
        device.go(Step::Ready, why, self.now_ms);
    }

    fn offer(&mut self, id: &DeviceId, device: &mut Device, (release, variants): &Offered) {
        let offer_ms = u64::from(self.policy.timeouts.offer_s) * 1_000;
        let closes_ms =
            self.policy.window.as_ref().and_then(|window| window.closes_at(device.zone, self.now_ms));
        let expires_ms = self.now_ms.saturating_add(offer_ms).min(closes_ms.unwrap_or(u64::MAX));
        device.go(Step::Offered, Why::Offered { expires_ms }, self.now_ms);
        device.generation = device.generation.max(self.head.offer_base).saturating_add(1);
        device.due_ms = Some(expires_ms);
        device.offered_ms = Some(self.now_ms);
        (device.started_ms, device.trial_ms) = (None, None);
        (device.have, device.of, device.chosen) = (0, 0, None);
        let has_patches = |one: &Release| !one.patches.is_empty();
        device.patched = !device.whole && (has_patches(release) || variants.iter().any(has_patches));
        let offer = Offer {
            rollout: self.name.to_string(),
            generation: device.generation,
            release: release.clone(),
            variants: variants.clone(),
            weight: self.policy.weight,
            whole: device.whole,
            expires_ms,
        };
        self.messages.push(to_device(*id, OFFER, &offer));
    }

    /// The queues that the phase takes devices from: its own, or what earlier phases have reserved and an operator's
    /// promotion left over, and then what nobody reserves.
    pub(super) fn sources(&self) -> Vec<Option<u8>> {
        let phase = self.head.phase;
        if let Some(Size::Tag(_)) = self.policy.phases.get(usize::from(phase)).map(|phase| &phase.size) {
            return [Some(phase)].into();
        }
        let left = (0..phase).filter(|earlier| self.reserved(*earlier) > 0).map(Some);
        left.chain([None]).collect()
    }

    fn reserved(&self, phase: u8) -> u32 {
        self.head.phases.get(usize::from(phase)).map_or(0, |progress| progress.reserved)
    }

    /// Devices in the queues that the phase takes devices from.
    pub(super) fn available(&self) -> u32 {
        let count = |source: Option<u8>| source.map_or(self.head.unreserved, |phase| self.reserved(phase));
        self.sources().into_iter().map(count).fold(0, u32::saturating_add)
    }

    /// How many more the phase takes, if they are there.
    pub(super) fn room(&self) -> u32 {
        let progress = self.head.progress();
        let target = progress.and_then(|progress| progress.target).unwrap_or(u32::MAX);
        target.saturating_sub(progress.map_or(0, |progress| progress.tally.total()))
    }

    /// How many more the phase takes.
    pub(super) fn drawable(&self) -> u32 {
        self.room().min(self.available())
    }

    /// When another device may begin, if there is one.
    pub(super) fn next_start_ms(&self) -> Option<u64> {
        let next_ms = || self.head.pace.next_ms(self.per_minute(), self.policy.concurrency, self.now_ms);
        self.can_start().then(next_ms)?
    }

    /// Whether a device waits and there is a place for it, whatever the pace.
    fn can_start(&self) -> bool {
        (self.head.in_phases().ready > 0 || self.drawable() > 0) && self.free() > 0
    }
}
