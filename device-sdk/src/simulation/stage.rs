//! What the devices of a simulation share, and what time it is for them.

use super::{Clock, Gathering, Phase, Run};
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// What all devices share.
pub(super) struct Stage<D> {
    pub(super) dialer: D,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) run: Run,
    pub(super) started: Instant,
    pub(super) turns: Semaphore,
    pub(super) phases: watch::Receiver<Phase>,
    pub(super) gathering: Arc<Gathering>,
}

impl<D> Stage<D> {
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_us() / 1_000
    }

    /// The time of the scripts.
    pub(super) fn scripted_ms(&self, begin_ms: u64) -> u64 {
        self.clock.now_ms().saturating_sub(begin_ms)
    }

    pub(super) fn instant(&self, at_us: u64) -> Instant {
        self.started.checked_add(Duration::from_micros(at_us)).unwrap_or(self.started)
    }

    /// The time of the scripts, 0 before they have begun.
    pub(super) fn script_now_ms(&self, phase: Phase) -> u64 {
        match phase {
            Phase::Running { begin_ms } | Phase::Draining { begin_ms } => self.scripted_ms(begin_ms),
            Phase::Gathering | Phase::Ended => 0,
        }
    }
}
