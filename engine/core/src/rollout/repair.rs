//! A rollout that repairs: another image for those that run the release, with a report of its own.

use super::decimal::Decimal;
use super::input::{ACT, Act, FUNCTION, Verb};
use super::machine::Machine;
use super::output::send;
use super::policy::{Late, Phase, Policy, Repair, Size};
use crate::event::Entity;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use fleetfn_protocol::RolloutName;

/// What the name of a rollout that repairs another adds to the name of that.
pub const REPAIR_SUFFIX: &str = "-repair";

/// Name of the rollout that repairs another; `None` if that would be none.
#[must_use]
pub fn repair_name(name: &RolloutName) -> Option<RolloutName> {
    RolloutName::parse(&format!("{name}{REPAIR_SUFFIX}")).ok()
}

/// What it does: all that run the release at once, as fast as the policy lets anything go; whoever confirms the release
/// later joins.
fn repair_policy(policy: &Policy, repair: &Repair) -> Policy {
    let all = Phase {
        name: "all".into(),
        size: Size::Percent(Decimal::HUNDRED),
        soak_s: 0,
        success: Decimal::default(),
        gates: Vec::new(),
    };
    Policy {
        release: repair.release.clone(),
        variants: Vec::new(),
        selection: policy.repair_selection(),
        phases: vec![all],
        approval: false,
        start_at_ms: None,
        penalty: None,
        abort: Vec::new(),
        late: Late::Join,
        weight: policy.weight.saturating_add(1),
        repair: None,
        ..policy.clone()
    }
}

impl Machine<'_> {
    pub(super) fn repair(&mut self, by: &str, why: &str) {
        let (Some(repair), Some(name)) = (&self.policy.repair, repair_name(&self.name)) else {
            return;
        };
        let what = format!("starts the repair '{name}' with {}", repair.release.version);
        let start = Verb::Start(Box::new(repair_policy(&self.policy, repair)));
        let act = Act { by: FUNCTION.into(), why: format!("repairs '{}'", self.name), verb: start };
        let entity = super::entity_name(&name);
        self.messages.push(send(Entity::Named(&entity), ACT, &act));
        self.head.repaired_by = Some(name.to_string());
        self.note(by, what, why);
    }
}
