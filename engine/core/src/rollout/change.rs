//! What it means for a rollout that a device is known otherwise than before: it joins, leaves, or waits for another phase.
//!
//! Decided of what the row says and of what the node says, with nothing written: a node asks the same question before it
//! says anything, so that what makes no difference is not said ([`is_news`]).

use super::device::{Device, Step};
use super::head::{Head, State};
use super::input::Candidate;
use super::policy::{Late, Policy, Size};
use super::why::Why;

/// What becomes of a device that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It has not begun, and is no part of the rollout any more.
    Leaves(Why),
    /// It was no part of the rollout, and is one now, as one that came late.
    Joins,
    /// No phase has taken it, and it waits for another one.
    Regroups(Option<u8>),
}

/// Whether a rollout is to hear of a device that it knows: of what it knows something makes a difference now.
#[must_use]
pub fn is_news(policy: &Policy, head: &Head, candidate: &Candidate, known: &Device) -> bool {
    let other_clock = policy.window.is_some() && candidate.zone.is_some() && candidate.zone != known.zone;
    let other_firmware = known.step < Step::Offered && is_other_firmware(candidate, known);
    let is_told = candidate.unmet.is_none() && (other_clock || other_firmware);
    is_told || change(policy, head, candidate, known).is_some()
}

fn is_other_firmware(candidate: &Candidate, known: &Device) -> bool {
    candidate.sequence.is_some() && candidate.sequence != known.sequence
}

/// What changes for a device that is known, if anything does.
pub(super) fn change(policy: &Policy, head: &Head, candidate: &Candidate, known: &Device) -> Option<Change> {
    match known.step {
        Step::Undrawn => match excluded(policy, candidate) {
            Some(why) => Some(Change::Leaves(why)),
            None => {
                let group = regroup(policy, head, candidate, known);
                (group != known.group).then_some(Change::Regroups(group))
            }
        },
        Step::Ready | Step::Later | Step::Absent => excluded(policy, candidate).map(Change::Leaves),
        // One that runs something else than when it was found is at it, and has not been heard here.
        Step::Offered if is_other_firmware(candidate, known) => None,
        Step::Offered => excluded(policy, candidate).map(Change::Leaves),
        Step::Removed => {
            // What it runs was the reason: only what it runs takes that away.
            let says = !matches!(known.why, Why::RunsItAlready { .. }) || candidate.sequence.is_some();
            (says && left_out(policy, head, candidate).is_none()).then_some(Change::Joins)
        }
        // What has begun comes to its own end.
        Step::Downloading
        | Step::Verified
        | Step::Armed
        | Step::Trial
        | Step::Succeeded
        | Step::Failed
        | Step::TimedOut
        | Step::Rejected
        | Step::Canceled => None,
    }
}

/// Why a device is no part of the rollout, if it is not.
pub(super) fn left_out(policy: &Policy, head: &Head, candidate: &Candidate) -> Option<Why> {
    if head.state == State::Aborted {
        return Some(Why::Aborted);
    }
    if let Some(why) = excluded(policy, candidate) {
        return Some(why);
    }
    if let Some(penalty) = policy.penalty
        && candidate.failures >= penalty.failures
    {
        return Some(Why::Penalty { failures: candidate.failures });
    }
    (head.is_enrolled && policy.late == Late::Ignore).then_some(Why::TooLate)
}

/// Why a device cannot be a part of the rollout, whenever it was found.
fn excluded(policy: &Policy, candidate: &Candidate) -> Option<Why> {
    let release = &policy.release;
    if let Some(product) = &candidate.product
        && product != release.product.as_str()
    {
        return Some(Why::OtherProduct { product: product.clone() });
    }
    if let Some(class) = &candidate.class
        && class != release.class.as_str()
    {
        return Some(Why::OtherClass { class: class.clone() });
    }
    if let Some(sequence) = candidate.sequence
        && sequence >= release.sequence
    {
        return Some(Why::RunsItAlready { sequence });
    }
    candidate.unmet.clone().map(|unmet| Why::NoMatch { unmet })
}

/// The phase that reserves a device: the first of those not begun whose tag it carries.
pub(super) fn group(policy: &Policy, head: &Head, candidate: &Candidate) -> Option<u8> {
    let phases = (0_u8..).zip(policy.phases.iter().zip(&head.phases));
    let mut reserving = phases.filter(|(_, (phase, progress))| match &phase.size {
        Size::Tag(tag) => progress.begun_ms.is_none() && candidate.tags.contains(tag),
        Size::Count(_) | Size::Percent(_) => false,
    });
    reserving.next().map(|(index, _)| index)
}

/// The same for a device that waits: a phase that has begun keeps what it has reserved and still carries its tag.
fn regroup(policy: &Policy, head: &Head, candidate: &Candidate, known: &Device) -> Option<u8> {
    let index = |group: u8| usize::from(group);
    let kept = known.group.filter(|group| {
        let has_begun = head.phases.get(index(*group)).is_some_and(|phase| phase.begun_ms.is_some());
        let size = policy.phases.get(index(*group)).map(|phase| &phase.size);
        has_begun && matches!(size, Some(Size::Tag(tag)) if candidate.tags.contains(tag))
    });
    kept.or_else(|| group(policy, head, candidate))
}
