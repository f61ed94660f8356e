//! Time in which the node was there, counted from outside: nothing is judged by less of it, and what has had its time is judged.

use crate::rules::Seen;
use fleetfn_core::rollout::{
    self, Bad, Device, Failure, Head, Input, OUTAGES_MAX, Policy, RETURN_MS, State, Step, Why,
};

/// When the node was away, with the time in which devices come back.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    away: Vec<(u64, u64)>,
    /// Whether one is not known any more: then more was there than the rollout believed when it set its times.
    has_forgotten: bool,
}

impl Presence {
    pub(crate) fn observe(&mut self, seen: &Seen<'_>) {
        let Input::Awake(awake) = seen.input else { return };
        let since_ms = awake.since_ms.expect("it is known");
        let end_ms = seen.now_ms + RETURN_MS;
        // Of a clock that was set back since.
        self.away.retain(|(away_ms, _)| *away_ms <= seen.now_ms);
        match self.away.last_mut() {
            Some(last) if since_ms <= last.1 => last.1 = end_ms,
            _ => self.away.push((since_ms, end_ms)),
        }
        let forgotten = self.away.len().saturating_sub(OUTAGES_MAX);
        self.away.drain(..forgotten);
        self.has_forgotten |= forgotten > 0;
    }

    fn there_ms(&self, from_ms: u64, to_ms: u64) -> u64 {
        let mut there_ms = to_ms.saturating_sub(from_ms);
        for (away_ms, back_ms) in &self.away {
            let (start, end) = ((*away_ms).max(from_ms), (*back_ms).min(to_ms));
            there_ms -= end.saturating_sub(start);
        }
        there_ms
    }

    /// A device that is updated counts as silent when it was quiet for its time, and then only.
    pub(crate) fn silence(&self, policy: &Policy, before: Option<&Device>, after: &Device, now_ms: u64) {
        let Some(silence) = &policy.silence else {
            return assert_eq!(after.confidence, 0, "nobody asked");
        };
        let Some(since_ms) = after.quiet_since_ms.filter(|_| after.step == Step::Succeeded) else {
            return assert_eq!(after.confidence, 0, "it is heard");
        };
        let allowed_ms = rollout::allowed_ms(silence, after.habit());
        let quiet_ms = self.there_ms(since_ms, now_ms);
        if after.confidence > before.map_or(0, |before| before.confidence) {
            let certain = rollout::confidence(allowed_ms, after.habit(), quiet_ms);
            assert_eq!(after.confidence, certain, "quiet for {quiet_ms} ms of {allowed_ms}");
        }
        if self.has_forgotten {
            return;
        }
        // One look at it is as good as twice the time.
        let least = rollout::confidence(allowed_ms, after.habit(), (quiet_ms / 2).min(8 * allowed_ms));
        assert!(quiet_ms < 2 * allowed_ms || after.confidence >= least, "quiet for {quiet_ms} ms: {after:?}");
        assert!(quiet_ms < allowed_ms || after.confidence > 0, "quiet for {quiet_ms} ms: {after:?}");
    }

    /// A job is out of time when it has had its time, and then only.
    pub(crate) fn job(&self, policy: &Policy, before: Option<&Device>, after: &Device, now_ms: u64) {
        let (step_ms, whole_ms) =
            (u64::from(policy.timeouts.step_s) * 1_000, u64::from(policy.timeouts.in_progress_s) * 1_000);
        let is_at_it = |device: &&Device| device.step > Step::Offered && device.step.is_active();
        let had_ms = |device: &Device| {
            let of = |from_ms: Option<u64>| self.there_ms(from_ms.expect("it is at it"), now_ms);
            (of(device.moved_ms), of(device.started_ms))
        };
        if is_at_it(&after) && !self.has_forgotten {
            let (still, whole) = had_ms(after);
            assert!(still < step_ms && whole < whole_ms, "it is out of time: {after:?}");
        }
        let Some(before) = before.filter(is_at_it).filter(|before| before.step != after.step) else { return };
        let failure = match &after.why {
            Why::Failed(failure) | Why::TriesAgain { after: failure, .. } => failure,
            _ => return,
        };
        let (still, whole) = had_ms(before);
        match failure {
            Failure::Reported { .. } => {}
            Failure::StoodStill { .. } => assert!(still >= step_ms, "it stood still for {still} ms"),
            Failure::TookTooLong { .. } => assert!(whole >= whole_ms, "it took {whole} ms"),
        }
    }

    /// A phase soaks for its time, unless an operator goes on or devices come back.
    pub(crate) fn soak(&self, policy: &Policy, before: &Head, after: &Head, seen: &Seen<'_>) {
        let runs_again = after.state == State::Running && after.phase == before.phase;
        let is_stopped = after.state == State::Aborted || matches!(seen.input, Input::Act(_)) || runs_again;
        if before.state != State::Soaking || after.state == State::Soaking || is_stopped {
            return;
        }
        let soak_ms = u64::from(policy.phases[usize::from(before.phase)].soak_s) * 1_000;
        let is_silence_asked = policy.abort.iter().any(|criterion| criterion.of.contains(&Bad::Silent));
        let return_ms = if is_silence_asked { 0 } else { RETURN_MS };
        let soaked_ms = self.there_ms(before.since_ms, seen.now_ms) + return_ms * self.away.len() as u64;
        assert!(soaked_ms >= soak_ms, "it soaked for {soaked_ms} ms of {soak_ms}");
    }
}
