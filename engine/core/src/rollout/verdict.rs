//! Gates: functions that say whether the next phase may begin. Whatever is not a GO of each of them is none.

use super::enrol::clip;
use super::head::{Answer, Hold, State, Verdict};
use super::input::{GateAnswer, WHY_BYTES_MAX};
use super::machine::Machine;
use super::output::{GATE_PREFIX, Question, send};
use super::policy::Gate;
use crate::event::Entity;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use fleetfn_protocol::FunctionName;

/// Seconds after which gates that hold a rollout are asked again.
const ASK_AGAIN_S: u64 = 300;

impl Machine<'_> {
    fn gates(&self) -> Vec<Gate> {
        let phase = self.policy.phases.get(usize::from(self.head.phase));
        phase.map(|phase| phase.gates.clone()).unwrap_or_default()
    }

    pub(super) fn ask_gates(&mut self) {
        let gates = self.gates();
        self.head.question = self.head.question.saturating_add(1);
        let timeout_s = gates.iter().map(|gate| gate.timeout_s).max().unwrap_or_default();
        let answer_by_ms = self.now_ms.saturating_add(u64::from(timeout_s) * 1_000);
        self.enter(State::Judging, format!("asks the gates of phase {}", self.phase_name()));
        self.head.until_ms = Some(answer_by_ms);
        let counts = self.head.in_phases();
        let Some(progress) = self.head.progress_mut() else {
            return;
        };
        let answer = |gate: &Gate| Answer { gate: gate.function, verdict: None, text: String::new() };
        progress.answers = gates.iter().map(answer).collect();
        let question = Question {
            rollout: self.name.to_string(),
            question: self.head.question,
            phase: self.phase_name(),
            begun_ms: self.head.progress().and_then(|progress| progress.begun_ms).unwrap_or_default(),
            answer_by_ms,
            release: Rc::clone(&self.policy).release.clone(),
            phase_counts: self.head.progress().map(|progress| progress.tally).unwrap_or_default().into(),
            counts: counts.into(),
        };
        let itself = super::entity_name(&self.name);
        for gate in gates {
            // The policy was checked: it names an entity.
            let entity = gate.entity.as_deref().and_then(Entity::parse).unwrap_or(Entity::Named(&itself));
            self.messages.push(send(entity, &format!("{GATE_PREFIX}{}", gate.function), &question));
        }
    }

    pub(super) fn verdict(&mut self, gate: &FunctionName, answer: &GateAnswer) {
        if self.head.state != State::Judging || answer.question != self.head.question {
            self.ignore_nonsense(format!("nobody asks question {} any more", answer.question));
            return;
        }
        let answers = self.head.progress_mut().map(|progress| progress.answers.iter_mut());
        let Some(asked) = answers.into_iter().flatten().find(|asked| asked.gate == *gate) else {
            self.ignore_nonsense(format!("'{gate}' is no gate of the phase"));
            return;
        };
        if asked.verdict.is_some() {
            self.ignore_nonsense(format!("'{gate}' has answered before"));
            return;
        }
        let text = clip(&answer.text, WHY_BYTES_MAX).to_string();
        asked.verdict = Some(answer.verdict);
        asked.text.clone_from(&text);
        self.note(gate.as_str(), format!("says {}", answer.verdict), text);
        if answer.verdict == Verdict::Abort {
            let why =
                if answer.text.is_empty() { "it did not say why" } else { clip(&answer.text, WHY_BYTES_MAX) };
            self.abort(gate.as_str(), format!("gate {gate} says ABORT: {why}"));
        }
    }

    /// Goes on, or is held, once all gates have answered or their time is over.
    pub(super) fn decide(&mut self) -> bool {
        let answers = self.head.progress().map(|progress| progress.answers.clone()).unwrap_or_default();
        let is_over = self.head.until_ms.is_none_or(|until_ms| until_ms <= self.now_ms);
        if !is_over && answers.iter().any(|answer| answer.verdict.is_none()) {
            return false;
        }
        let is_go = |answer: &Answer| answer.verdict == Some(Verdict::Go);
        if !answers.is_empty() && answers.iter().all(is_go) {
            match self.proof() {
                Ok(()) => self.pass_phase("every gate says GO"),
                // Since the gates were asked, devices have fallen silent.
                Err(because) => self.hold(Hold::Proof, None, because),
            }
            return true;
        }
        let mut because = String::new();
        for answer in answers.iter().filter(|answer| !is_go(answer)) {
            if !because.is_empty() {
                because.push_str("; ");
            }
            because.push_str(&held_by(answer));
        }
        let again_ms = self.now_ms.saturating_add(ASK_AGAIN_S * 1_000);
        self.hold(Hold::Gate, Some(again_ms), because);
        true
    }
}

fn held_by(answer: &Answer) -> String {
    let gate = answer.gate;
    let text = if answer.text.is_empty() { String::new() } else { format!(": {}", answer.text) };
    match answer.verdict {
        None => format!(
            "gate {gate} has not answered in time, which counts as HOLD: its logs or dead letters say why, if it is deployed"
        ),
        Some(Verdict::Failed) => format!("gate {gate} has failed, which counts as HOLD{text}"),
        Some(verdict) => format!("gate {gate} says {verdict}{text}"),
    }
}
