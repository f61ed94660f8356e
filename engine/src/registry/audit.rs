//! Who does what, and why: a line in the same record of the log as the act.
//!
//! This is also where an act that is only tried ends: everything was checked as for one that is done, and nothing is recorded.

use super::{Error, Registry};
use fleetfn_core::audit::{Deed, LINES_KEPT, Line};
use fleetfn_core::rollout::{WHO_BYTES_MAX, WHY_BYTES_MAX};
use fleetfn_core::{Change, Offset};
use fleetfn_protocol::RolloutName;
use std::sync::atomic::Ordering;

/// Whether to do something or only to say what would come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Do it.
    Perform,
    /// Only say.
    DryRun,
}

/// Who acts, why, and whether they mean it. The engine knows one operator, whose token was shown; who of those that have it acts is what the client
/// says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Who.
    pub(crate) by: String,
    /// Why; may be empty.
    pub(crate) why: String,
    /// Whether it is to be done.
    pub(crate) mode: Mode,
}

impl Told {
    /// Checks both; nobody in particular is the operator.
    pub(crate) fn new(by: Option<String>, why: Option<String>, mode: Mode) -> Result<Self, Error> {
        let by = by
            .map(|by| by.trim().to_owned())
            .filter(|by| !by.is_empty())
            .unwrap_or_else(|| super::OPERATOR.into());
        let why = why.unwrap_or_default();
        for (what, text, bytes_max) in [("by", &by, WHO_BYTES_MAX), ("why", &why, WHY_BYTES_MAX)] {
            if text.len() > bytes_max || text.chars().any(char::is_control) {
                return Err(Error::Invalid(format!("{what}: it is one line of at most {bytes_max} bytes")));
            }
        }
        Ok(Self { by, why: why.trim().to_owned(), mode })
    }

    /// The operator, who means it and says nothing else.
    pub(crate) fn operator() -> Self {
        Self { by: super::OPERATOR.into(), why: String::new(), mode: Mode::Perform }
    }

    /// Refuses to act without a reason.
    pub(crate) fn expect_reason(&self) -> Result<(), Error> {
        if self.why.is_empty() {
            return Err(Error::Invalid("why: it is not done without a reason".into()));
        }
        Ok(())
    }
}

/// The number of the next line.
pub(super) fn next(view: &fleetfn_store::View) -> Result<u64, Error> {
    let last = view.audit(None, usize::MAX)?.pop();
    Ok(last.map_or(0, |(number, _)| number.saturating_add(1)))
}

impl Registry {
    /// Records an act with its line, or nothing in a dry run: `None`. A device that is added without a reason leaves no line,
    /// for a factory would push out what people look for. The acts lock is held. Durable on return.
    pub(super) async fn record_deed(
        &self,
        mut changes: Vec<Change>,
        deed: Deed,
        subject: String,
        told: &Told,
    ) -> Result<Option<Offset>, Error> {
        let Told { by, why, mode } = told.clone();
        if mode == Mode::DryRun {
            return Ok(None);
        }
        if deed == Deed::AddDevice && why.is_empty() {
            return self.record_all(changes).await.map(Some);
        }
        let line = Line { at_ms: self.clock.now_ms(), by, deed, subject, why };
        let number = self.audit_next.load(Ordering::Relaxed);
        changes.push(Change::Audit { number, line: Some(Box::new(line)) });
        if let Some(number) = number.checked_sub(LINES_KEPT) {
            changes.push(Change::Audit { number, line: None });
        }
        let offset = self.record_all(changes).await?;
        self.audit_next.store(number.saturating_add(1), Ordering::Relaxed);
        Ok(Some(offset))
    }

    /// Records that a rollout is to be removed. Its rows are not the registry's, so this is a record of its own, and comes before
    /// the act. Durable on return.
    pub(crate) async fn record_removal(&self, rollout: &RolloutName, told: &Told) -> Result<(), Error> {
        let _one_at_a_time = self.acts.lock().await;
        self.record_deed(Vec::new(), Deed::RemoveRollout, rollout.to_string(), told).await.map(drop)
    }

    /// Lines of the audit, oldest first, after one.
    pub(crate) fn audit(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, Line)>, Error> {
        Ok(self.store.view().audit(after, limit)?)
    }
}
