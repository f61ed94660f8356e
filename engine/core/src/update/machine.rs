//! One event of a device's jobs: from what is stored and what is said to effects.

use super::input::{Input, NEWS, QUESTION};
use super::rows::{self, Awaits, OFFERS, Offers, Stage, Standing, WATCH_ROW, Watches};
use super::{JobError, Update};
use crate::effect::Effect;
use crate::event::{Entity, Event, EventKind, Purpose};
use crate::invocation::StateReader;
use crate::position::Offset;
use crate::rollout::{DEFERRED, DEVICE_FUNCTION, Deferred, HERE, Heard, REFUSED, Refused, send};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;
use core::cmp::Reverse;
use fleetfn_protocol::{DeviceId, RolloutName};
use serde::Serialize;

/// Name of the timer of offers.
pub(super) const TICK: &str = "tick";

/// Name of the timer of silence.
pub(super) const QUIET: &str = "quiet";

/// How long a rollout whose offer was put off waits before it asks again: it hears before that when the device is free.
pub(super) const DEFER_MS: u64 = 3_600_000;

/// How long a rollout has to offer something to a device that others wait for as well: it takes it milliseconds, unless it is
/// paused, or not at that device yet.
const TURN_MS: u64 = 10_000;

/// What came of one event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "what is not committed has not happened"]
pub struct Decision {
    /// What is to happen, in this order.
    pub effects: Vec<Effect>,
    /// What moved and why, or why nothing did.
    pub moves: Moves,
}

/// What moved and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "an unread report is not actionable"]
pub struct Moves {
    /// What was done, in words.
    pub lines: Vec<String>,
    /// Why what was said changed nothing, if it did not.
    pub ignored: Option<String>,
}

/// When an event of a device is for the function `update`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Always.
    Always,
    /// As long as there is the row [`WATCH_ROW`] of its state for the device.
    WhileWatched,
    /// Never.
    Never,
}

/// When an event of a device is for the function `update`. Timers are, if they are its own.
#[must_use]
pub fn interest(kind: &EventKind<'_>) -> Interest {
    match kind {
        // What it says itself, to others.
        EventKind::Message { name: QUESTION | NEWS } => Interest::Never,
        EventKind::Message { name } if name.starts_with("rollout/") || name.starts_with("update/") => {
            Interest::Always
        }
        EventKind::Connected
        | EventKind::UpdateStatus
        | EventKind::UpdateRequested
        | EventKind::UpdateUndelivered
        | EventKind::TimerFired => Interest::Always,
        EventKind::Telemetry { .. } | EventKind::TwinReported | EventKind::CommandReply { .. } => {
            Interest::WhileWatched
        }
        EventKind::Message { .. }
        | EventKind::Disconnected { .. }
        | EventKind::CommandRequested { .. }
        | EventKind::Shared { .. }
        | EventKind::TwinRequested { .. }
        | EventKind::Response { .. }
        | EventKind::Request { .. }
        | EventKind::Redrive => Interest::Never,
    }
}

/// The jobs of a device while one event is handled.
pub(super) struct Machine<'a> {
    pub(super) device: DeviceId,
    pub(super) now_ms: u64,
    pub(super) reader: &'a dyn StateReader,
    pub(super) offers: Offers,
    pub(super) watches: Watches,
    /// As the event, and what is ordered because of it, leaves it.
    pub(super) update: Update,
    pub(super) messages: Vec<Effect>,
    pub(super) moves: Moves,
}

/// Handles an event of a device's entity.
///
/// # Errors
/// [`JobError`]; only [`JobError::Unavailable`] is worth another try.
pub fn handle_event(event: &Event, reader: &dyn StateReader) -> Result<Decision, JobError> {
    let device = event.device().ok_or_else(|| JobError::Entity(event.entity().to_string()))?;
    let before: (Offers, Watches) = (rows::read(reader, OFFERS)?, rows::read(reader, WATCH_ROW)?);
    let mut machine = Machine {
        device,
        now_ms: event.received_at_ms(),
        reader,
        offers: before.0.clone(),
        watches: before.1.clone(),
        update: reader.update()?.unwrap_or_default(),
        messages: Vec::new(),
        moves: Moves::default(),
    };
    let known = machine.update.state();
    machine.take(event)?;
    machine.follow();
    machine.pass_time();
    machine.tell_the_free();
    machine.tell_news(known)?;
    Ok(machine.finish(&before))
}

impl Machine<'_> {
    fn take(&mut self, event: &Event) -> Result<(), JobError> {
        let (kind, payload) = (event.kind(), event.payload());
        match kind {
            EventKind::Message { name } => {
                let origin = event.origin().ok_or_else(|| JobError::Name(name.into()))?;
                match Input::parse(name, &origin, &payload)? {
                    Input::Offer(offer) => return self.offer(offer),
                    Input::Withdraw(withdraw) => self.withdraw(&withdraw),
                    Input::Watch(watch) => self.watch(&watch),
                    Input::Answer(function, answer) => self.answered(&function, answer),
                }
            }
            EventKind::TimerFired => {
                if event.origin().is_some_and(|origin| origin.function.as_str() == DEVICE_FUNCTION)
                    && let Some(firing) = event.firing()
                {
                    match Purpose::from_bytes(&firing.purpose) {
                        Some(Purpose::Named(TICK)) => self.offers.tick_ms = None,
                        Some(Purpose::Named(QUIET)) => self.quiet(&firing.payload),
                        _ => {}
                    }
                }
            }
            // The partition does the same with the row that is stored.
            EventKind::UpdateStatus => {
                let _ = self.update.handle_status(&payload, self.now_ms);
                self.heard();
            }
            EventKind::UpdateRequested => {
                // What the partition refuses is a dead letter of the operator, and nothing has changed.
                let _ = self.update.handle_order(payload, Offset(0), self.now_ms);
            }
            EventKind::UpdateUndelivered => {
                if let Some(number) = payload.first_chunk() {
                    self.update.handle_undelivered(u32::from_le_bytes(*number), self.now_ms);
                }
            }
            EventKind::Connected
            | EventKind::Telemetry { .. }
            | EventKind::TwinReported
            | EventKind::CommandReply { .. } => self.heard(),
            EventKind::Disconnected { .. }
            | EventKind::CommandRequested { .. }
            | EventKind::Shared { .. }
            | EventKind::TwinRequested { .. }
            | EventKind::Response { .. }
            | EventKind::Request { .. }
            | EventKind::Redrive => {}
        }
        Ok(())
    }

    /// The device has said something.
    fn heard(&mut self) {
        self.tell_awaiting(Awaits::Device);
        self.break_silence();
    }

    /// Whoever waits for the device to be free is told, if it is.
    fn tell_the_free(&mut self) {
        let is_asked = |standing: &Standing| matches!(standing.stage, Stage::Asked { .. });
        let has_job = self.update.job.as_ref().is_some_and(super::Job::is_open);
        if has_job || self.offers.of.values().any(is_asked) {
            return self.end_turns();
        }
        self.take_turns();
        self.tell_awaiting(Awaits::Freedom);
    }

    /// Of the rollouts that wait for something the one that goes first may offer again, and the others have their turn after
    /// that: else whoever is quickest would come first.
    fn tell_awaiting(&mut self, what: Awaits) {
        let waiting = self.offers.of.iter().filter(|(_, standing)| standing.awaits == what);
        let first = waiting.max_by_key(|(name, standing)| (standing.precedence(), Reverse(*name)));
        let Some(first) = first.map(|(name, _)| name.clone()) else {
            return;
        };
        let turn = Awaits::Turn { at_ms: self.now_ms.saturating_add(TURN_MS) };
        for (name, standing) in self.offers.of.iter_mut().filter(|(_, standing)| standing.awaits == what) {
            standing.awaits = if *name == first { Awaits::Nothing } else { turn };
        }
        self.tell(&first, HERE, &Heard { device: self.device });
    }

    /// It is the turn of another rollout, as the one before it has offered nothing.
    fn take_turns(&mut self) {
        let due = self.offers.of.values().find_map(|standing| match standing.awaits {
            Awaits::Turn { at_ms } if at_ms <= self.now_ms => Some(standing.awaits),
            Awaits::Turn { .. } | Awaits::Nothing | Awaits::Device | Awaits::Freedom => None,
        });
        if let Some(due) = due {
            self.tell_awaiting(due);
        }
    }

    /// The device has another job: whose turn would have come waits for its end.
    fn end_turns(&mut self) {
        for standing in self.offers.of.values_mut() {
            if let Awaits::Turn { .. } = standing.awaits {
                standing.awaits = Awaits::Freedom;
            }
        }
    }

    /// Puts an offer off, which is the end of it.
    pub(super) fn defer(&mut self, rollout: &str, until_ms: u64, awaits: Awaits, why: String) {
        let Some(standing) = self.offers.of.get_mut(rollout) else {
            return;
        };
        let generation = standing.generation;
        standing.awaits = awaits;
        standing.end(self.now_ms);
        self.note(format!("offer {generation} of rollout '{rollout}' is put off: {why}"));
        self.tell(rollout, DEFERRED, &Deferred { device: self.device, generation, until_ms, why });
    }

    /// Refuses an offer, which is the end of it.
    pub(super) fn refuse(&mut self, rollout: &str, why: String) {
        let Some(standing) = self.offers.of.get_mut(rollout) else {
            return;
        };
        let generation = standing.generation;
        standing.end(self.now_ms);
        self.note(format!("offer {generation} of rollout '{rollout}' is refused: {why}"));
        self.tell(rollout, REFUSED, &Refused { device: self.device, generation, why });
    }

    /// A message to a rollout.
    pub(super) fn tell<T: Serialize>(&mut self, rollout: &str, name: &str, payload: &T) {
        // Names are checked when an offer comes.
        if let Ok(rollout) = RolloutName::parse(rollout) {
            let entity = crate::rollout::entity_name(&rollout);
            self.messages.push(send(Entity::Named(&entity), name, payload));
        }
    }

    pub(super) fn note(&mut self, line: impl Into<String>) {
        self.moves.lines.push(line.into());
    }

    pub(super) fn ignore(&mut self, why: impl Into<String>) {
        self.moves.ignored = Some(why.into());
    }

    fn finish(mut self, before: &(Offers, Watches)) -> Decision {
        let timer = self.timer();
        let rows =
            [rows::write(OFFERS, &before.0, &self.offers), rows::write(WATCH_ROW, &before.1, &self.watches)];
        let mut effects: Vec<_> = rows.into_iter().flatten().collect();
        effects.append(&mut self.messages);
        effects.extend(timer);
        Decision { effects, moves: self.moves }
    }

    /// Sets the timer for whatever comes next. One that is set for an earlier time stays, and fires in vain once.
    fn timer(&mut self) -> Option<Effect> {
        let next_ms = self.next_ms().map(|next_ms| next_ms.max(self.now_ms.saturating_add(1_000)));
        let is_soon_enough = match (self.offers.tick_ms, next_ms) {
            (Some(tick_ms), Some(next_ms)) => tick_ms <= next_ms,
            (tick_ms, next_ms) => tick_ms == next_ms,
        };
        if is_soon_enough {
            return None;
        }
        self.offers.tick_ms = next_ms;
        let name = Bytes::from_static(TICK.as_bytes());
        Some(match next_ms {
            None => Effect::TimerCancel { name },
            Some(next_ms) => {
                let delay_s = delay_s(next_ms, self.now_ms);
                Effect::TimerSet { name, payload: Bytes::new(), delay_s }
            }
        })
    }
}

impl Standing {
    /// Of two offers the one with more goes first: more weight, and of the same weight the newer release.
    pub(super) fn precedence(&self) -> (u16, u32) {
        (self.weight, self.sequence)
    }

    /// Number of the job that it is, as long as it is one.
    pub(super) fn given(&self) -> Option<u32> {
        match self.stage {
            Stage::Given { .. } => self.job,
            Stage::Asked { .. } | Stage::Over | Stage::Ended => None,
        }
    }

    /// Nothing more comes of it.
    pub(super) fn end(&mut self, now_ms: u64) {
        if self.stage != Stage::Ended {
            self.stage = Stage::Over;
        }
        self.at_ms = now_ms;
    }
}

/// Seconds until a time, at least one.
pub(super) fn delay_s(at_ms: u64, now_ms: u64) -> u32 {
    u32::try_from(at_ms.saturating_sub(now_ms).div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
}
