//! A rollout that repairs: another image for those that run the release, with a report of its own.
//!
//! It is called as what it repairs, with `-repair` behind it. Somebody may have started a rollout of that name: that is told
//! by the rollout that has it (`rollout/taken`), and the next name is tried. So of whoever wants a name at the same time the
//! one has it whose act is first in the log of that name's entity.

use super::decimal::Decimal;
use super::history::ITSELF;
use super::input::{ACT, Act, FUNCTION, TAKEN, Taken, Verb};
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

/// Names that are tried: whoever takes all of them means to.
const NAMES_MAX: u8 = 9;

/// The names that it may have, best first.
fn names(name: &RolloutName) -> impl Iterator<Item = RolloutName> + '_ {
    let next = move |number| match number {
        1 => repair_name(name),
        number => RolloutName::parse(&format!("{name}{REPAIR_SUFFIX}-{number}")).ok(),
    };
    (1..=NAMES_MAX).filter_map(next)
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
        if let Some(name) = repair_name(&self.name) {
            self.start_repair(name, by, why);
        }
    }

    fn start_repair(&mut self, name: RolloutName, by: &str, why: &str) {
        let Some(repair) = &self.policy.repair else {
            return;
        };
        let what = format!("starts the repair '{name}' with {}", repair.release.version);
        let start = Verb::Start(Box::new(repair_policy(&self.policy, repair)));
        let act = Act {
            by: FUNCTION.into(),
            why: format!("repairs '{}'", self.name),
            verb: start,
            repairs: Some(self.name.to_string()),
        };
        let entity = super::entity_name(&name);
        self.messages.push(send(Entity::Named(&entity), ACT, &act));
        self.head.repaired_by = Some(name.to_string());
        self.note(by, what, why);
    }

    /// Another rollout has the name that the repair was to have: the next name is tried.
    pub(super) fn taken(&mut self, taken: &Taken) {
        if self.head.repaired_by.as_ref() != Some(&taken.name) {
            self.ignore(format!("it is not repaired by '{}'", taken.name));
            return;
        }
        let own = self.name;
        let next = names(&own).skip_while(|name| name.as_str() != taken.name).nth(1);
        let why = format!("the name '{}' is taken", taken.name);
        match next {
            Some(name) => self.start_repair(name, ITSELF, &why),
            None => {
                self.head.repaired_by = None;
                self.note(ITSELF, "does not start the repair", why);
            }
        }
    }

    /// Tells a rollout that its repair cannot have this name.
    pub(super) fn tell_taken(&mut self, repairs: &str) {
        let Ok(repaired) = RolloutName::parse(repairs) else {
            return;
        };
        let entity = super::entity_name(&repaired);
        self.messages.push(send(Entity::Named(&entity), TAKEN, &Taken { name: self.name.to_string() }));
    }
}
