//! The first half of an event: whether it is handled at all, and what runs for it.

use super::Partition;
use super::behind::Again;
use crate::builtin::Builtin;
use crate::commit::TimerKey;
use crate::event::{Event, EventError, EventKind};
use crate::facts::Facts;
use crate::invocation::Role;
use crate::position::{Offset, PartitionId};
use crate::route::{Routes, Target};
use crate::seen::fingerprint;
use crate::settings::Settings;
use crate::twin::Twin;
use crate::update::{NEWS, QUESTION};
use alloc::rc::Rc;
use bytes::Bytes;
use fleetfn_protocol::EffectId;

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan<'a> {
    /// Run these, in this order, perhaps none, and settle the event with what comes of it.
    Run(&'a [Target]),
    /// It was handled before: go on with the next.
    Past,
    /// It is one that was handled, repeated by its sender, or a timer that is set no more: go on with the next.
    Duplicate,
    /// The partition waits for an earlier event that was interrupted: drop this one, it will be read again.
    Waiting,
}

/// An event of the log, and what handlers are given: another one only if it is redriven.
#[derive(Debug, Clone)]
pub struct Given {
    /// As it stands in the log.
    pub logged: Event,
    /// What handlers see.
    pub event: Event,
}

impl Given {
    /// Reads a record of the log.
    ///
    /// # Errors
    /// [`EventError`] if it is none, or what it redrives is none.
    pub fn decode(record: Bytes) -> Result<Self, EventError> {
        let logged = Event::decode(record)?;
        let event = logged.redriven()?.unwrap_or_else(|| logged.clone());
        Ok(Self { logged, event })
    }
}

impl Partition {
    /// Says what to run for the next event of the partition.
    ///
    /// # Errors
    /// What `facts` returns; nothing has changed then.
    pub fn plan<F: Facts>(
        &mut self,
        offset: Offset,
        given: &Given,
        routes: &mut Routes,
        settings: &Settings,
        facts: &F,
    ) -> Result<Plan<'_>, F::Error> {
        if offset < self.cursor {
            return Ok(Plan::Past);
        }
        if self.stall.is_some_and(|stall| stall.wait.is_some()) {
            return Ok(Plan::Waiting);
        }
        let Given { logged, event } = given;
        logged.entity().write_canonical(&mut self.entity);
        let origin = logged.origin().map(|origin| origin.function);
        let only = origin.filter(|_| matches!(logged.kind(), EventKind::Redrive));
        let routed = routes.route(offset, event, only, &self.entity);
        let planned = &mut self.planned;
        planned.targets.clear();
        planned.quiet.clear();
        planned.targets.extend_from_slice(routed.targets);
        planned.quiet.extend_from_slice(routed.quiet);
        planned.at_ms = event.received_at_ms();
        planned.device = event.device();
        planned.waiting.clear();
        planned.report = None;
        planned.shadows.clear();
        if self.is_repeated(offset, logged, routes, facts)? {
            self.cursor = offset.next();
            // A backfill waits until the store knows that its events are done with.
            self.urgent |= Again::of(logged) == Some(Again::Backfill);
            return Ok(Plan::Duplicate);
        }
        if only.is_none() {
            self.leave_out_strangers(event, facts)?;
        }
        self.set_aside(offset, logged, routes, settings);
        if Again::of(logged) == Some(Again::Failed) {
            // Once is enough: what a dark version did with it is known.
            self.planned.targets.retain(|target| target.role == Role::Live);
        }
        if only.is_some() {
            // The silence was broken when the event came, and what it reported merged.
            self.planned.quiet.clear();
        }
        let is_report = logged.kind() != EventKind::TwinReported && event.kind() == EventKind::TwinReported;
        if is_report && Twin::default().report(&event.payload()).is_err() {
            // It was refused when it came, and the function was not there yet.
            self.planned.targets.clear();
        }
        self.look_up_listeners(offset, routes);
        self.look_up(logged, facts)?;
        Ok(Plan::Run(&self.planned.targets))
    }

    /// Whether the event was handled under another offset.
    fn is_repeated<F: Facts>(
        &mut self,
        offset: Offset,
        logged: &Event,
        routes: &Routes,
        facts: &F,
    ) -> Result<bool, F::Error> {
        let Some(origin) = logged.origin().filter(|_| logged.kind().has_origin()) else {
            if self.acts(logged)
                && let Some(id) = fingerprint(logged)
            {
                return Ok(self.pending.seen(&self.entity, |entity| facts.seen(entity))?.contains(id));
            }
            return Ok(false);
        };
        Ok(match logged.kind() {
            // An operator's: it stands in the log once.
            EventKind::Message { .. } if origin.partition == PartitionId::CONTROL => false,
            EventKind::Message { .. } => {
                let mark = match self.marks.get(&origin.partition) {
                    Some(mark) => *mark,
                    None => {
                        let mark = facts.mark(origin.partition)?;
                        self.marks.insert(origin.partition, mark);
                        mark
                    }
                };
                mark.is_some_and(|mark| origin.sequence <= mark)
            }
            EventKind::TimerFired => {
                let purpose = logged.firing().map(|firing| firing.purpose).unwrap_or_default();
                let entity = Bytes::copy_from_slice(&self.entity);
                let key = TimerKey { entity, function: origin.function, purpose };
                let row = self.pending.timer(&key, facts)?;
                match row {
                    Some(row) if row.is_fired_by(logged, &origin, &key.purpose) => false,
                    Some(row) if row.armed_ms == origin.sequence => {
                        // Set again after it had fired: settling the event arms it anew.
                        self.planned.targets.clear();
                        false
                    }
                    Some(_) | None => true,
                }
            }
            EventKind::Response { .. } => {
                let index = u32::try_from(origin.sequence).unwrap_or(u32::MAX);
                let effect = EffectId { offset: origin.cause.0, function: origin.function, index };
                !self.pending.awaits(&effect, facts)?
            }
            EventKind::Redrive if Again::of(logged) == Some(Again::Backfill) => {
                self.is_backfilled(offset, &origin, routes, facts)?
            }
            EventKind::Redrive if Again::of(logged) == Some(Again::Waited) => {
                let gone = self.backlog.gone(&origin.function);
                let first = facts.first_backlog(&origin.function, gone)?;
                let counts = first == Some(origin.cause) && !routes.is_paused(offset, &origin.function);
                if !counts {
                    self.backlog.keep(&origin.function);
                }
                !counts
            }
            EventKind::Redrive => !self.pending.has_letter(origin.cause, origin.function, facts)?,
            // The caller waits for this one answer.
            _ => false,
        })
    }

    /// Looks up who would handle what the function `update` asks and tells others, if that is to run.
    fn look_up_listeners(&mut self, offset: Offset, routes: &Routes) {
        let asks = |target: &Target| Builtin::of(&target.version) == Some(Builtin::Update);
        if self.planned.targets.iter().any(asks) {
            let of = |message| (message, routes.listeners(offset, message, &self.entity));
            self.planned.listeners = Rc::new([QUESTION, NEWS].into_iter().map(of).collect());
        }
    }

    /// Looks up what handlers may see beside their state.
    fn look_up<F: Facts>(&mut self, logged: &Event, facts: &F) -> Result<(), F::Error> {
        if let (EventKind::TwinReported, Some(device)) = (logged.kind(), logged.device()) {
            let twin = self.pending.twin(&device, facts)?;
            let mut merged = (*twin).clone();
            self.planned.report = Some(merged.report(&logged.payload()).map(|_| Rc::new(merged)));
        }
        for target in self.planned.targets.iter().filter(|target| target.role == Role::Dark) {
            let shadow = self.pending.shadow(&self.entity, target.function, target.dark_since, facts)?;
            self.planned.shadows.push((target.function, shadow));
        }
        if let Some(Err(_)) = self.planned.report {
            // Nobody handles a report that is none, now or later.
            self.planned.targets.clear();
            self.planned.waiting.clear();
        }
        Ok(())
    }

    /// Whether the event planned last can change anything.
    pub(super) fn acts(&self, logged: &Event) -> bool {
        let of_engine = matches!(
            logged.kind(),
            EventKind::CommandRequested { .. }
                | EventKind::TwinRequested { .. }
                | EventKind::TwinReported
                | EventKind::UpdateRequested
                | EventKind::UpdateUndelivered
                | EventKind::UpdateStatus
        );
        of_engine
            || logged.kind().has_origin()
            || !self.planned.targets.is_empty()
            || !self.planned.waiting.is_empty()
            || !self.planned.quiet.is_empty()
    }
}
