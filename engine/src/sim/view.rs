//! A line every few seconds.

use super::counts::Counts;
use crate::cli::{Failure, print_line};
use std::sync::Arc;
use std::time::Instant;

/// What is shown, and what was shown before.
pub(super) struct View {
    counts: Arc<Counts>,
    devices: usize,
    started: Instant,
    /// When the last line was, and what had been counted then: connects and acknowledgements.
    before: (Instant, u64, u64),
    connects_per_s: u64,
}

impl View {
    pub(super) fn new(counts: Arc<Counts>, devices: usize) -> Self {
        let started = Instant::now();
        Self { counts, devices, started, before: (started, 0, 0), connects_per_s: 0 }
    }

    /// Shows how it is now.
    pub(super) fn line(&mut self) -> Result<(), Failure> {
        let (now, counts) = (Instant::now(), &self.counts);
        let (then, connects_before, acked_before) = self.before;
        let (connects, acked) = (counts.connects(), counts.acked.get());
        let ms = now.duration_since(then).as_millis();
        let text = format!(
            "{:>5}s connected={}/{} connects/s={} sent={} acked={} acked/s={} refused={} reconnects={} commands={} \
             answered={} {}",
            now.duration_since(self.started).as_secs(),
            counts.connected(),
            self.devices,
            per_second(connects - connects_before, ms),
            counts.sent.get(),
            acked,
            per_second(acked - acked_before, ms),
            counts.refused.get(),
            counts.lost_connections.get(),
            counts.commands.get(),
            counts.answered.get(),
            latency(counts.latency_us()),
        );
        self.before = (now, connects, acked);
        print_line(&text)
    }

    /// All devices are there, or have tried.
    pub(super) fn gathered(&mut self) -> Result<(), Failure> {
        self.connects_per_s = per_second(self.counts.connects(), self.started.elapsed().as_millis());
        self.line()
    }

    /// How many devices connected in a second, until all were there.
    pub(super) fn connects_per_s(&self) -> u64 {
        self.connects_per_s
    }
}

fn per_second(count: u64, ms: u128) -> u64 {
    let rate = u128::from(count) * 1_000 / ms.max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// The time until a PUBACK.
pub(super) fn latency((p50_us, p99_us): (u64, u64)) -> String {
    let millis = |us: u64| format!("{}.{:01}ms", us / 1_000, us % 1_000 / 100);
    format!("puback p50={} p99={}", millis(p50_us), millis(p99_us))
}
