//! By which time devices do what they do.

use core::time::Duration;
use tokio::time::Instant;

/// Tells the time of a simulation, which may go faster than a real one. Connections always go by real time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since any moment; never back.
    fn now_ms(&self) -> u64;

    /// How long it really takes until the clock has gone on by so many milliseconds.
    fn real(&self, span_ms: u64) -> Duration;
}

/// Real time, or, while the clock of the runtime is paused, virtual time: it goes on at once when nothing is to be done.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeClock(Instant);

impl RuntimeClock {
    /// A clock that shows 0 now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for RuntimeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for RuntimeClock {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn real(&self, span_ms: u64) -> Duration {
        Duration::from_millis(span_ms)
    }
}
