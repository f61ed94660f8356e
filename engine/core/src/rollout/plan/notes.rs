//! What an operator should know before a rollout starts, in words.

use super::PlannedPhase;
use crate::rollout::criteria;
use crate::rollout::device::Device;
use crate::rollout::input::Candidate;
use crate::rollout::policy::{Policy, Release, Size};
use crate::rollout::rehearsal::Member;
use crate::rollout::sample::Sample;
use crate::rollout::window::{Clock, Window};
use crate::rollout::words::{Devices, Instant};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use fleetfn_protocol::DeviceId;

pub(super) fn notes(
    policy: &Policy,
    phases: &[PlannedPhase],
    fleet: &Sample<Member>,
    rows: &[(DeviceId, Device)],
    now_ms: u64,
) -> Vec<String> {
    let (mut notes, one_of) = (Vec::new(), fleet.one_of());
    if one_of > 1 {
        notes.push(format!("one of {one_of} devices was looked at: counts are multiples of that"));
    }
    if policy.approval {
        notes.push("another person than the one who starts it must approve it".into());
    }
    if let Some(start_ms) = policy.start_at_ms.filter(|start_ms| *start_ms > now_ms) {
        notes.push(format!("it starts at {}", Instant(start_ms)));
    }
    if !policy.variants.is_empty() {
        let variants: Vec<String> = policy.variants.iter().map(Release::reference).collect();
        notes.push(format!(
            "a function of the manufacturer may choose {} for a device",
            variants.join(" or ")
        ));
    }
    if fleet.items().is_empty() {
        notes.push(
            "no device matches the selection: start refuses that, unless it is said that they are still to come".into(),
        );
    } else {
        empty_phases(policy, phases, &mut notes);
    }
    unknown(fleet.items(), one_of, &mut notes);
    let part: Vec<&Device> =
        rows.iter().map(|(_, device)| device).filter(|device| device.phase.is_some()).collect();
    if let Some(window) = &policy.window {
        notes.extend(closed(window, &part, one_of, now_ms));
    }
    let count = u32::try_from(part.len()).unwrap_or(u32::MAX).saturating_mul(one_of);
    criteria_notes(policy, count, &mut notes);
    notes
}

fn empty_phases(policy: &Policy, phases: &[PlannedPhase], notes: &mut Vec<String>) {
    if phases.iter().all(|phase| phase.devices == 0) {
        notes.push("no device would get it: nothing would be done".into());
        return;
    }
    for (asked, planned) in policy.phases.iter().zip(phases).filter(|(_, planned)| planned.devices == 0) {
        let name = &planned.name;
        notes.push(match &asked.size {
            Size::Tag(tag) => format!(
                "no device carries the tag '{tag}': the rollout is held at phase {name} until it is promoted"
            ),
            Size::Count(_) | Size::Percent(_) => {
                format!("phase {name} has no devices to take: it is passed over")
            }
        });
    }
}

fn unknown(fleet: &[Member], one_of: u32, notes: &mut Vec<String>) {
    let mut note = |unknown: usize, what: &str| {
        let count = u32::try_from(unknown).unwrap_or(u32::MAX).saturating_mul(one_of);
        if count > 0 {
            notes.push(format!("of {} the {what}", Devices(count.into())));
        }
    };
    let count = |is: fn(&Candidate) -> bool| fleet.iter().filter(|member| is(&member.candidate)).count();
    note(count(|one| one.class.is_none()), "hardware is not known: one that it does not fit refuses it");
    note(
        count(|one| one.sequence.is_none()),
        "firmware is not known: one that has it already says so when asked",
    );
}

/// How many devices have their window closed.
fn closed(window: &Window, part: &[&Device], one_of: u32, now_ms: u64) -> Option<String> {
    let closed: Vec<&&Device> = part.iter().filter(|device| !window.is_open(device.zone, now_ms)).collect();
    let no_zone = match window.clock {
        Clock::Device if part.iter().any(|device| device.zone.is_none()) => "; UTC where no zone is known",
        Clock::Device | Clock::Utc => "",
    };
    let opens_ms = closed.iter().filter_map(|device| window.opens_at(device.zone, now_ms)).min();
    let count = u32::try_from(closed.len()).unwrap_or(u32::MAX).saturating_mul(one_of);
    Some(match opens_ms {
        None => format!("window {window}: open now for all{no_zone}"),
        Some(opens_ms) => format!(
            "window {window}: closed now for {}, the first opens at {}{no_zone}",
            Devices(count.into()),
            Instant(opens_ms)
        ),
    })
}

fn criteria_notes(policy: &Policy, count: u32, notes: &mut Vec<String>) {
    if policy.abort.is_empty() {
        notes.push("the policy has no abort criteria: it never stops by itself".into());
    }
    for criterion in &policy.abort {
        let names = criteria::names(criterion).to_lowercase();
        let (percent, at_least) = (criterion.percent, criterion.at_least);
        let what =
            format!("it aborts when {percent}% or more of at least {at_least} that have ended are {names}");
        if at_least > count {
            notes.push(format!("{what}: with {} that can never be", Devices(count.into())));
        } else {
            notes.push(what);
        }
    }
    if policy.silence.is_none() {
        let what = "a device that is silent after its update is not noticed: the policy has no 'silence'";
        notes.push(what.into());
    }
}
