//! `/functions/{name}/diff`: what the dark version does differently.

use super::parse_name;
use super::traffic::VersionView;
use crate::api::Api;
use crate::api::invocation::{EffectView, FailureView, effect_view};
use crate::api::problem::Problem;
use crate::api::request::Name;
use crate::registry::{Comparison, Sums};
use axum::Json;
use axum::extract::State;
use fleetfn_core::Entity;
use fleetfn_core::difference::{Difference, Side};
use fleetfn_protocol::EffectId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A dark version beside the one that counts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ComparisonView {
    /// Name of the function.
    pub(crate) name: String,
    /// The live version; absent if there is none.
    pub(crate) live: Option<VersionView>,
    /// The dark version.
    pub(crate) dark: VersionView,
    /// Events that the dark version handled since it began or the engine was started, whichever was later.
    pub(crate) events: u64,
    /// Those of them that it handled as the live one did.
    pub(crate) same: u64,
    /// All that are known to have been handled differently, of before the start as well.
    pub(crate) different: u64,
    /// Whether there may be more of those than were kept and counted.
    pub(crate) is_more: bool,
    /// What counts, over the time of `events`.
    pub(crate) live_sums: SumsView,
    /// What ran dark.
    pub(crate) dark_sums: SumsView,
    /// Mean fuel of a dark invocation as a percentage of that of a live one; absent without both.
    pub(crate) fuel_percent: Option<u64>,
    /// Why a promotion needs approval; absent if it does not.
    pub(crate) objection: Option<String>,
    /// The newest differences, newest first.
    pub(crate) examples: Vec<DifferenceView>,
}

/// Sums over the invocations of one side.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SumsView {
    /// Invocations, whatever their outcome.
    pub(crate) invocations: u64,
    /// Those of them that failed.
    pub(crate) errors: u64,
    /// Fuel burnt.
    pub(crate) fuel: u64,
}

/// An event that two versions handled differently.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DifferenceView {
    /// Log offset of the event.
    pub(crate) offset: u64,
    /// What it was about.
    pub(crate) entity: String,
    /// What the version did that counts; absent if it did not run.
    pub(crate) live: Option<SideView>,
    /// What the dark version did; absent if it did not run.
    pub(crate) dark: Option<SideView>,
}

/// What one version did.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SideView {
    /// The version.
    pub(crate) version: String,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) error: Option<FailureView>,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// How many effects it asked for.
    pub(crate) effect_count: u32,
    /// The effects; empty if they were too large to keep.
    pub(crate) effects: Vec<EffectView>,
}

impl From<Sums> for SumsView {
    fn from(sums: Sums) -> Self {
        let Sums { invocations, errors, fuel } = sums;
        Self { invocations, errors, fuel }
    }
}

impl From<Comparison> for ComparisonView {
    fn from(comparison: Comparison) -> Self {
        let objection = comparison.objection();
        let Comparison { live, dark, of_live, of_dark, different, different_ever, is_cut, examples } =
            comparison;
        let mean = |sums: Sums| sums.fuel.checked_div(sums.invocations);
        let percent = |dark: u64, live: u64| dark.saturating_mul(100).checked_div(live);
        Self {
            name: dark.manifest.name.to_string(),
            live: live.as_ref().map(VersionView::from),
            dark: VersionView::from(&dark),
            events: of_dark.invocations,
            same: of_dark.invocations.saturating_sub(different),
            different: different_ever,
            is_more: is_cut,
            live_sums: of_live.into(),
            dark_sums: of_dark.into(),
            fuel_percent: mean(of_dark).zip(mean(of_live)).and_then(|(dark, live)| percent(dark, live)),
            objection,
            examples: examples.iter().map(DifferenceView::from).collect(),
        }
    }
}

impl From<&Difference> for DifferenceView {
    fn from(difference: &Difference) -> Self {
        let side = |side: &Side| {
            let view = |(effect, index)| {
                let function = difference.function;
                effect_view(effect, EffectId { offset: difference.offset.0, function, index })
            };
            let failure = |(error_type, detail): &(String, String)| FailureView {
                error_type: error_type.clone(),
                detail: detail.clone(),
            };
            SideView {
                version: side.version.to_string(),
                error: side.failure.as_ref().map(failure),
                fuel: side.fuel,
                effect_count: side.effect_count,
                effects: side.effects.iter().zip(0..).map(view).collect(),
            }
        };
        let entity = Entity::from_canonical(&difference.entity);
        Self {
            offset: difference.offset.0,
            entity: entity.map(|entity| entity.to_string()).unwrap_or_default(),
            live: difference.live.as_ref().map(side),
            dark: difference.dark.as_ref().map(side),
        }
    }
}

/// `GET /functions/{name}/diff`.
pub(in crate::api) async fn show(
    State(api): State<Api>,
    Name(name): Name,
) -> Result<Json<ComparisonView>, Problem> {
    Ok(Json(api.engine.registry().compare(parse_name(&name)?)?.into()))
}
