//! The second half of an event: what came of its invocations becomes changes, or dead letters, all or nothing.

use super::behind::Again;
use super::effects::Asked;
use super::{Given, Partition, Publish, Release, Settled, Stall};
use crate::builtin::Builtin;
use crate::commit::{Change, DeadLetter, OutboxKey, ParcelKind, TimerKey};
use crate::deployment::ModuleHash;
use crate::difference::Difference;
use crate::event::{Event, EventKind, Purpose};
use crate::facts::Facts;
use crate::invocation::{Invocation, Outcome, Role};
use crate::position::{Offset, PartitionId};
use crate::recording::Recording;
use crate::retry::{self, Wait};
use crate::seen::fingerprint;
use crate::settings::Settings;
use crate::twin::TwinError;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};

/// Makes room in outboxes.
pub trait Outboxes<E> {
    /// Makes room for so many entries in a device's outbox, or says that there is none.
    ///
    /// # Errors
    /// If the store cannot say how many wait.
    fn reserve(&mut self, device: DeviceId, entries: usize) -> Result<bool, E>;

    /// Makes room for so many entries about a device's job, however full its outbox is: the last of them takes the place of
    /// those before it, so that one waits at most. What was to be refused would be worse than one entry more: the withdrawal
    /// of an offer, without which the device takes it.
    ///
    /// # Errors
    /// If the store cannot say how many wait.
    fn reserve_job(&mut self, device: DeviceId, entries: usize) -> Result<(), E>;

    /// An entry that waits is taken away before the device has it.
    fn withdraw(&mut self, key: &OutboxKey);
}

impl Partition {
    /// Takes what came of the event planned last, in the order of the plan, and all of it. Invocations whose
    /// effects cannot be had are turned into failed ones; effects are taken out.
    ///
    /// # Errors
    /// What `facts` or `outboxes` return; the turn must be given up then.
    #[expect(
        clippy::too_many_arguments,
        reason = "an event, what came of it, and what it is settled against"
    )]
    pub fn settle<F: Facts>(
        &mut self,
        offset: Offset,
        given: &Given,
        invocations: &mut [Invocation],
        now_ms: u64,
        settings: &Settings,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<Settled, F::Error> {
        if self.interrupted(offset, invocations, now_ms) {
            return Ok(Settled::Interrupted);
        }
        let Given { logged, event } = given;
        let acts = self.acts(logged);
        self.act(offset, logged, facts, outboxes)?;
        self.break_silence(offset, event, facts)?;
        self.let_wait(offset, logged);
        self.end_wait(logged);
        self.charge(offset, logged, invocations, settings);
        let entity = Bytes::copy_from_slice(&self.entity);
        let letter_at = match logged.kind() {
            EventKind::Redrive => logged.origin().map_or(offset, |origin| origin.cause),
            _ => offset,
        };
        let mut asked = Asked::default();
        for invocation in &mut *invocations {
            match invocation.role {
                Role::Live => self.check(event, invocation, &mut asked, facts, outboxes)?,
                // It takes nothing away from others.
                Role::Dark => self.check(event, invocation, &mut Asked::default(), facts, outboxes)?,
            }
        }
        self.compare(offset, &entity, invocations);
        if let (EventKind::Request { .. }, Some(origin)) = (logged.kind(), logged.origin()) {
            self.answer_if_silent(offset, origin.function, invocations);
        }
        for invocation in &mut *invocations {
            let is_builtin = Builtin::of(&invocation.version).is_some();
            let leaves_a_trace = !is_builtin || !did_nothing(invocation);
            if leaves_a_trace {
                self.account(logged, event, &entity, invocation, facts)?;
            }
            if is_builtin && !invocation.effects.is_empty() {
                self.acquaintance.forget(&entity);
            }
            let effects = core::mem::take(&mut invocation.effects);
            let kept = effects.clone();
            if invocation.role == Role::Live {
                self.conclude(letter_at, logged, event, invocation);
                if invocation.outcome == Outcome::Done {
                    self.apply(offset, event, invocation, effects, facts, outboxes)?;
                }
            } else if invocation.outcome == Outcome::Done {
                self.apply_dark(event, invocation.function, effects);
            }
            if leaves_a_trace {
                self.pending.record(Recording::of(offset, &entity, invocation, kept));
            }
        }
        if acts {
            self.urgent = self.urgent || !self.pending.is_empty();
            if let Some(id) = fingerprint(logged).filter(|_| !logged.kind().has_origin()) {
                self.urgent = true;
                self.pending.remember(&self.entity, id);
            }
        }
        self.stall = None;
        self.cursor = offset.next();
        Ok(Settled::Handled)
    }

    /// Whether the event must be tried again: then sets when.
    fn interrupted(&mut self, offset: Offset, invocations: &[Invocation], now_ms: u64) -> bool {
        // A dark version holds up nobody: that it did not run is a difference like others.
        let interrupted =
            |one: &Invocation| one.role == Role::Live && matches!(one.outcome, Outcome::Interrupted { .. });
        if !invocations.iter().any(interrupted) {
            return false;
        }
        let before = self.stall.filter(|stall| stall.offset == offset).map_or(0, |stall| stall.tried);
        let tried = before.saturating_add(1);
        let Some(delay_ms) = retry::delay_ms(tried) else {
            return false;
        };
        self.stall = Some(Stall { offset, tried, wait: Some(Wait::new(now_ms, delay_ms)) });
        true
    }

    /// What the engine itself does with an event, before the functions.
    fn act<F: Facts>(
        &mut self,
        offset: Offset,
        logged: &Event,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<(), F::Error> {
        match logged.kind() {
            EventKind::CommandRequested { name } => self.request_command(offset, logged, name, outboxes),
            EventKind::TwinRequested { expected } => {
                self.request_twin(offset, logged, expected, facts, outboxes)
            }
            EventKind::TwinReported => self.take_report(offset, logged, facts),
            EventKind::UpdateRequested => self.request_update(offset, logged, facts, outboxes),
            EventKind::UpdateUndelivered => self.take_undelivered(logged, facts),
            EventKind::UpdateStatus => self.take_status(offset, logged, facts, outboxes),
            EventKind::TimerFired => self.consume_firing(logged, facts),
            EventKind::CommandReply { name } => self.end_waiting(name, facts),
            EventKind::Message { .. } => {
                if let Some(origin) = logged.origin().filter(|one| one.partition != PartitionId::CONTROL) {
                    let (source, sequence) = (origin.partition, origin.sequence);
                    self.marks.insert(source, Some(sequence));
                    self.pending.push(Change::Mark { source, sequence });
                }
                Ok(())
            }
            EventKind::Response { .. } => {
                if let Some(origin) = logged.origin() {
                    let index = u32::try_from(origin.sequence).unwrap_or(u32::MAX);
                    let effect = EffectId { offset: origin.cause.0, function: origin.function, index };
                    self.requests = self.requests.saturating_sub(1);
                    self.pending.push(Change::RequestDelete { effect });
                }
                Ok(())
            }
            EventKind::Telemetry { .. }
            | EventKind::Connected
            | EventKind::Disconnected { .. }
            | EventKind::Shared { .. }
            | EventKind::Request { .. }
            | EventKind::Redrive => Ok(()),
        }
    }

    /// An operator asks for a command.
    fn request_command<E>(
        &mut self,
        offset: Offset,
        event: &Event,
        name: &str,
        outboxes: &mut impl Outboxes<E>,
    ) -> Result<(), E> {
        let Some(device) = event.device() else {
            return Ok(());
        };
        let effect = EffectId { offset: offset.0, function: self.operator, index: 0 };
        if outboxes.reserve(device, 1)? {
            let name = Bytes::copy_from_slice(name.as_bytes());
            let key = OutboxKey { device, effect };
            self.post(event, key, ParcelKind::Command, name, event.payload(), event.expiry_s());
        } else {
            self.refuse(offset, event, super::effects::outbox_full(device));
        }
        Ok(())
    }

    /// An operator asks for a change of the twin.
    fn request_twin<F: Facts>(
        &mut self,
        offset: Offset,
        event: &Event,
        expected: &str,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<(), F::Error> {
        let Some(device) = event.device() else {
            return Ok(());
        };
        let mut twin = (*self.pending.twin(&device, facts)?).clone();
        let changed = twin.expect(expected).and_then(|()| twin.desire(&event.payload()));
        match changed {
            Ok(false) => {}
            Ok(true) if !outboxes.reserve(device, 1)? => {
                self.refuse(offset, event, super::effects::outbox_full(device));
            }
            Ok(true) => {
                let effect = EffectId { offset: offset.0, function: self.operator, index: 0 };
                self.desire(event, device, twin, effect, facts, outboxes)?;
            }
            Err(error) => self.refuse(offset, event, twin_failure(&error)),
        }
        Ok(())
    }

    /// A device has said what it is.
    fn take_report<F: Facts>(&mut self, offset: Offset, event: &Event, facts: &F) -> Result<(), F::Error> {
        match (self.planned.report.take(), event.device()) {
            (Some(Ok(twin)), Some(device)) => {
                self.pending.report_twin(device, twin, facts)?;
            }
            (Some(Err(error)), _) => self.refuse(offset, event, twin_failure(&error)),
            _ => {}
        }
        Ok(())
    }

    /// A device has answered: nobody waits any longer.
    fn end_waiting<F: Facts>(&mut self, name: &str, facts: &F) -> Result<(), F::Error> {
        let live = self.planned.targets.iter().filter(|target| target.role == Role::Live);
        let waiting = self.planned.waiting.iter().copied();
        let functions: Vec<_> = live.map(|target| target.function).chain(waiting).collect();
        for function in functions {
            let entity = Bytes::copy_from_slice(&self.entity);
            let key = TimerKey { entity, function, purpose: Purpose::Reply(name).to_bytes() };
            self.cancel_timer(key, facts)?;
        }
        Ok(())
    }

    /// What an operator or a device asked for cannot be had: a dead letter says so.
    pub(super) fn refuse(&mut self, offset: Offset, event: &Event, outcome: Outcome) {
        self.refuse_for(self.operator, offset, event, outcome);
    }

    /// What a function was to handle cannot be kept: a dead letter of it says so.
    pub(super) fn refuse_for(
        &mut self,
        function: FunctionName,
        offset: Offset,
        event: &Event,
        outcome: Outcome,
    ) {
        let refused = Invocation {
            function,
            version: ModuleHash([0; 32]),
            role: Role::Live,
            trigger: 0,
            outcome,
            fuel: 0,
            guest_ns: 0,
            effects: Vec::new(),
            reads: Vec::new(),
            logs: Vec::new(),
        };
        if let Some(letter) = DeadLetter::of(offset, event, &refused) {
            self.pending.push(Change::DeadLetterPut { letter });
        }
    }

    /// Answers a request whose handler does not: the caller is not to wait in vain.
    fn answer_if_silent(&mut self, offset: Offset, function: FunctionName, invocations: &[Invocation]) {
        let live = invocations.iter().find(|one| one.role == Role::Live);
        let answers = |effect: &crate::Effect| matches!(effect, crate::Effect::Respond { .. });
        let status = match live.map(|one| &one.outcome) {
            Some(Outcome::Done) if live.is_some_and(|one| one.effects.iter().any(answers)) => return,
            Some(Outcome::Done) => 204,
            Some(Outcome::Refused { .. }) => 422,
            Some(Outcome::Rejected { .. } | Outcome::Failed { .. } | Outcome::Interrupted { .. }) => 500,
            None => 404,
        };
        let effect = EffectId { offset: offset.0, function, index: u32::MAX };
        let release = Release::Response { status, content_type: Bytes::new(), body: Bytes::new() };
        self.pending.publish(Publish { effect, release });
    }

    /// Notes whether the handler failed, and whether it no longer does.
    fn conclude(&mut self, letter_at: Offset, logged: &Event, event: &Event, invocation: &Invocation) {
        let function = invocation.function;
        let letter = DeadLetter::of(letter_at, event, invocation);
        match (&invocation.outcome, letter) {
            (Outcome::Refused { .. }, Some(letter)) => self.pending.push(Change::Refused { letter }),
            (_, Some(letter)) => self.pending.push(Change::DeadLetterPut { letter }),
            (_, None) if Again::of(logged) == Some(Again::Failed) => {
                self.pending.push(Change::DeadLetterDelete { offset: letter_at, function });
            }
            (_, None) => {}
        }
    }

    /// Notes where a dark version did something else than the one that counts.
    fn compare(&mut self, offset: Offset, entity: &Bytes, invocations: &[Invocation]) {
        if !invocations.iter().any(|one| one.role == Role::Dark) {
            return;
        }
        let of =
            |function, role| invocations.iter().find(move |one| one.function == function && one.role == role);
        for dark in invocations.iter().filter(|one| one.role == Role::Dark) {
            let live = of(dark.function, Role::Live);
            if let Some(difference) = Difference::between(offset, entity, live, Some(dark)) {
                self.pending.push(Change::Difference { difference: Box::new(difference) });
            }
        }
    }
}

/// Whether an invocation has neither asked for anything nor said anything.
fn did_nothing(invocation: &Invocation) -> bool {
    invocation.outcome == Outcome::Done && invocation.effects.is_empty() && invocation.logs.is_empty()
}

pub(super) fn twin_failure(error: &TwinError) -> Outcome {
    Outcome::Failed { error_type: error.error_type(), detail: error.to_string() }
}
