//! What an operator does, and when it can be done.

use super::RolloutError;
use super::head::{Done, Head, Hold, Removal, State};
use super::input::{Act, Verb};
use super::machine::Machine;
use super::policy::Policy;
use super::repair::repair_name;
use super::sweep::SweepTo;
use alloc::format;
use alloc::string::String;
use fleetfn_protocol::RolloutName;

/// Why an act is not possible now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// It has been started before.
    #[error("the rollout was started by {by} before; choose another name")]
    Started {
        /// By whom.
        by: String,
    },
    /// Its state does not allow it.
    #[error("a rollout that is {state} cannot be {what}")]
    State {
        /// What was to be done with it.
        what: &'static str,
        /// Where it stands.
        state: State,
    },
    /// The one who started it cannot approve it.
    #[error("{by} started the rollout: another person must approve it")]
    SamePerson {
        /// Who.
        by: String,
    },
    /// It is paused.
    #[error("the rollout is paused: resume it first")]
    Paused,
    /// It is not paused.
    #[error("the rollout is not paused")]
    NotPaused,
    /// There is no phase to go on to, and devices of this one are at it.
    #[error("devices of the last phase are at it: there is nothing to go on to")]
    LastPhase,
    /// The policy says nothing of a repair.
    #[error("the policy names no release to repair with")]
    NoRepair,
    /// It is being repaired.
    #[error("the rollout '{by}' repairs it already")]
    Repaired {
        /// By which rollout.
        by: String,
    },
    /// It is being removed.
    #[error("{by} removes the rollout: its name is free when that is done")]
    Removed {
        /// Who.
        by: String,
    },
    /// Devices are at it.
    #[error("the jobs of {0} have not ended: it can be removed when they have")]
    AtIt(super::Devices),
    /// The rollout that repairs could not be named after it.
    #[error("the name '{0}' is too long: that of the rollout that repairs it would be no name")]
    Name(RolloutName),
}

/// Whether a rollout that there is not can be started.
pub(super) fn permitted_start(name: &RolloutName, policy: &Policy) -> Result<(), ActError> {
    if policy.repair.is_some() && repair_name(name).is_none() {
        return Err(ActError::Name(*name));
    }
    Ok(())
}

/// The head of a rollout that is being started.
pub(super) fn first_head(policy: &Policy, by: String, why: String, now_ms: u64) -> Head {
    Head::new(policy, Done { by, why, at_ms: now_ms })
}

impl Act {
    /// Whether the act is possible as things stand; the rollout asks the same when the act reaches it.
    ///
    /// # Errors
    /// [`ActError`] says why it is not.
    pub fn permitted(&self, policy: &Policy, head: &Head) -> Result<(), ActError> {
        let state = head.state;
        let unless = |is_wrong: bool, what: &'static str| match is_wrong {
            true => Err(ActError::State { what, state }),
            false => Ok(()),
        };
        if let Some(Removal { done, .. }) = &head.removal {
            return Err(ActError::Removed { by: done.by.clone() });
        }
        match &self.verb {
            Verb::Start(_) => Err(ActError::Started { by: head.started.by.clone() }),
            Verb::Approve => {
                unless(state != State::WaitingForApproval, "approved")?;
                // Who it is nobody proves: what differs in nothing but capitals is a slip.
                if self.by.eq_ignore_ascii_case(&head.started.by) {
                    return Err(ActError::SamePerson { by: self.by.clone() });
                }
                Ok(())
            }
            Verb::Pause if head.paused.is_some() => Err(ActError::Paused),
            Verb::Pause => unless(state == State::Aborted, "paused"),
            Verb::Resume if head.paused.is_none() => Err(ActError::NotPaused),
            Verb::Resume => Ok(()),
            Verb::Promote if head.paused.is_some() => Err(ActError::Paused),
            Verb::Promote if state == State::Running && head.is_last_phase() => Err(ActError::LastPhase),
            Verb::Promote => {
                let can = [State::Running, State::Soaking, State::Judging, State::Held];
                unless(!can.contains(&state), "promoted")
            }
            Verb::Abort => unless(state == State::Aborted, "aborted"),
            Verb::Retry => {
                let early = [State::WaitingForApproval, State::Scheduled, State::Enrolling];
                unless(early.contains(&state) || state == State::Aborted, "retried")
            }
            Verb::Repair => {
                if policy.repair.is_none() {
                    return Err(ActError::NoRepair);
                }
                if let Some(by) = &head.repaired_by {
                    return Err(ActError::Repaired { by: by.clone() });
                }
                unless(![State::Aborted, State::Completed, State::Held].contains(&state), "repaired")
            }
            Verb::Remove => {
                unless(![State::Aborted, State::Completed].contains(&state), "removed")?;
                match head.in_phases().active() {
                    0 => Ok(()),
                    active => Err(ActError::AtIt(super::Devices(active.into()))),
                }
            }
        }
    }
}

impl Machine<'_> {
    /// The rollout has just been started.
    pub(super) fn started(&mut self) {
        let Done { by, why, .. } = self.head.started.clone();
        let release = &self.policy.release;
        let mut what =
            format!("starts {} {} (sequence {})", release.product, release.version, release.sequence);
        for variant in &self.policy.variants {
            what.push_str(&format!(", or {} (sequence {})", variant.version, variant.sequence));
        }
        self.note(&by, what, why);
        if self.policy.approval {
            self.enter(State::WaitingForApproval, "a second person must approve");
        } else {
            self.schedule();
        }
    }

    fn schedule(&mut self) {
        match self.policy.start_at_ms.filter(|start_ms| *start_ms > self.now_ms) {
            Some(start_ms) => {
                self.enter(State::Scheduled, format!("starts at {}", super::words::Instant(start_ms)));
                self.head.until_ms = Some(start_ms);
            }
            None => self.enter(State::Enrolling, "the devices of the selection are being found"),
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Result<(), RolloutError> {
        if let Err(error) = act.permitted(&self.policy, &self.head) {
            self.ignore(format!("{error}"));
            if let Some(repaired) = &act.repairs {
                self.tell_taken(repaired);
            }
            return Ok(());
        }
        let done = || Done { by: act.by.clone(), why: act.why.clone(), at_ms: self.now_ms };
        match &act.verb {
            Verb::Start(_) => {}
            Verb::Approve => {
                self.head.approved = Some(done());
                self.note(&act.by, "approves", act.why.clone());
                self.schedule();
            }
            Verb::Pause => {
                self.head.paused = Some(done());
                self.note(&act.by, "pauses", act.why.clone());
            }
            Verb::Resume => {
                self.head.paused = None;
                self.note(&act.by, "resumes", act.why.clone());
            }
            Verb::Promote => {
                self.note(&act.by, "promotes", act.why.clone());
                self.pass_phase(&format!("promoted by {}", act.by));
            }
            Verb::Abort => {
                let why = if act.why.is_empty() { String::new() } else { format!(": {}", act.why) };
                self.abort(&act.by, format!("aborted by {}{why}", act.by));
            }
            Verb::Retry => {
                self.note(&act.by, "retries what has failed", act.why.clone());
                let all = self.head.in_phases();
                let nobody = all.failed == 0 && all.timed_out == 0 && all.rejected == 0;
                if nobody && self.head.hold == Some(Hold::Gate) {
                    // There is nothing that would have to soak: the gates are asked again.
                    self.head.until_ms = Some(self.now_ms);
                    return Ok(());
                }
                self.begin_sweep(SweepTo::Retry);
                self.run_again("devices that have failed are tried again");
            }
            Verb::Repair => self.repair(&act.by, &act.why),
            Verb::Remove => self.begin_removal(done()),
        }
        Ok(())
    }
}
