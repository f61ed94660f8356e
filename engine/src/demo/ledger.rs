//! The books of the demo: what devices sent and received, against what the engine says that it did.
//!
//! - **handled**: invocations of the function, as their commits in the log say, told apart by the device and the
//!   sequence number in the payload. One that was interrupted and run again stands there once.
//! - **lost**: per device, acknowledged readings less different readings handled, plus commands that an invocation
//!   asked for, less those that arrived.
//! - **duplicated**: readings handled again, plus commands that arrived again under an effect id already seen.
//! - **out of order**: readings handled after one with a higher sequence number, plus commands that arrived after
//!   one with a higher effect id: ids of one device grow with the log.

use super::fleet::{Reading, Report};
use crate::follow::Shown;
use fleetfn_core::recording::RecordedOutcome;
use fleetfn_core::{Effect, Entity, Event, Offset};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Instant;

/// Newest readings and commands of a device that are remembered to find those that come again: minutes.
const REMEMBERED_MAX: usize = 1_024;

/// Commands on their way that are remembered: far more than devices that could have one.
const UNDERWAY_MAX: usize = 100_000;

/// Longest time that the histogram takes, in microseconds; longer ones count as this.
const LATENCY_US_MAX: u64 = 60_000_000;

/// The counts of one device.
#[derive(Default)]
struct Account {
    sent: u64,
    acked: u64,
    handled: Progress<u64>,
    commands: Progress<EffectId>,
    /// When readings were published, from `published_from` on.
    published: VecDeque<Instant>,
    published_from: u64,
    /// When it came back last: what it published before may have been answered while it was away.
    back: Option<Instant>,
}

/// Something that is to come once each, ascending.
struct Progress<T> {
    count: u64,
    again: u64,
    late: u64,
    highest: Option<T>,
    seen: BTreeSet<T>,
}

impl<T> Default for Progress<T> {
    fn default() -> Self {
        Self { count: 0, again: 0, late: 0, highest: None, seen: BTreeSet::new() }
    }
}

impl<T: Ord + Copy> Progress<T> {
    /// Counts `item`; whether it is new.
    fn add(&mut self, item: T) -> bool {
        if !self.seen.insert(item) {
            self.again += 1;
            return false;
        }
        if self.seen.len() > REMEMBERED_MAX {
            self.seen.pop_first();
        }
        self.count += 1;
        if self.highest.is_some_and(|highest| item < highest) {
            self.late += 1;
        }
        self.highest = self.highest.max(Some(item));
        true
    }
}

/// All counts.
pub(super) struct Ledger {
    function: FunctionName,
    since: Offset,
    by_entity: BTreeMap<String, usize>,
    accounts: Vec<Account>,
    /// Commands that were asked for and have not arrived, with the time of the reading that caused them.
    awaited: BTreeMap<EffectId, Option<Instant>>,
    /// Commands that arrived before the log told of their invocation.
    early: BTreeMap<EffectId, Instant>,
    latency_us: Histogram<u64>,
    ready: usize,
    /// Whether devices have stopped to publish.
    is_drained: bool,
    errors: u64,
    wrong: Vec<String>,
    reconnects: u64,
}

impl Ledger {
    /// Counts what `function` does for `devices` after `since`.
    pub(super) fn new(
        devices: impl Iterator<Item = DeviceId>,
        function: FunctionName,
        since: Offset,
    ) -> Self {
        let by_entity: BTreeMap<String, usize> =
            devices.enumerate().map(|(index, id)| (Entity::Device(id).to_string(), index)).collect();
        let accounts = by_entity.iter().map(|_| Account::default()).collect();
        let latency_us =
            Histogram::new_with_max(LATENCY_US_MAX, 3).expect("a minute to three digits is a fit range");
        Self {
            function,
            since,
            by_entity,
            accounts,
            awaited: BTreeMap::new(),
            early: BTreeMap::new(),
            latency_us,
            ready: 0,
            is_drained: false,
            errors: 0,
            wrong: Vec::new(),
            reconnects: 0,
        }
    }

    /// Takes what a device saw.
    pub(super) fn report(&mut self, report: Report) {
        match report {
            Report::Ready => self.ready += 1,
            Report::Sent { device, sequence, at } => {
                if let Some(account) = self.accounts.get_mut(device) {
                    account.sent = sequence + 1;
                    account.published.push_back(at);
                    if account.published.len() > REMEMBERED_MAX {
                        account.published.pop_front();
                        account.published_from += 1;
                    }
                }
            }
            Report::Acked { device } => {
                if let Some(account) = self.accounts.get_mut(device) {
                    account.acked += 1;
                }
            }
            Report::Command { device, effect, at } => self.command(device, effect, at),
            Report::Back { device, at } => {
                if let Some(account) = self.accounts.get_mut(device) {
                    account.back = Some(at);
                }
            }
            Report::Lost { device, why } => {
                self.reconnects += 1;
                tracing::warn!(device, why, "a simulated device lost its connection");
            }
            Report::Wrong { device, what } => self.note_wrong(format!("device {device}: {what}")),
        }
    }

    /// From now on devices publish no more.
    pub(super) fn drain(&mut self) {
        self.is_drained = true;
    }

    fn command(&mut self, device: usize, effect: EffectId, at: Instant) {
        // What a former demo left in the outbox is not of this one.
        if effect.offset <= self.since.0 {
            return;
        }
        let Some(account) = self.accounts.get_mut(device) else { return };
        if !account.commands.add(effect) {
            return;
        }
        let back = account.back;
        match self.awaited.remove(&effect) {
            Some(published) => self.measure(published.filter(|published| Some(*published) > back), at),
            None if self.early.len() < UNDERWAY_MAX => {
                self.early.insert(effect, at);
            }
            None => self.note_wrong("too many commands that no invocation asked for".into()),
        }
    }

    /// Takes what the log says of one invocation.
    pub(super) fn invocation(&mut self, shown: &Shown) {
        let recording = &shown.recording;
        if recording.function != self.function || recording.offset <= self.since {
            return;
        }
        if recording.outcome != RecordedOutcome::Done {
            self.errors += 1;
        }
        let entity = Entity::from_canonical(&recording.entity).map(|entity| entity.to_string());
        let index = entity.as_ref().and_then(|entity| self.by_entity.get(entity)).copied();
        let Some(account) = index.and_then(|index| self.accounts.get_mut(index)) else { return };
        let payload = shown.event().map(Event::payload).unwrap_or_default();
        let Ok(reading) = serde_json::from_slice::<Reading>(&payload) else {
            let entity = entity.unwrap_or_default();
            return self.note_wrong(format!("{entity} at {}: not what a device sent", recording.offset));
        };
        account.handled.add(reading.sequence);
        let place = reading
            .sequence
            .checked_sub(account.published_from)
            .and_then(|place| usize::try_from(place).ok());
        let published = place.and_then(|place| account.published.get(place)).copied();
        let back = account.back;
        for (effect, index) in recording.effects.iter().zip(0..) {
            if !matches!(effect, Effect::Command { .. }) {
                continue;
            }
            let id = EffectId { offset: recording.offset.0, function: recording.function, index };
            match self.early.remove(&id) {
                Some(at) => self.measure(published.filter(|published| Some(*published) > back), at),
                None if self.awaited.len() < UNDERWAY_MAX => {
                    self.awaited.insert(id, published);
                }
                None => self.note_wrong("too many commands that do not arrive".into()),
            }
        }
    }

    fn note_wrong(&mut self, what: String) {
        // The first few say what is the matter.
        if self.wrong.len() < 8 {
            self.wrong.push(what);
        }
    }

    fn measure(&mut self, published: Option<Instant>, received: Instant) {
        if let Some(published) = published {
            let us = received.saturating_duration_since(published).as_micros();
            self.latency_us.saturating_record(u64::try_from(us).unwrap_or(u64::MAX));
        }
    }

    /// Whether devices have stopped to publish, and all that was sent is acknowledged, handled, and answered.
    pub(super) fn is_settled(&self) -> bool {
        if !self.is_drained {
            return false;
        }
        let settled =
            |account: &Account| account.acked >= account.sent && account.handled.count >= account.acked;
        self.awaited.is_empty() && self.early.is_empty() && self.accounts.iter().all(settled)
    }

    /// Devices that are connected and hear commands, or once were.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    /// Microseconds from the PUBLISH of a reading to the arrival of the command that it caused: quantile and count.
    pub(super) fn latency_us(&self, quantile: f64) -> u64 {
        self.latency_us.value_at_quantile(quantile)
    }

    /// What the counts come to.
    pub(super) fn verdict(&self) -> Verdict {
        let sum = |count: fn(&Account) -> u64| self.accounts.iter().map(count).sum::<u64>();
        let unanswered = u64::try_from(self.awaited.len()).unwrap_or(u64::MAX);
        Verdict {
            sent: sum(|account| account.sent),
            acked: sum(|account| account.acked),
            handled: sum(|account| account.handled.count),
            commands: sum(|account| account.commands.count),
            lost: sum(|account| account.acked.saturating_sub(account.handled.count)) + unanswered,
            duplicated: sum(|account| account.handled.again + account.commands.again),
            disordered: sum(|account| account.handled.late + account.commands.late),
            errors: self.errors,
            reconnects: self.reconnects,
            absent: self.accounts.len().saturating_sub(self.ready),
            unexplained: self.early.len(),
            wrong: self.wrong.clone(),
            p50_us: self.latency_us(0.5),
            p99_us: self.latency_us(0.99),
        }
    }
}

/// The summary of a demo.
pub(super) struct Verdict {
    sent: u64,
    acked: u64,
    handled: u64,
    commands: u64,
    lost: u64,
    duplicated: u64,
    disordered: u64,
    errors: u64,
    reconnects: u64,
    absent: usize,
    unexplained: usize,
    wrong: Vec<String>,
    p50_us: u64,
    p99_us: u64,
}

impl Verdict {
    /// Whether something happened, and every promise was seen to hold.
    pub(super) fn is_good(&self) -> bool {
        self.reproaches().is_empty()
    }

    /// What is not as promised, in one line.
    pub(super) fn reproach(&self) -> String {
        self.reproaches().join("; ")
    }

    fn reproaches(&self) -> Vec<String> {
        let mut texts = self.wrong.clone();
        let mut say = |wrong: bool, text: String| {
            if wrong {
                texts.push(text);
            }
        };
        say(self.lost > 0, format!("{} lost", self.lost));
        say(self.duplicated > 0, format!("{} duplicated", self.duplicated));
        say(self.disordered > 0, format!("{} out of order", self.disordered));
        say(self.unexplained > 0, format!("{} commands that no invocation asked for", self.unexplained));
        say(self.absent > 0, format!("{} devices did not connect", self.absent));
        say(self.handled == 0, "no reading was handled".into());
        texts
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("sent", self.sent),
            ("acked", self.acked),
            ("handled", self.handled),
            ("commands received", self.commands),
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("out of order", self.disordered),
            ("errors", self.errors),
            ("reconnects", self.reconnects),
        ];
        for (name, value) in rows {
            writeln!(f, "{name:<20}{value:>10}")?;
        }
        write!(f, "{:<20}{:>10} / {} us", "p50 / p99", self.p50_us, self.p99_us)
    }
}

#[cfg(test)]
mod tests;
