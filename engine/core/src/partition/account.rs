//! What functions have used: sums by the month in which events are handled, and the end of months long ago.

use super::Partition;
use crate::commit::Change;
use crate::event::Event;
use crate::facts::Facts;
use crate::invocation::{Invocation, Outcome, Role};
use crate::usage::{DELETED_PER_TURN, Usage, UsageKey, month_of, oldest_kept};
use bytes::Bytes;

impl Partition {
    /// Adds an invocation to what its function has used. An event that is handled again counts in the month in which
    /// that happens: what was billed does not change.
    pub(super) fn account<F: Facts>(
        &mut self,
        logged: &Event,
        event: &Event,
        entity: &Bytes,
        invocation: &Invocation,
        facts: &F,
    ) -> Result<(), F::Error> {
        let live = invocation.role == Role::Live;
        let failed = invocation.outcome != Outcome::Done;
        let refused = matches!(invocation.outcome, Outcome::Refused { .. });
        let bytes_out: usize = invocation.effects.iter().map(crate::Effect::bytes).sum();
        let more = Usage {
            invocations: u64::from(live && !refused),
            errors: u64::from(live && failed && !refused),
            refused: u64::from(live && refused),
            dark: u64::from(!live),
            fuel: invocation.fuel,
            guest_ns: invocation.guest_ns,
            bytes_in: u64::try_from(event.payload().len()).unwrap_or_default(),
            bytes_out: u64::try_from(bytes_out).unwrap_or_default(),
        };
        let month = month_of(logged.received_at_ms());
        let key = UsageKey { month, function: invocation.function, entity: entity.clone() };
        self.pending.add_usage(key, &more, facts)?;
        self.sweep(month, facts)
    }

    /// Deletes sums that are not kept beside a month, a few a turn until none is left.
    fn sweep<F: Facts>(&mut self, month: u32, facts: &F) -> Result<(), F::Error> {
        if month <= self.swept || self.sweeping {
            return Ok(());
        }
        // Once a turn: what it deletes is seen only when it is committed.
        self.sweeping = true;
        let old = facts.usage_before(oldest_kept(month), DELETED_PER_TURN)?;
        if old.len() < DELETED_PER_TURN {
            self.swept = month;
        }
        old.into_iter().for_each(|key| self.pending.push(Change::UsageDelete { key }));
        Ok(())
    }
}
