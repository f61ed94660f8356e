//! What a worker counts and shows of its invocations: plain numbers, added to the shared ones once a wake-up.

use crate::feed::{Feed, InvocationRecord, shown};
use crate::metrics::{FunctionCounters, Metrics};
use fleetfn_core::{Effect, Event, EventKind, Invocation, Offset, Outcome, Settled};
use fleetfn_protocol::{FunctionName, Topic};
use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Counts since the last [`Tally::flush`].
pub(super) struct Tally {
    metrics: Arc<Metrics>,
    feed: Arc<Feed>,
    pub(super) handled: u64,
    pub(super) duplicates: u64,
    pub(super) commits: u64,
    pub(super) commands: u64,
    pub(super) acknowledged: u64,
    pub(super) published: u64,
    /// As many as functions have run here since the start.
    functions: BTreeMap<FunctionName, FunctionTally>,
    /// How long the guest ran, of each invocation of the event at hand.
    durations: Vec<Duration>,
    /// The effects of those of them that will be shown.
    kept: Vec<Option<Vec<Effect>>>,
    /// To be shown after the commit.
    records: Vec<InvocationRecord>,
}

struct FunctionTally {
    counters: Arc<FunctionCounters>,
    invocations: u64,
    errors: u64,
    fuel: u64,
    guest: Duration,
}

impl Tally {
    pub(super) fn new(metrics: Arc<Metrics>, feed: Arc<Feed>) -> Self {
        Self {
            metrics,
            feed,
            handled: 0,
            duplicates: 0,
            commits: 0,
            commands: 0,
            acknowledged: 0,
            published: 0,
            functions: BTreeMap::new(),
            durations: Vec::new(),
            kept: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Runs one invocation and takes its time.
    pub(super) fn measure(&mut self, run: impl FnOnce() -> Invocation) -> Invocation {
        let start = Instant::now();
        let invocation = run();
        self.durations.push(start.elapsed());
        invocation
    }

    /// Copies what will be shown of invocations, before they are settled and lose it.
    pub(super) fn keep_effects(&mut self, invocations: &[Invocation]) {
        let kept = |one: &Invocation| self.feed.wants(one).then(|| one.effects.clone());
        self.kept.extend(invocations.iter().map(kept));
    }

    /// Counts an event that was settled, and empties `invocations`.
    pub(super) fn settled(
        &mut self,
        offset: Offset,
        event: &Event,
        settled: Settled,
        invocations: &mut Vec<Invocation>,
    ) {
        if settled == Settled::Handled {
            self.handled += 1;
        }
        let (mut durations, mut kept) = (mem::take(&mut self.durations), mem::take(&mut self.kept));
        for ((mut invocation, duration), kept) in invocations.drain(..).zip(&durations).zip(kept.drain(..)) {
            if settled == Settled::Handled {
                self.count(&invocation, *duration);
            }
            let done = invocation.outcome == Outcome::Done;
            // Settling may have turned it into a failed one, and those are always worth showing.
            if kept.is_none() && (done || !self.feed.wants(&invocation)) {
                continue;
            }
            if done {
                invocation.effects = kept.unwrap_or_default();
            }
            self.records.push(InvocationRecord {
                offset,
                entity: event.entity().to_string(),
                topic: topic(event),
                received_at_ms: event.received_at_ms(),
                payload: shown(&event.payload()),
                invocation,
                duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            });
        }
        durations.clear();
        (self.durations, self.kept) = (durations, kept);
    }

    fn count(&mut self, invocation: &Invocation, duration: Duration) {
        let metrics = &self.metrics;
        let function = self.functions.entry(invocation.function).or_insert_with(|| FunctionTally {
            counters: metrics.function(invocation.function),
            invocations: 0,
            errors: 0,
            fuel: 0,
            guest: Duration::ZERO,
        });
        function.invocations += 1;
        function.errors += u64::from(invocation.outcome != Outcome::Done);
        function.fuel += invocation.fuel;
        function.guest += duration;
    }

    /// Shows what was committed.
    pub(super) fn show(&mut self) {
        self.records.drain(..).for_each(|record| self.feed.show(record));
    }

    /// Adds the counts to the shared ones. What was not part of a commit changed nothing, and is shown as well.
    pub(super) fn flush(&mut self) {
        self.show();
        let metrics = &self.metrics;
        for (counter, amount) in [
            (&metrics.handled, &mut self.handled),
            (&metrics.duplicates, &mut self.duplicates),
            (&metrics.commits, &mut self.commits),
            (&metrics.commands, &mut self.commands),
            (&metrics.commands_acknowledged, &mut self.acknowledged),
            (&metrics.published, &mut self.published),
        ] {
            if *amount > 0 {
                counter.add(mem::take(amount));
            }
        }
        for function in self.functions.values_mut().filter(|function| function.invocations > 0) {
            let whole_us = u64::try_from(function.guest.as_micros()).unwrap_or(u64::MAX);
            function.counters.invocations.add(mem::take(&mut function.invocations));
            function.counters.errors.add(mem::take(&mut function.errors));
            function.counters.fuel.add(mem::take(&mut function.fuel));
            function.counters.guest_us.add(whole_us);
            function.guest = function.guest.saturating_sub(Duration::from_micros(whole_us));
        }
    }
}

/// The topic on which an event came, as far as it came on one.
fn topic(event: &Event) -> String {
    let Some(device) = event.device() else {
        return event.entity().to_string();
    };
    let topic = match event.kind() {
        EventKind::Telemetry { channel } => Topic::Telemetry { device, channel },
        EventKind::TwinReported => Topic::TwinReported { device },
        EventKind::CommandReply { name } => Topic::CommandReply { device, name },
        EventKind::UpdateStatus => Topic::UpdateStatus { device },
        EventKind::CommandRequested { name } => Topic::Command { device, name },
        EventKind::Shared { topic } => Topic::Shared(topic),
        EventKind::Connected | EventKind::Disconnected { .. } => return event.entity().to_string(),
    };
    topic.to_string()
}
