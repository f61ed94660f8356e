//! Timers of functions: set, put off, fired, and what a firing does by itself.

use super::{LINGER_MS, Partition};
use crate::commit::{Change, Due, DueState, Send, TimerKey, TimerRow};
use crate::event::{Entity, Event, EventKind, EventParts, Firing, Origin, Purpose};
use crate::facts::Facts;
use crate::invocation::Role;
use crate::position::Offset;
use crate::retry::Wait;
use crate::route::{Quiet, Target};
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::{EffectId, FunctionName};

/// What to do about a timer whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fire {
    /// Admit the event that [`Fire::encode`] makes. If the log has no room, give the timer back with
    /// [`Partition::handle_unfired`].
    Event {
        /// Which timer.
        due: Due,
        /// As it is set.
        row: TimerRow,
    },
    /// Nothing: it was put off, or is set no more. The turn says so to the store.
    Nothing,
}

/// A timer of the calendar to be set.
#[derive(Debug, Clone, Copy)]
pub struct Cron<'a> {
    /// Canonical bytes of the entity.
    pub entity: &'a [u8],
    /// The function.
    pub function: FunctionName,
    /// Its trigger's expression.
    pub expression: &'a str,
    /// Offset of the deployment that asks for it.
    pub cause: Offset,
}

impl Fire {
    /// The event of a timer that is due, in the bytes of the log. `next_ms` is when a timer of the calendar is due
    /// again, 0 for never. `None` if the timer is damaged.
    #[must_use]
    pub fn encode(
        due: &Due,
        row: &TimerRow,
        next_ms: u64,
        now_ms: u64,
        partition: &Partition,
    ) -> Option<Bytes> {
        let firing = Firing { next_ms, purpose: due.key.purpose.clone(), payload: row.payload.clone() };
        let origin = Origin {
            cause: row.cause,
            function: due.key.function,
            partition: partition.id,
            sequence: due.armed_ms,
            hops: 0,
            source: "",
        };
        let parts = EventParts {
            entity: Entity::from_canonical(&due.key.entity)?,
            kind: EventKind::TimerFired,
            // A handler must not see a time before that for which the timer was set.
            received_at_ms: now_ms.max(row.due_ms),
            expiry_s: 0,
            message_id: "",
            origin: Some(origin),
            payload: &firing.encode(),
        };
        parts.encode().ok()
    }
}

impl Partition {
    /// After which timer a page is to be read from the store now; what the turn has changed must be committed first.
    #[must_use]
    pub fn wanted_timers(&self) -> Option<&Due> {
        self.wheel.wanted()
    }

    /// The page: timers in order, at most [`crate::wheel::PAGE_TIMERS`].
    pub fn handle_timers(&mut self, page: Vec<Due>) {
        self.wheel.handle_page(page);
    }

    /// What to do about the next timer whose time has come, if there is one.
    ///
    /// # Errors
    /// What `facts` returns.
    pub fn poll_fire<F: Facts>(&mut self, now_ms: u64, facts: &F) -> Result<Option<Fire>, F::Error> {
        let Some(due) = self.wheel.poll_due(now_ms) else {
            return Ok(None);
        };
        let row = self.pending.timer(&due.key, facts)?;
        if !row.as_ref().is_some_and(|row| row.armed_ms == due.armed_ms && row.due_ms <= now_ms) {
            self.linger.get_or_insert(Wait::new(now_ms, LINGER_MS));
        }
        Ok(Some(match row {
            Some(row) if row.armed_ms == due.armed_ms && row.due_ms <= now_ms => Fire::Event { due, row },
            Some(row) if row.armed_ms == due.armed_ms => {
                self.arm(due.key, TimerRow { armed_ms: row.due_ms, ..row }, Some(due.armed_ms));
                Fire::Nothing
            }
            Some(_) | None => {
                self.wheel.remove(&due);
                self.pending.set_due(due, DueState::Gone);
                Fire::Nothing
            }
        }))
    }

    /// The log had no room for the event.
    pub fn handle_unfired(&mut self, due: Due) {
        self.wheel.put_back(due);
    }

    /// Sees to it that a timer of the calendar is set, for the first time at `next_ms`. One that is set for another
    /// time still to come is moved: the device's time zone has changed. One that is late stays: it fires once.
    ///
    /// # Errors
    /// What `facts` returns.
    pub fn arm_cron<F: Facts>(
        &mut self,
        cron: &Cron<'_>,
        next_ms: u64,
        now_ms: u64,
        facts: &F,
    ) -> Result<(), F::Error> {
        let Cron { entity, function, expression, cause } = *cron;
        let purpose = Purpose::Cron(expression).to_bytes();
        let key = TimerKey { entity: Bytes::copy_from_slice(entity), function, purpose };
        let before = self.pending.timer(&key, facts)?;
        if before.as_ref().is_none_or(|row| row.due_ms > now_ms && row.due_ms != next_ms) {
            let row = TimerRow { due_ms: next_ms, armed_ms: next_ms, cause, payload: Bytes::new() };
            self.arm(key, row, before.map(|row| row.armed_ms));
            self.linger.get_or_insert(Wait::new(now_ms, LINGER_MS));
        }
        Ok(())
    }

    /// A timer's entity is gone, and the timer with it.
    ///
    /// # Errors
    /// What `facts` returns.
    pub fn drop_timer<F: Facts>(&mut self, due: &Due, now_ms: u64, facts: &F) -> Result<(), F::Error> {
        self.wheel.remove(due);
        self.linger.get_or_insert(Wait::new(now_ms, LINGER_MS));
        self.cancel_timer(due.key.clone(), facts)
    }

    /// Writes a timer and moves its due row from where it was.
    fn arm(&mut self, key: TimerKey, row: TimerRow, armed_before_ms: Option<u64>) {
        if let Some(armed_ms) = armed_before_ms {
            let before = Due { armed_ms, key: key.clone() };
            self.wheel.remove(&before);
            self.pending.set_due(before, DueState::Gone);
        }
        let due = Due { armed_ms: row.armed_ms, key: key.clone() };
        self.wheel.insert(due.clone());
        self.pending.set_due(due, DueState::Set);
        self.pending.set_timer(key, Some(row));
    }

    /// Sets or replaces a timer. One that is put off keeps its due row until that comes up.
    pub(super) fn set_timer<F: Facts>(
        &mut self,
        key: TimerKey,
        due_ms: u64,
        cause: Offset,
        payload: Bytes,
        facts: &F,
    ) -> Result<(), F::Error> {
        match self.pending.timer(&key, facts)? {
            Some(before) if before.armed_ms <= due_ms => {
                let row = TimerRow { due_ms, armed_ms: before.armed_ms, cause, payload };
                self.pending.set_timer(key, Some(row));
            }
            before => {
                let row = TimerRow { due_ms, armed_ms: due_ms, cause, payload };
                self.arm(key, row, before.map(|before| before.armed_ms));
            }
        }
        Ok(())
    }

    /// Takes a timer away, if it is set.
    pub(super) fn cancel_timer<F: Facts>(&mut self, key: TimerKey, facts: &F) -> Result<(), F::Error> {
        if let Some(row) = self.pending.timer(&key, facts)? {
            let due = Due { armed_ms: row.armed_ms, key: key.clone() };
            self.wheel.remove(&due);
            self.pending.set_due(due, DueState::Gone);
            self.pending.set_timer(key, None);
        }
        Ok(())
    }

    /// A timer has fired: takes it away or arms it anew, and does what needs no handler.
    pub(super) fn consume_firing<F: Facts>(&mut self, event: &Event, facts: &F) -> Result<(), F::Error> {
        let (Some(firing), Some(origin)) = (event.firing(), event.origin()) else {
            return Ok(());
        };
        let entity = Bytes::copy_from_slice(&self.entity);
        let key = TimerKey { entity, function: origin.function, purpose: firing.purpose.clone() };
        self.wheel.remove(&Due { armed_ms: origin.sequence, key: key.clone() });
        let Some(row) = self.pending.timer(&key, facts)? else {
            return Ok(());
        };
        if !row.is_fired_by(event, &origin, &key.purpose) {
            self.arm(key, TimerRow { armed_ms: row.due_ms, ..row.clone() }, Some(row.armed_ms));
            return Ok(());
        }
        match Purpose::from_bytes(&firing.purpose) {
            Some(Purpose::Cron(_)) if firing.next_ms > row.due_ms && self.is_wanted() => {
                let next = TimerRow {
                    due_ms: firing.next_ms,
                    armed_ms: firing.next_ms,
                    cause: row.cause,
                    payload: Bytes::new(),
                };
                self.arm(key, next, Some(row.armed_ms));
                return Ok(());
            }
            Some(Purpose::Expiry(name)) => self.expire(origin.function, name, event, facts)?,
            Some(Purpose::Send(effect_offset, index)) => {
                let effect = EffectId { offset: effect_offset, function: origin.function, index };
                if let Some(send) = unpack_send(&firing.payload, &key.entity, effect) {
                    self.send(send);
                }
            }
            Some(Purpose::Cron(_) | Purpose::Named(_) | Purpose::Quiet(..) | Purpose::Reply(_)) | None => {}
        }
        self.cancel_timer(key, facts)
    }

    /// Whether a version that counts handles the event planned last, now or later. A dark one does not keep a timer
    /// of the calendar going: the live ones set it.
    fn is_wanted(&self) -> bool {
        let live = |target: &Target| target.role == Role::Live;
        self.planned.targets.iter().any(live) || !self.planned.waiting.is_empty()
    }

    /// Deletes a key of state whose time is over, unless it was put again for longer.
    fn expire<F: Facts>(
        &mut self,
        function: FunctionName,
        name: &[u8],
        event: &Event,
        facts: &F,
    ) -> Result<(), F::Error> {
        let written = self.pending.writes(&self.entity, function);
        let expires_at_ms = match written.as_ref().and_then(|writes| writes.get(name)) {
            Some(value) => value.as_ref().map(|value| value.expires_at_ms),
            None => facts.expiry(&self.entity, &function, name)?,
        };
        if expires_at_ms.is_some_and(|expires| expires <= event.received_at_ms()) {
            self.pending.write(&self.entity, function, Bytes::copy_from_slice(name), None);
        }
        Ok(())
    }

    /// Adds a message to what the partition sends.
    pub(super) fn send(&mut self, send: Send) {
        let sequence = self.send_next;
        self.send_next = sequence.saturating_add(1);
        self.pending.push(Change::SendPut { sequence, send });
        self.pending.push(Change::SendNext { sequence: self.send_next });
    }

    /// Arms the timers of silence that the event begins anew.
    pub(super) fn break_silence<F: Facts>(
        &mut self,
        offset: Offset,
        event: &Event,
        facts: &F,
    ) -> Result<(), F::Error> {
        // Lent for the time of the loop: the buffer is used again.
        let mut quiet = core::mem::take(&mut self.planned.quiet);
        for Quiet { function, purpose, for_s } in quiet.drain(..) {
            let key = TimerKey { entity: Bytes::copy_from_slice(&self.entity), function, purpose };
            let due_ms = event.received_at_ms().saturating_add(u64::from(for_s) * 1_000);
            self.set_timer(key, due_ms, offset, Bytes::new(), facts)?;
        }
        self.planned.quiet = quiet;
        Ok(())
    }
}

/// The payload of the timer of a delayed message: `to_len u16 | to | name_len u16 | name | payload`.
pub(super) fn pack_send(to: &[u8], name: &[u8], payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(4 + to.len() + name.len() + payload.len());
    for part in [to, name] {
        // Both are names, far below.
        out.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(part);
    }
    out.extend_from_slice(payload);
    Bytes::from(out)
}

fn unpack_send(bytes: &Bytes, from: &Bytes, effect: EffectId) -> Option<Send> {
    let take = |at: usize| {
        let length = bytes.get(at..)?.first_chunk::<2>().copied().map(u16::from_le_bytes)?;
        let end = at + 2 + usize::from(length);
        (end <= bytes.len()).then(|| (bytes.slice(at + 2..end), end))
    };
    let (to, at) = take(0)?;
    let (name, at) = take(at)?;
    Some(Send { to, from: from.clone(), effect, hops: 1, name, payload: bytes.slice(at..) })
}
