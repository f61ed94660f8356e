//! What a rollout is told: messages to its entity, each with a name, a sender and a strict JSON payload.
//!
//! | message | from | what it says |
//! |---|---|---|
//! | `rollout/act` | `operator`; `rollout` for a repair | an operator's act, with who and why |
//! | `rollout/taken` | `rollout` | the name that a repair was to have is taken |
//! | `rollout/candidates` | `operator`: a node that has run the selection | devices that match it |
//! | `rollout/enrolled` | `operator` | these were all for now |
//! | `rollout/pace` | `operator` | how many devices the node allows in a minute |
//! | `rollout/patches` | `operator` | patches to a release of the policy that the node has |
//! | `rollout/awake` | `operator` | the node has started: whoever was not heard meanwhile is no worse for it |
//! | `rollout/report` | `update`, the function of devices | how far a device's job is |
//! | `rollout/absent`, `rollout/here` | `update` | a device did not take its offer; it was heard, or is free again |
//! | `rollout/silent`, `rollout/heard` | `update` | a device that was to be watched is quiet; it was heard again |
//! | `rollout/deferred`, `rollout/refused` | `update` | an offer was put off or refused, by whom and why |
//! | `rollout/chosen` | `update` | a function chose a variant of the release for a device |
//! | `rollout/verdict` | the gate | its answer |
//!
//! The name of the sender is the engine's word, not the payload's: no function can act for an operator, report for a
//! device or answer for another gate.

mod payload;

pub use payload::{
    Absent, Act, Awake, CANDIDATES_MAX, Candidate, Candidates, Chosen, Deferred, GateAnswer, Heard,
    NewPatches, NodePace, Refused, Report, Silent, Taken, Verb, WHO_BYTES_MAX, WHY_BYTES_MAX,
};

use super::policy::PATCHES_MAX;
use crate::event::{Event, EventKind, Purpose};
use crate::partition::OPERATOR;
use alloc::format;
use alloc::string::{String, ToString};
use fleetfn_protocol::FunctionName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Name of the built-in function that decides rollouts; nobody may deploy one under it.
pub const FUNCTION: &str = "rollout";

/// Name of the built-in function that keeps the jobs of a device; nobody may deploy one under it.
pub const DEVICE_FUNCTION: &str = "update";

/// An operator's act.
pub const ACT: &str = "rollout/act";
/// The name that a repair was to have is taken.
pub const TAKEN: &str = "rollout/taken";
/// Devices that match the selection.
pub const CANDIDATES: &str = "rollout/candidates";
/// These were all for now.
pub const ENROLLED: &str = "rollout/enrolled";
/// What the node allows.
pub const PACE: &str = "rollout/pace";
/// Patches to a release.
pub const PATCHES: &str = "rollout/patches";
/// The node was away, and is there again: nobody was heard meanwhile.
pub const AWAKE: &str = "rollout/awake";
/// How far a device's job is.
pub const REPORT: &str = "rollout/report";
/// A device did not take its offer.
pub const ABSENT: &str = "rollout/absent";
/// A device that was absent was heard, or one that put its offer off is free.
pub const HERE: &str = "rollout/here";
/// A device that is watched is quiet.
pub const SILENT: &str = "rollout/silent";
/// A device that was silent was heard.
pub const HEARD: &str = "rollout/heard";
/// An offer was put off.
pub const DEFERRED: &str = "rollout/deferred";
/// An offer was refused.
pub const REFUSED: &str = "rollout/refused";
/// A function chose a variant of the release for a device.
pub const CHOSEN: &str = "rollout/chosen";
/// The answer of a gate.
pub const VERDICT: &str = "rollout/verdict";

/// Name of the one timer of a rollout.
pub const TICK: &str = "tick";

/// What a rollout is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its payload says")]
pub enum Input {
    Act(Act),
    Taken(Taken),
    Candidates(Candidates),
    Enrolled,
    Pace(NodePace),
    Patches(NewPatches),
    Awake(Awake),
    Report(Report),
    Absent(Absent),
    Here(Heard),
    Silent(Silent),
    Heard(Heard),
    Deferred(Deferred),
    Refused(Refused),
    Chosen(Chosen),
    Verdict(FunctionName, GateAnswer),
    Tick,
}

/// Why an event is no input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// No message has this name.
    #[error("a rollout takes no message '{0}'")]
    Name(String),
    /// The payload is not what the name says.
    #[error("the payload of '{name}' cannot be read: {wrong}")]
    Payload {
        /// The name.
        name: String,
        /// What is wrong.
        wrong: String,
    },
    /// It is not the sender's to say.
    #[error("'{name}' is not for the function '{sender}' to say")]
    Sender {
        /// The name.
        name: String,
        /// Who said it.
        sender: String,
    },
}

/// An empty object.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Input {
    /// What an event says to a rollout; `None` if it is one of a kind that a rollout does not look at.
    ///
    /// # Errors
    /// [`InputError`] if it is a message that a rollout cannot take.
    pub fn of(event: &Event) -> Result<Option<Self>, InputError> {
        let Some(origin) = event.origin() else {
            return Ok(None);
        };
        match event.kind() {
            EventKind::Message { name } => Self::parse(name, &origin.function, &event.payload()).map(Some),
            EventKind::TimerFired if origin.function.as_str() == FUNCTION => {
                let firing = event.firing();
                let purpose = firing.as_ref().and_then(|firing| Purpose::from_bytes(&firing.purpose));
                Ok((purpose == Some(Purpose::Named(TICK))).then_some(Self::Tick))
            }
            _ => Ok(None),
        }
    }

    /// Reads a message of a function.
    ///
    /// # Errors
    /// [`InputError`] says why it is none.
    pub fn parse(name: &str, sender: &FunctionName, payload: &[u8]) -> Result<Self, InputError> {
        let input = match name {
            ACT => Self::Act(read(name, payload)?),
            TAKEN => Self::Taken(read(name, payload)?),
            CANDIDATES => Self::Candidates(read(name, payload)?),
            ENROLLED => {
                let Nothing {} = read(name, payload)?;
                Self::Enrolled
            }
            AWAKE => Self::Awake(read(name, payload)?),
            PACE => Self::Pace(read(name, payload)?),
            PATCHES => Self::Patches(read(name, payload)?),
            REPORT => Self::Report(read(name, payload)?),
            ABSENT => Self::Absent(read(name, payload)?),
            HERE => Self::Here(read(name, payload)?),
            SILENT => Self::Silent(read(name, payload)?),
            HEARD => Self::Heard(read(name, payload)?),
            DEFERRED => Self::Deferred(read(name, payload)?),
            REFUSED => Self::Refused(read(name, payload)?),
            CHOSEN => Self::Chosen(read(name, payload)?),
            VERDICT => Self::Verdict(*sender, read(name, payload)?),
            _ => return Err(InputError::Name(name.into())),
        };
        if !input.is_for(sender) {
            return Err(InputError::Sender { name: name.into(), sender: sender.to_string() });
        }
        input.check().map_err(|wrong| InputError::Payload { name: name.into(), wrong })?;
        Ok(input)
    }

    fn is_for(&self, sender: &FunctionName) -> bool {
        let sender = sender.as_str();
        match self {
            // Repairs of engines that did not say so yet came without.
            Self::Act(Act { verb: Verb::Start(_), repairs: None, .. }) => {
                sender == OPERATOR || sender == FUNCTION
            }
            Self::Act(Act { repairs: Some(_), .. }) | Self::Taken(_) => sender == FUNCTION,
            Self::Act(_)
            | Self::Candidates(_)
            | Self::Enrolled
            | Self::Pace(_)
            | Self::Patches(_)
            | Self::Awake(_) => sender == OPERATOR,
            Self::Report(_)
            | Self::Absent(_)
            | Self::Here(_)
            | Self::Silent(_)
            | Self::Heard(_)
            | Self::Deferred(_)
            | Self::Refused(_)
            | Self::Chosen(_) => sender == DEVICE_FUNCTION,
            // Whether the sender is a gate of the phase is known to the rollout.
            Self::Verdict(..) | Self::Tick => true,
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Act(act) => act.check(),
            Self::Candidates(candidates) => {
                let count = candidates.devices.len();
                if count > CANDIDATES_MAX {
                    return Err(format!("{count} devices in one message, at most {CANDIDATES_MAX}"));
                }
                candidates.devices.iter().filter_map(|one| one.zone).try_for_each(|zone| zone.check())
            }
            Self::Patches(new) if new.patches.len() > PATCHES_MAX => {
                Err(format!("{} patches, at most {PATCHES_MAX}", new.patches.len()))
            }
            _ => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(name: &str, payload: &[u8]) -> Result<T, InputError> {
    serde_json::from_slice(payload)
        .map_err(|error| InputError::Payload { name: name.into(), wrong: error.to_string() })
}
