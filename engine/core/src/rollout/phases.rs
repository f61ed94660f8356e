//! How a rollout goes on: phases begin, end, soak, and are passed.

use super::head::{Hold, State};
use super::machine::Machine;
use super::policy::{Late, PHASES_MAX, Phase, Size};
use super::words::{Devices, Length};
use alloc::format;
use alloc::string::{String, ToString};

/// Steps that one event may take: every phase may turn out to have nothing to do.
const STEPS_MAX: usize = 4 * PHASES_MAX;

impl Machine<'_> {
    /// Goes on as far as things allow.
    pub(super) fn advance(&mut self) {
        for _ in 0..STEPS_MAX {
            if !self.step() {
                return;
            }
        }
        self.more = true;
    }

    fn is_over(&self) -> bool {
        self.head.until_ms.is_some_and(|until_ms| until_ms <= self.now_ms)
    }

    /// Goes on by one step, if there is one to take.
    fn step(&mut self) -> bool {
        match self.head.state {
            State::WaitingForApproval | State::Aborted => false,
            State::Scheduled => {
                let begins = self.is_over();
                if begins {
                    self.enter(
                        State::Enrolling,
                        "its time has come; the devices of the selection are being found",
                    );
                }
                begins
            }
            State::Enrolling => self.end_enrolment(),
            State::Running => self.end_running(),
            State::Soaking => {
                let ends = self.is_over();
                if ends {
                    self.judge();
                }
                ends
            }
            State::Judging => self.decide(),
            State::Held => self.go_on_from_hold(),
            State::Completed => self.go_on_again(),
        }
    }

    fn end_enrolment(&mut self) -> bool {
        if !self.head.is_enrolled {
            return false;
        }
        if self.head.taking_part() == 0 {
            let because = match (self.head.all().total(), self.policy.late) {
                (0, Late::Join) => {
                    "nobody matched the selection: nothing was done, until devices come that do".into()
                }
                (0, Late::Ignore) => "nobody matched the selection: nothing was done".into(),
                (all, _) => format!("found {}, and none can take it: nothing was done", Devices(all.into())),
            };
            self.enter(State::Completed, because);
        } else {
            self.begin_phase(0);
        }
        true
    }

    fn phase(&self) -> Option<&Phase> {
        self.policy.phases.get(usize::from(self.head.phase))
    }

    /// How long the phase soaks, in milliseconds in which the node is there.
    pub(super) fn soak_ms(&self) -> Option<u64> {
        self.phase().map(|phase| u64::from(phase.soak_s) * 1_000)
    }

    pub(super) fn phase_name(&self) -> String {
        self.phase().map(|phase| phase.name.clone()).unwrap_or_default()
    }

    pub(super) fn begin_phase(&mut self, index: u8) {
        self.head.phase = index;
        let target = self.target();
        if let Some(progress) = self.head.progress_mut() {
            progress.target = target;
            progress.begun_ms = Some(self.now_ms);
        }
        let takes = target.unwrap_or_else(|| self.available());
        let because = format!("phase {} begins and takes {}", self.phase_name(), Devices(takes.into()));
        self.enter(State::Running, because);
    }

    /// How many devices the phase takes; `None` for all there are, now and later.
    fn target(&self) -> Option<u32> {
        if self.head.is_last_phase() {
            return None;
        }
        let available = self.available();
        Some(match self.phase().map(|phase| &phase.size) {
            Some(Size::Count(count)) => (*count).min(available),
            Some(Size::Percent(percent)) => {
                let reach = percent.percent_of(self.head.taking_part());
                reach.saturating_sub(self.head.in_phases().total()).min(available)
            }
            Some(Size::Tag(_)) | None => available,
        })
    }

    /// Ends the phase when all of it that can be had have ended.
    fn end_running(&mut self) -> bool {
        let pending = self.head.in_phases().pending();
        if pending > 0 || self.drawable() > 0 || self.head.sweep.is_some() {
            return false;
        }
        let Some(phase) = self.phase() else {
            return false;
        };
        let taken = self.head.progress().map_or(0, |progress| progress.tally.total());
        let (soak_ms, name) = (u64::from(phase.soak_s) * 1_000, phase.name.clone());
        if taken > 0 {
            self.enter(State::Soaking, format!("phase {name} is through; it soaks for {}", Length(soak_ms)));
            self.head.until_ms = Some(self.soaked_ms(self.now_ms, soak_ms));
        } else if let Size::Tag(tag) = &phase.size {
            let because = format!("no device carries the tag '{tag}': phase {name} would prove nothing");
            self.hold(Hold::Operator, None, because);
        } else {
            self.pass_phase(&format!("phase {name} has no devices to take"));
        }
        true
    }

    /// Whether enough devices of the phase have succeeded, and are heard, for the next one to begin.
    pub(super) fn proof(&self) -> Result<(), String> {
        let tally = self.head.progress().map(|progress| progress.tally).unwrap_or_default();
        if self.head.is_last_phase() {
            return Ok(());
        }
        let taken = tally.total().saturating_sub(tally.removed);
        let percent = self.phase().map(|phase| phase.success).unwrap_or_default();
        let needed = percent.percent_of(taken).max(1);
        if tally.succeeded >= needed {
            return Ok(());
        }
        let name = self.phase_name();
        Err(format!("{} of {taken} devices of phase {name} have succeeded, {needed} must", tally.succeeded))
    }

    /// The phase has soaked: asks whoever is to say whether the next may begin.
    pub(super) fn judge(&mut self) {
        match self.proof() {
            Err(because) => self.hold(Hold::Proof, None, because),
            Ok(()) if self.phase().is_none_or(|phase| phase.gates.is_empty()) => {
                self.pass_phase(&format!("phase {} has soaked", self.phase_name()));
            }
            Ok(()) => self.ask_gates(),
        }
    }

    /// The next phase begins, or the rollout is done.
    pub(super) fn pass_phase(&mut self, because: &str) {
        if let Some(progress) = self.head.progress_mut() {
            progress.ended_ms = Some(self.now_ms);
        }
        self.note(super::history::ITSELF, format!("passes phase {}", self.phase_name()), because);
        if self.head.is_last_phase() {
            let because = self.summary();
            self.enter(State::Completed, because);
        } else {
            self.begin_phase(self.head.phase.saturating_add(1));
        }
    }

    /// What came of it, in words.
    fn summary(&self) -> String {
        let all = self.head.in_phases();
        let mut words = format!("{} of {} updated", all.updated(), Devices(all.total().into()));
        let others = [
            (all.silent, "of them silent"),
            (all.failed, "failed"),
            (all.timed_out, "timed out"),
            (all.rejected, "rejected"),
            (all.removed, "removed"),
            (all.absent, "absent, offered again when they are heard"),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            words.push_str(&format!(", {count} {what}"));
        }
        words
    }

    fn go_on_from_hold(&mut self) -> bool {
        match self.head.hold {
            Some(Hold::Gate) if self.is_over() => {
                self.ask_gates();
                true
            }
            Some(Hold::Proof) if self.proof().is_ok() => {
                self.judge();
                true
            }
            Some(Hold::Proof) if self.head.in_phases().pending() > 0 => {
                self.run_again("a device of the phase is there again");
                true
            }
            Some(Hold::Gate | Hold::Proof | Hold::Operator) | None => false,
        }
    }

    /// A rollout that was done goes on for devices that came later, or came back.
    fn go_on_again(&mut self) -> bool {
        let has_begun = self.head.progress().is_some_and(|progress| progress.begun_ms.is_some());
        if !has_begun && self.head.taking_part() > 0 {
            self.begin_phase(0);
            return true;
        }
        let waiting = has_begun && (self.head.in_phases().pending() > 0 || self.drawable() > 0);
        if waiting {
            self.run_again("devices came later, or came back");
        }
        waiting
    }

    /// The phase goes on, if it was thought to be through.
    pub(super) fn run_again(&mut self, because: &str) {
        let waits_for_operator = self.head.hold == Some(Hold::Operator);
        let through = match self.head.state {
            State::Soaking | State::Judging | State::Held | State::Completed => !waits_for_operator,
            State::WaitingForApproval | State::Scheduled | State::Enrolling => false,
            State::Running | State::Aborted => false,
        };
        // A rollout that found nobody is done without a phase: it has none to go on with.
        let has_begun = self.head.progress().is_some_and(|progress| progress.begun_ms.is_some());
        if through && has_begun {
            if let Some(progress) = self.head.progress_mut() {
                progress.ended_ms = None;
            }
            self.enter(State::Running, because.to_string());
        }
    }
}
