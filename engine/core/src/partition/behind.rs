//! Functions that are behind: which events they handle later, and how they catch up.

use super::Partition;
use crate::backlog::{BACKLOG_MAX, Drain};
use crate::commit::{Backfilled, Change};
use crate::event::{Event, EventKind, Origin};
use crate::facts::Facts;
use crate::invocation::{Invocation, Outcome, Role};
use crate::position::Offset;
use crate::route::{Routes, Target};
use crate::settings::{Beyond, Settings, owner_of};
use alloc::format;
use alloc::vec::Vec;
use fleetfn_protocol::FunctionName;

/// What the sequence of an [`Origin`](crate::event::Origin) says of an event that waited, in contrast to a dead letter.
pub const WAITED: u64 = 1;

/// The same of an event from before the function's deployment.
pub const BACKFILL: u64 = 2;

/// Why an event stands in the log again, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Its function could not handle it.
    Failed,
    /// It had to wait.
    Waited,
    /// It came before the function was deployed.
    Backfill,
}

impl Again {
    pub(super) fn of(logged: &Event) -> Option<Self> {
        match (logged.kind(), logged.origin()?.sequence) {
            (EventKind::Redrive, WAITED) => Some(Self::Waited),
            (EventKind::Redrive, BACKFILL) => Some(Self::Backfill),
            (EventKind::Redrive, _) => Some(Self::Failed),
            _ => None,
        }
    }
}

impl Partition {
    /// Takes out the targets that are to handle the event planned last later.
    pub(super) fn set_aside(
        &mut self,
        offset: Offset,
        logged: &Event,
        routes: &mut Routes,
        settings: &Settings,
    ) {
        let Self { backlog, planned, .. } = self;
        planned.waiting.clear();
        planned.is_shared = routes.is_shared(offset);
        if matches!(logged.kind(), EventKind::Redrive | EventKind::Request { .. }) {
            // It has waited, or its caller waits.
            return;
        }
        let at_ms = logged.received_at_ms();
        let is_shared = planned.is_shared;
        let must_wait = |function: &FunctionName| {
            let is_spent = |allowance| backlog.is_spent(&owner_of(function), allowance, at_ms);
            backlog.count(function) > 0
                || routes.is_paused(offset, function)
                || settings.allowance(offset, function, is_shared).is_some_and(is_spent)
        };
        let later = |target: &Target| target.role == Role::Live && must_wait(&target.function);
        planned
            .waiting
            .extend(planned.targets.iter().filter(|target| later(target)).map(|target| target.function));
        if !planned.waiting.is_empty() {
            // A dark version runs with the live one, or not at all: nothing could be compared.
            let waiting = &planned.waiting;
            planned.targets.retain(|target| !waiting.contains(&target.function));
        }
    }

    /// Lets the event settled now wait for the functions that are behind. One that does not fit becomes a failed
    /// invocation, for its dead letter.
    pub(super) fn let_wait(&mut self, offset: Offset, logged: &Event) {
        for function in core::mem::take(&mut self.planned.waiting) {
            if self.backlog.count(&function) < BACKLOG_MAX {
                self.backlog.put(function);
                let event = logged.bytes().clone();
                self.pending.push(Change::BacklogPut { offset, function, event });
                continue;
            }
            let detail = format!("{BACKLOG_MAX} events of this partition wait for the function");
            let outcome = Outcome::Failed { error_type: "backlog-full", detail };
            self.refuse_for(function, offset, logged, outcome);
        }
    }

    /// Counts the fuel of the event settled now against what the functions' owners may burn. An event that has taken
    /// its turn behind others took nothing from them.
    pub(super) fn charge(
        &mut self,
        offset: Offset,
        logged: &Event,
        invocations: &[Invocation],
        settings: &Settings,
    ) {
        let (at_ms, has_waited) = (logged.received_at_ms(), Again::of(logged) == Some(Again::Waited));
        for Invocation { function, fuel, .. } in invocations.iter().filter(|invocation| invocation.fuel > 0) {
            self.backlog.learn(function, *fuel);
            let allowance = settings.allowance(offset, function, self.planned.is_shared);
            match allowance {
                Some(allowance) if !(has_waited && allowance.beyond == Beyond::TakeTurns) => {
                    let owner = owner_of(function);
                    let spent = self.backlog.spend(owner, allowance, at_ms, *fuel);
                    self.pending.spend(owner, spent);
                }
                Some(_) | None => {}
            }
        }
    }

    /// An event that waited is done with, whatever came of it.
    pub(super) fn end_wait(&mut self, logged: &Event) {
        let (Some(again), Some(origin)) = (Again::of(logged), logged.origin()) else {
            return;
        };
        let (offset, function) = (origin.cause, origin.function);
        match again {
            Again::Failed => {}
            Again::Waited => {
                self.backlog.delete(&function, offset);
                self.pending.push(Change::BacklogDelete { offset, function });
            }
            Again::Backfill => {
                if let Some(backfill) = self.planned.backfill.take() {
                    let progress = Backfilled { until: backfill.until, through: offset };
                    self.backfilled.insert(function, progress);
                    self.pending.push(Change::Backfilled { function, progress });
                }
            }
        }
    }

    /// Whether an event from before the deployment of a function is not to be handled: it was, or the backfill is
    /// over. Takes note of which backfill it is.
    pub(super) fn is_backfilled<F: Facts>(
        &mut self,
        offset: Offset,
        origin: &Origin<'_>,
        routes: &Routes,
        facts: &F,
    ) -> Result<bool, F::Error> {
        let function = origin.function;
        let Some(backfill) = routes.backfill(offset, &function) else {
            return Ok(true);
        };
        let known = self.backfilled.get(&function).filter(|known| known.until == backfill.until).copied();
        let known = match known {
            Some(known) => Some(known),
            None => facts.backfilled(&function)?.filter(|known| known.until == backfill.until),
        };
        if let Some(known) = known {
            self.backfilled.insert(function, known);
        }
        self.planned.backfill = Some(backfill);
        Ok(known.is_some_and(|known| origin.cause <= known.through))
    }

    /// Which rows to put into the log next, as [`EventKind::Redrive`] with a sequence of [`WAITED`]. What the turn has
    /// gathered must be committed first. `end` is the end of the log: functions are as they are there.
    #[must_use]
    pub fn poll_drain(
        &self,
        end: Offset,
        now_ms: u64,
        routes: &Routes,
        settings: &Settings,
    ) -> Option<Drain> {
        self.backlog.poll(|function| {
            let is_spent = |allowance| self.backlog.is_spent(&owner_of(function), allowance, now_ms);
            // A share says who waits, a budget also for how long.
            !routes.is_paused(end, function)
                && !settings.allowance(end, function, false).is_some_and(is_spent)
        })
    }

    /// About how much fuel the rows under way through the log will need.
    #[must_use]
    pub fn under_way_fuel(&self) -> u64 {
        self.backlog.under_way_fuel()
    }

    /// So many rows were put into the log, up to one.
    pub fn handle_drained(&mut self, function: FunctionName, rows: &[Offset]) {
        self.backlog.handle_drained(function, rows.len(), rows.last().copied());
    }

    /// How many events wait for each function that is behind.
    #[must_use]
    pub fn behind(&self) -> Vec<(FunctionName, usize)> {
        self.backlog.counts()
    }
}
