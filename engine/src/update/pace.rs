//! How fast blocks may leave: a bucket of bytes that fills at a steady rate.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One bucket for all that brings updates to devices. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SharedPace(Arc<Mutex<Pace>>);

impl SharedPace {
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self(Arc::new(Mutex::new(Pace::new(bytes_per_s, Instant::now()))))
    }

    /// Bytes of a second.
    pub(crate) fn per_s(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).per_s
    }

    /// Takes bytes out, and says how long to wait before they may leave.
    pub(crate) fn take(&self, bytes: usize) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, Instant::now())
    }
}

/// A bucket of bytes.
#[derive(Debug)]
struct Pace {
    per_s: u64,
    /// When the bucket is full again; before that, bytes are missing.
    full_at: Instant,
}

/// How much of a second's bytes may leave at once: more, and telemetry would wait while they do.
const BURST: Duration = Duration::from_millis(10);

impl Pace {
    fn new(per_s: u64, now: Instant) -> Self {
        Self { per_s: per_s.max(1), full_at: now }
    }

    /// Takes bytes out, and says how long to wait before they may leave.
    fn take(&mut self, bytes: usize, now: Instant) -> Duration {
        let nanos = u128::try_from(bytes).unwrap_or(u128::MAX) * 1_000_000_000 / u128::from(self.per_s);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.full_at = self.full_at.max(now) + cost;
        self.full_at.duration_since(now).saturating_sub(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let now = Instant::now();
        let mut pace = Pace::new(1_000, now);
        assert_eq!(pace.take(10, now), Duration::ZERO);
        assert_eq!(pace.take(500, now), Duration::from_millis(500));
        let later = now + Duration::from_secs(2);
        assert_eq!(pace.take(10, later), Duration::ZERO, "it has filled again, and not above its edge");
        assert_eq!(pace.take(1, later), Duration::from_millis(1));
    }
}
