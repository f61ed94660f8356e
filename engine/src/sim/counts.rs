//! What happens to all devices of a simulation, counted where it happens.

use crate::cli::Failure;
use crate::scenario::Observer;
use fleetfn_device::agent::Notice;
use fleetfn_device::mqtt::{Qos, Reason};
use fleetfn_device::simulation::{Cause, Happened};
use fleetfn_protocol::update::Phase;
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest time that the histogram takes, in microseconds; longer ones count as this.
const LATENCY_US_MAX: u64 = 600_000_000;

/// A number that only grows, or, as a gauge, falls again.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn one(&self) {
        self.add(1);
    }

    fn less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All counts.
pub(super) struct Counts {
    /// Times that a device came to listen, and connections that listened and ended.
    connects: Count,
    ended: Count,
    /// Of those, the ones that no script wanted to end.
    pub(super) lost_connections: Count,
    /// Connections that did not come to be.
    failures: Count,
    /// Messages of QoS 1, and of QoS 0.
    pub(super) sent: Count,
    pub(super) sent_once: Count,
    pub(super) acked: Count,
    pub(super) refused: Count,
    /// Messages that the device itself did not take or keep.
    pub(super) unsent: Count,
    under_way: Count,
    pub(super) unacknowledged: Count,
    pub(super) commands: Count,
    pub(super) answered: Count,
    pub(super) confirmed: Count,
    pub(super) rolled_back: Count,
    pub(super) failed: Count,
    pub(super) skipped: Count,
    latency_us: Mutex<Histogram<u64>>,
    /// The first trouble in words, and whether the server refused a name or token.
    trouble: Mutex<Option<String>>,
    bad_credentials: Count,
}

impl Counts {
    pub(super) fn new() -> Self {
        let latency = Histogram::new_with_max(LATENCY_US_MAX, 3);
        Self {
            connects: Count::default(),
            ended: Count::default(),
            lost_connections: Count::default(),
            failures: Count::default(),
            sent: Count::default(),
            sent_once: Count::default(),
            acked: Count::default(),
            refused: Count::default(),
            unsent: Count::default(),
            under_way: Count::default(),
            unacknowledged: Count::default(),
            commands: Count::default(),
            answered: Count::default(),
            confirmed: Count::default(),
            rolled_back: Count::default(),
            failed: Count::default(),
            skipped: Count::default(),
            latency_us: Mutex::new(latency.expect("ten minutes to three digits is a fit range")),
            trouble: Mutex::default(),
            bad_credentials: Count::default(),
        }
    }

    /// Devices that listen now.
    pub(super) fn connected(&self) -> u64 {
        self.connects.get().saturating_sub(self.ended.get())
    }

    /// Times that a device came to listen.
    pub(super) fn connects(&self) -> u64 {
        self.connects.get()
    }

    /// Connections that did not come to be.
    pub(super) fn failures(&self) -> u64 {
        self.failures.get()
    }

    /// Messages of QoS 1 that are neither acknowledged nor given up.
    pub(super) fn under_way(&self) -> u64 {
        self.under_way.get()
    }

    /// Microseconds from the device's send buffer to PUBACK: two quantiles.
    pub(super) fn latency_us(&self) -> (u64, u64) {
        let latency = lock(&self.latency_us);
        (latency.value_at_quantile(0.5), latency.value_at_quantile(0.99))
    }

    /// The first trouble, in words.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// What to run when names or tokens were refused.
    pub(super) fn next(&self) -> Option<&'static str> {
        (self.bad_credentials.get() > 0).then_some(
            "add --register, which adds the devices to the engine of --data and keeps their tokens",
        )
    }

    /// No device could connect.
    pub(super) fn shut_out(&self) -> Failure {
        let why = self.trouble().unwrap_or_else(|| "the server does not answer".into());
        let next = self.next().unwrap_or("start an engine with: fleetfn serve, or use --in-process");
        Failure::new("no device could connect", why).next(next)
    }

    fn tell(&self, device: &str, what: impl FnOnce() -> String) {
        let mut trouble = lock(&self.trouble);
        if trouble.is_none() {
            *trouble = Some(format!("{device}: {}", what()));
        }
    }

    fn refuse(&self, device: &str, reason: Reason) {
        if matches!(reason, Reason::BAD_CREDENTIALS | Reason::NOT_AUTHORIZED) {
            self.bad_credentials.one();
        }
        self.tell(device, || format!("the server refuses the connection: {}", reason.text()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Counts {
    fn see(&self, device: &str, happened: &Happened<'_>) {
        match happened {
            Happened::Notice(Notice::Listening) => self.connects.one(),
            Happened::Notice(Notice::Command(_)) => self.commands.one(),
            Happened::Notice(Notice::Refused(reason)) => self.refuse(device, *reason),
            Happened::Notice(_) => {}
            Happened::Sent(message) if message.qos == Qos::AtMostOnce => self.sent_once.one(),
            Happened::Sent(_) => {
                self.sent.one();
                self.under_way.one();
            }
            Happened::Acknowledged { reason, took } => {
                self.under_way.less();
                if reason.is_failure() {
                    self.refused.one();
                    return self.tell(device, || format!("a message was refused: {}", reason.text()));
                }
                self.acked.one();
                let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                lock(&self.latency_us).saturating_record(took_us);
            }
            Happened::Lost => {
                self.under_way.less();
                self.unsent.one();
                self.tell(device, || "the server does not take a message any more".into());
            }
            Happened::Unsendable(misuse) => {
                self.unsent.one();
                self.tell(device, || misuse.to_string());
            }
            // QoS 0 promises nothing.
            Happened::Dropped => {}
            Happened::Disconnected { cause, listened } => {
                let wanted = *cause == Cause::Script;
                match (listened, wanted) {
                    (true, true) => self.ended.one(),
                    (true, false) => {
                        self.ended.one();
                        self.lost_connections.one();
                    }
                    (false, true) => {}
                    (false, false) => self.failures.one(),
                }
                if !wanted {
                    self.tell(device, || cause.to_string());
                }
            }
            Happened::Left { unacknowledged } => {
                self.unacknowledged.add(u64::try_from(*unacknowledged).unwrap_or(u64::MAX));
            }
        }
    }

    fn answered(&self) {
        self.answered.one();
    }

    fn updated(&self, phase: Phase) {
        match phase {
            Phase::Confirmed => self.confirmed.one(),
            Phase::RolledBack => self.rolled_back.one(),
            Phase::Failed => self.failed.one(),
            _ => {}
        }
    }

    fn skipped(&self, count: u64) {
        self.skipped.add(count);
    }
}
