//! Bringing one release to many devices: in phases, watched, and with a reason for every device.
//!
//! A rollout is an entity, `rollout/NAME`, of a partition like any other, and what is here is the function `rollout` that
//! handles its events: it is given one event and its own state, and returns effects. It runs natively, where the engine
//! runs a guest for the functions of others; so order, exactly-once, timers, recordings, replay and what a crash leaves
//! behind are those of every function, and none of that is here.
//!
//! ```text
//! operator  -> act                      -> rollout -> offer, withdraw, watch -> function `update` of each device
//! node      -> candidates, pace         -> rollout -> question               -> gate functions
//! `update`  -> report, absent, silent   -> rollout -> start                  -> rollout that repairs
//! gates     -> verdict                  -> rollout
//! ```
//!
//! One event is handled in this order (`machine`): what it says is taken (`act`, `enrol`, `report`, `absence`, `quiet`,
//! `verdict`, `pace`); devices whose time has come are looked at (`due`); a walk over all devices goes on (`sweep`); the
//! criteria are asked (`criteria`); phases end and begin (`phases`); devices are offered the release (`start`); the timer
//! is set for whatever comes next. Each part does a bounded amount of work, and the timer goes on with the rest a second
//! later: no event takes long, whatever the size of the fleet, and no row grows with it (`book`).
//!
//! What is decided is in [`Decision`]: effects without choices left, and a report of what moved and why. [`status`] and
//! [`explain`] say the same of what is stored, at any time, and change nothing.
//!
//! # What always holds
//! - Devices that have an offer or are at it are at most `concurrency`; no time sees more beginnings than the rate allows
//!   (`pace`).
//! - A phase takes its own devices only, and the next one begins when all of it that can be had have ended, it has soaked,
//!   at least one has succeeded, and every gate said GO; or when an operator promoted it, which the history shows. A gate
//!   that fails or is silent says HOLD.
//! - Nothing is offered while it is paused, held, soaking, judging, aborted, or not yet approved.
//! - What a device says about another offer than its newest changes nothing, and of that one nothing moves backwards; the
//!   one exception is that a device which confirms the release has it, whatever was believed before.
//! - Each device has one row with one state and one reason, and all counts equal a recount of these rows.

mod abort;
mod absence;
mod act;
mod book;
mod change;
mod criteria;
mod decimal;
mod device;
mod due;
mod enrol;
mod explain;
mod failure;
mod head;
mod history;
mod input;
mod ledger;
mod machine;
mod outage;
mod output;
mod pace;
mod patches;
mod phases;
mod plan;
mod policy;
mod quiet;
mod rehearsal;
mod remove;
mod repair;
mod report;
mod rows;
mod sample;
mod silence;
mod start;
mod status;
mod sweep;
mod tally;
pub(crate) mod text;
mod trial;
mod verdict;
mod why;
mod window;
mod words;

pub use act::ActError;
pub use change::is_news;
pub use decimal::Decimal;
pub use device::{Choice, Device, JobState, Step};
pub use explain::{Explanation, explain};
pub(crate) use failure::costs_attempt;
pub use head::{Answer, Done, Head, Hold, Progress, Removal, State, Verdict};
pub use history::{HISTORY_MAX, Line, history};
pub use input::{
    ABSENT, ACT, AWAKE, Absent, Act, Awake, CANDIDATES, CANDIDATES_MAX, CHOSEN, Candidate, Candidates,
    Chosen, DEFERRED, DEVICE_FUNCTION, Deferred, ENROLLED, FUNCTION, GateAnswer, HEARD, HERE, Heard, Input,
    InputError, NewPatches, NodePace, PACE, PATCHES, REFUSED, REPORT, Refused, Report, SILENT, Silent, TAKEN,
    TICK, Taken, VERDICT, Verb, WHO_BYTES_MAX, WHY_BYTES_MAX,
};
pub use machine::{Decision, Moves, handle, handle_event};
pub use outage::{OUTAGES_MAX, Outage, Outages, RETURN_MS};
pub(crate) use output::send;
pub use output::{GATE_PREFIX, OFFER, Offer, Question, WATCH, WITHDRAW, Watch, Withdraw};
pub use patches::releases;
pub use plan::{LeftOut, NAMED_MAX, PLANNED_MAX, Plan, PlannedPhase, plan};
pub use policy::{
    Bad, CRITERIA_MAX, Criterion, GATES_MAX, Gate, Late, Load, Order, PATCHES_MAX, PHASES_MAX,
    POLICY_BYTES_MAX, Patch, Penalty, Phase, Policy, PolicyError, Rate, Release, Repair, Retries, Silence,
    Size, Timeouts, VARIANTS_MAX,
};
pub use rehearsal::{
    Assumptions, Member, PhaseTime, REHEARSED_MAX, RUNS_MAX, Reason, Rehearsal, Spread, rehearse,
};
pub use remove::{NAME_KEPT_S, Removed, removed};
pub use repair::{REPAIR_SUFFIX, repair_name};
pub use rows::Rows;
pub use sample::Sample;
pub use silence::{CERTAIN, Habit, allowed_ms, confidence};
pub use status::{PhaseLine, Status, status};
pub use tally::{Counts, Tally};
pub use trial::tried;
pub use why::{Failure, Why};
pub use window::{Clock, TimeOfDay, Transition, Weekday, Window, Zone};
pub use words::{Devices, Instant, Length};

use crate::invocation::{StateReader, StateUnavailable};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use fleetfn_protocol::{DeviceId, RolloutName};

/// What the names of the entities of rollouts begin with.
pub const ENTITY_PREFIX: &str = "rollout/";

/// Why an event of a rollout cannot be handled. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RolloutError {
    /// The store cannot answer: it is to be tried again.
    #[error(transparent)]
    Unavailable(#[from] StateUnavailable),
    /// The event is not one that a rollout can take.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The entity is no rollout.
    #[error("'{0}' is not the entity of a rollout")]
    Entity(String),
    /// A row is damaged, or of a version that is not known.
    #[error("the row '{key}' of the rollout is damaged: {wrong}")]
    Damaged {
        /// Its key.
        key: String,
        /// What is wrong with it.
        wrong: String,
    },
}

/// Name of the entity of a rollout.
#[must_use]
pub fn entity_name(rollout: &RolloutName) -> String {
    format!("{ENTITY_PREFIX}{rollout}")
}

/// The rollout whose entity has this name, if it is one.
#[must_use]
pub fn rollout_of(entity: &str) -> Option<RolloutName> {
    RolloutName::parse(entity.strip_prefix(ENTITY_PREFIX)?).ok()
}

/// The policy of a rollout as it is stored; `None` if there is none.
///
/// # Errors
/// [`RolloutError`] if it cannot be read.
pub fn policy(reader: &dyn StateReader) -> Result<Option<Policy>, RolloutError> {
    book::Book::new(reader).get(book::POLICY)
}

/// The head of a rollout as it is stored; `None` if there is no rollout.
///
/// # Errors
/// [`RolloutError`] if it cannot be read.
pub fn head(reader: &dyn StateReader) -> Result<Option<Head>, RolloutError> {
    book::Book::new(reader).get(book::HEAD)
}

/// The row of one device; `None` if the rollout does not know it.
///
/// # Errors
/// [`RolloutError`] if it cannot be read.
pub fn device(reader: &dyn StateReader, id: &DeviceId) -> Result<Option<Device>, RolloutError> {
    book::Book::new(reader).get(&ledger::device_key(id))
}

/// Rows of devices, in the order of their ids, after one of them: pages for lists.
///
/// # Errors
/// [`RolloutError`] if they cannot be read.
pub fn devices(
    reader: &dyn StateReader,
    after: Option<&DeviceId>,
    count: usize,
) -> Result<Vec<(DeviceId, Device)>, RolloutError> {
    let book = book::Book::new(reader);
    let mut rows = Vec::new();
    for text in book.keys(device::DEVICE, after.map(DeviceId::as_str), count)? {
        let id = ledger::device_id(&text)?;
        rows.extend(book.get(&ledger::device_key(&id))?.map(|device| (id, device)));
    }
    Ok(rows)
}
