//! What is kept of an invocation: enough to show it, and to run it again without the state it ran on.

use crate::deployment::ModuleHash;
use crate::effect::Effect;
use crate::invocation::{Invocation, LogLine, Read, Role};
use crate::position::Offset;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::FunctionName;

/// One invocation, as the commit of its turn keeps it. The event is in the log at `offset`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Offset of the event.
    pub offset: Offset,
    /// Canonical bytes of its entity.
    pub entity: Bytes,
    /// Name of the function.
    pub function: FunctionName,
    /// The version that ran.
    pub version: ModuleHash,
    /// Whether it counted.
    pub role: Role,
    /// Which of its triggers fired, from 0.
    pub trigger: u16,
    /// How it ended.
    pub outcome: RecordedOutcome,
    /// Fuel burnt.
    pub fuel: u64,
    /// Time that the guest ran on the node that ran it, in nanoseconds: the one thing that is not the same on every
    /// node.
    pub guest_ns: u64,
    /// What it read.
    pub reads: Vec<Read>,
    /// What it asked for.
    pub effects: Vec<Effect>,
    /// What it logged.
    pub logs: Vec<LogLine>,
}

/// How a recorded invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedOutcome {
    /// Its effects were committed.
    Done,
    /// They were not.
    Failed {
        /// The word for metrics: `rejected`, `schema`, or as in [`crate::Outcome::Failed`].
        error_type: String,
        /// What happened.
        detail: String,
    },
}

impl Recording {
    /// Takes what is to be kept out of an invocation that was settled; `effects` are those it asked for.
    #[must_use]
    pub fn of(offset: Offset, entity: &Bytes, invocation: &mut Invocation, effects: Vec<Effect>) -> Self {
        let outcome = match invocation.outcome.failure() {
            None => RecordedOutcome::Done,
            Some((error_type, detail)) => RecordedOutcome::Failed { error_type: error_type.into(), detail },
        };
        Self {
            offset,
            entity: entity.clone(),
            function: invocation.function,
            version: invocation.version,
            role: invocation.role,
            trigger: invocation.trigger,
            outcome,
            fuel: invocation.fuel,
            guest_ns: invocation.guest_ns,
            reads: core::mem::take(&mut invocation.reads),
            effects,
            logs: core::mem::take(&mut invocation.logs),
        }
    }

    /// About how many bytes it takes in a commit.
    pub(crate) fn bytes(&self) -> usize {
        let read = |read: &Read| match read {
            Read::State { key, value } => key.len() + value.as_ref().map_or(0, Bytes::len),
            Read::Twin { document } => document.as_ref().map_or(0, Bytes::len),
            Read::Config { key, value } => key.len() + value.as_ref().map_or(0, Bytes::len),
            Read::Update { update } => {
                64 + update.as_ref().and_then(|update| update.job.as_ref()).map_or(0, |job| job.offer.len())
            }
            Read::Listeners { message, functions } => message.len() + 64 * functions.len(),
            Read::Lost => 0,
        };
        128 + self.reads.iter().map(read).sum::<usize>()
            + self.effects.iter().map(Effect::bytes).sum::<usize>()
            + self.logs.iter().map(|line| line.text.len()).sum::<usize>()
    }
}
