//! Which functions are handling events from before their deployment.

use super::{Error, Registry};
use crate::admit::now_ms;
use fleetfn_core::Change;
use fleetfn_core::deployment::Backfill;
use fleetfn_protocol::FunctionName;
use std::sync::PoisonError;

impl Registry {
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
            line.at_ms = now_ms();
            self.record(Change::Deployment { name, deployment: Some(Box::new(line)) }).await?;
        }
        Ok(())
    }
}
