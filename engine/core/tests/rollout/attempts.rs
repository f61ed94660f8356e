//! What failures cost, counted from outside, and what is taken back of devices that have not ended by themselves.

use crate::rules::Seen;
use crate::stage::device;
use fleetfn_core::effect::Effect;
use fleetfn_core::event::Entity;
use fleetfn_core::rollout::{Device, Input, Policy, Step, WATCH, WITHDRAW, Why, Withdraw};
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::{Phase, Reason};

/// The way to a device is to blame, and not the image: the words of `docs/reference/rollouts.md`.
const OF_THE_WAY: [Reason; 5] =
    [Reason::Base, Reason::Digest, Reason::Patch, Reason::Withdrawn, Reason::Busy];

/// Attempts are spent by failures of the image alone, no more are made than the policy allows, and not at once.
pub(crate) fn attempts(policy: &Policy, id: DeviceId, before: &Device, after: &Device, seen: &Seen<'_>) {
    let retries = policy.retries;
    assert!(after.attempts <= retries.attempts && after.deliveries <= retries.deliveries + 1, "{after:?}");
    if after.step.is_active() {
        assert!(after.attempts < retries.attempts && after.deliveries <= retries.deliveries, "{after:?}");
    }
    if let Input::Report(report) = seen.input
        && before.step.is_active()
        && OF_THE_WAY.contains(&report.reason)
        && report.phase != Phase::RolledBack
    {
        assert!(after.attempts <= before.attempts, "a failure of the way costs an attempt: {report:?}");
    }
    if let (Step::Later, Why::TriesAgain { at_ms, .. }) = (after.step, &after.why)
        && before.step != Step::Later
    {
        assert!(*at_ms >= seen.now_ms + u64::from(retries.delay_s) * 1_000, "it is tried again at once");
    }
    let is_hopeless = |reason: Reason| {
        matches!(
            reason,
            Reason::UnknownKey | Reason::Signature | Reason::Product | Reason::Class | Reason::Expired
        )
    };
    if let Input::Report(report) = seen.input
        && before.step.is_active()
        && (report.generation, report.phase) == (before.generation, Phase::Failed)
        && report.device == id
        && is_hopeless(report.reason)
    {
        assert_eq!(after.step, Step::Rejected, "{report:?}");
    }
}

/// What is said about an older offer changes nothing, of a device whose time is not over.
pub(crate) fn out_of_date(id: DeviceId, before: &Device, after: &Device, seen: &Seen<'_>) {
    let Input::Report(report) = seen.input else { return };
    let is_older = report.device == id && report.generation != before.generation;
    let has_time = before.due_ms.is_some_and(|due_ms| due_ms > seen.now_ms);
    if is_older && before.step.is_active() && has_time && after.step != Step::Canceled {
        assert_eq!(after, before, "offer {} is out of date", report.generation);
    }
}

/// What a device has of the rollout is taken back when it is given up for another reason than what the device says.
pub(crate) fn taken_back(id: DeviceId, before: &Device, after: &Device, seen: &Seen<'_>) {
    let is_given_up = before.step.is_active() && !after.step.is_active();
    let says_so = match seen.input {
        Input::Report(report) => report.device == id,
        Input::Deferred(deferred) => deferred.device == id,
        Input::Refused(refused) => refused.device == id,
        _ => false,
    };
    if !is_given_up || says_so {
        return;
    }
    let generation = before.generation;
    let is_taken_back =
        seen.effects.iter().filter_map(withdraw).any(|(to, one)| (to, one.generation) == (id, generation));
    assert!(
        is_taken_back,
        "offer {generation} of {id} is not taken back: {:?} after {:?}",
        after.step, before.step
    );
}

/// A device is watched from when it has confirmed, which counts once.
pub(crate) fn watched(id: DeviceId, before: &Device, after: &Device, seen: &Seen<'_>) {
    let is_watch = |effect: &&Effect| {
        let Effect::Send { entity, name, .. } = effect else { return false };
        let to = Entity::from_canonical(entity).expect("an entity");
        &name[..] == WATCH.as_bytes() && device(to.name()) == id
    };
    let succeeds = before.step != Step::Succeeded && after.step == Step::Succeeded;
    let is_told = seen.effects.iter().any(|effect| is_watch(&effect));
    assert!(succeeds || !is_told, "{id} confirms twice");
}

fn withdraw(effect: &Effect) -> Option<(DeviceId, Withdraw)> {
    let Effect::Send { entity, name, payload, .. } = effect else { return None };
    let to = Entity::from_canonical(entity).expect("an entity");
    (&name[..] == WITHDRAW.as_bytes())
        .then(|| (device(to.name()), serde_json::from_slice(payload).expect("a withdrawal")))
}
