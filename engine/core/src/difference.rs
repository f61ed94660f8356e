//! Where a dark version did something else than the one that counts.

use crate::deployment::ModuleHash;
use crate::effect::Effect;
use crate::invocation::{Invocation, Outcome};
use crate::position::Offset;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::FunctionName;

/// Bytes of effects of which a difference keeps both sides in full; of more it says only how many there were.
const EFFECT_BYTES_MAX: usize = 8 * 1024;

/// An event that two versions of a function handled differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Offset of the event.
    pub offset: Offset,
    /// Canonical bytes of its entity.
    pub entity: Bytes,
    /// The function.
    pub function: FunctionName,
    /// What the version did that counts; `None` if it did not run.
    pub live: Option<Side>,
    /// What the dark version did; `None` if it did not run.
    pub dark: Option<Side>,
}

/// What one version did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The version.
    pub version: ModuleHash,
    /// Why it failed, if it did: the word for metrics and what happened.
    pub failure: Option<(String, String)>,
    /// Fuel burnt.
    pub fuel: u64,
    /// How many effects it asked for.
    pub effect_count: u32,
    /// The effects, unless they are too large to keep.
    pub effects: Vec<Effect>,
}

impl Side {
    fn of(invocation: &Invocation) -> Self {
        let bytes: usize = invocation.effects.iter().map(Effect::bytes).sum();
        let kept = bytes <= EFFECT_BYTES_MAX;
        Self {
            version: invocation.version,
            failure: invocation.outcome.failure().map(|(error_type, detail)| (error_type.into(), detail)),
            fuel: invocation.fuel,
            effect_count: u32::try_from(invocation.effects.len()).unwrap_or(u32::MAX),
            effects: if kept { invocation.effects.clone() } else { Vec::new() },
        }
    }
}

impl Difference {
    /// Compares what two versions did with one event: outcome and effects. Fuel alone is no difference; it is counted.
    #[must_use]
    pub fn between(
        offset: Offset,
        entity: &Bytes,
        live: Option<&Invocation>,
        dark: Option<&Invocation>,
    ) -> Option<Self> {
        let function = live.or(dark)?.function;
        let same = match (live, dark) {
            (Some(live), Some(dark)) => {
                is_same_outcome(&live.outcome, &dark.outcome) && live.effects == dark.effects
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            return None;
        }
        let (live, dark) = (live.map(Side::of), dark.map(Side::of));
        Some(Self { offset, entity: entity.clone(), function, live, dark })
    }

    /// About how many bytes it takes in a commit.
    pub(crate) fn bytes(&self) -> usize {
        let side = |side: &Side| side.effects.iter().map(Effect::bytes).sum::<usize>() + 256;
        self.live.as_ref().map_or(0, side) + self.dark.as_ref().map_or(0, side)
    }
}

/// The words of a failure may differ, what kind it is may not.
fn is_same_outcome(live: &Outcome, dark: &Outcome) -> bool {
    match (live, dark) {
        (Outcome::Rejected { code: live }, Outcome::Rejected { code: dark }) => live == dark,
        _ => live.failure().map(|(word, _)| word) == dark.failure().map(|(word, _)| word),
    }
}
