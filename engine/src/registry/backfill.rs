//! Which functions are handling events from before their deployment.

use super::functions::Reason;
use super::{Act, Error, Registry};
use fleetfn_core::Change;
use fleetfn_core::deployment::Backfill;
use fleetfn_protocol::FunctionName;
use std::sync::PoisonError;

impl Registry {
    /// Records a deployment with a backfill. It ends where the deployment stands in the log, and that is known only
    /// once it is there: a second record says so. A crash between the two leaves out what came while the first was
    /// on its way to the disk. The acts lock is held.
    pub(super) async fn perform_from(&self, act: Act, reason: Reason<'_>) -> Result<Act, Error> {
        let name = act.name;
        // So that nobody begins before the end is known.
        self.begin_backfill(name);
        let performed = self.perform_twice(act, reason).await;
        self.forget_backfill(name);
        performed
    }

    async fn perform_twice(&self, act: Act, reason: Reason<'_>) -> Result<Act, Error> {
        let mut act = self.perform(act, reason).await?;
        let (offset, before) = (act.offset, act.before.clone());
        if let (Some(backfill), Some(at)) =
            (act.after.as_mut().and_then(|line| line.backfill.as_mut()), offset)
        {
            backfill.until = at;
            // Of which nobody needs to be told again.
            let why = act.after.as_ref().map(|line| line.reason.clone()).unwrap_or_default();
            let act = self.perform_itself(act, why).await?;
            return Ok(Act { offset, before, ..act });
        }
        Ok(act)
    }

    /// Whether the backfill of a function is not under way here yet; then it is from now on.
    pub(crate) fn begin_backfill(&self, name: FunctionName) -> bool {
        self.backfilling.lock().unwrap_or_else(PoisonError::into_inner).insert(name)
    }

    /// It is not under way here any more.
    pub(crate) fn forget_backfill(&self, name: FunctionName) {
        self.backfilling.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
    }

    /// The function has handled what was before it: what has waited is next. Durable on return.
    pub(crate) async fn end_backfill(
        &self,
        name: FunctionName,
        backfill: Backfill,
        events: u64,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.acts.lock().await;
        let Some((_, mut line)) = self.lines()?.remove(&name) else {
            return Ok(());
        };
        // Somebody may have deployed the function anew meanwhile.
        if line.backfill == Some(backfill) {
            line.backfill = None;
            line.reason = format!("backfilled {events} events");
            line.at_ms = self.clock.now_ms();
            self.record(Change::Deployment { name, deployment: Some(Box::new(line)) }).await?;
        }
        Ok(())
    }
}
