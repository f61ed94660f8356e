//! `/functions/{name}/redrive`: dead letters, handled again.

use super::Api;
use super::function::parse_name;
use super::invocation::FailureView;
use super::problem::{Kind, Problem};
use super::request::{Document, Name};
use super::write::{Nothing, Write};
use crate::redrive::{self, Choice, Fate, LETTERS_MAX, Redriven};
use axum::Json;
use axum::extract::State;
use fleetfn_core::Offset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is to be redriven.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedriveOrder {
    /// The letters of these events; without them all letters of the function, oldest first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) offsets: Option<Vec<u64>>,
    /// Of all, those behind this event: the `next` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) after: Option<u64>,
    /// Of all, those below this offset: the `until` of the answer before, so that there is an end to it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) until: Option<u64>,
}

/// What became of the letters.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RedriveView {
    /// One for each letter, oldest first.
    pub(crate) items: Vec<RedrivenView>,
    /// What to give as `after` to go on; absent when there is nothing more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<u64>,
    /// Letters of events from here on are not looked at: they came after the beginning.
    pub(crate) until: u64,
}

/// What became of one letter.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RedrivenView {
    /// Log offset of the event.
    pub(crate) offset: u64,
    /// What it is about.
    pub(crate) entity: String,
    /// `handled`, `failed`, `untaken` if the live version does not take such events, `waiting` if it was not handled in
    /// time, or `chosen` in a dry run.
    pub(crate) fate: String,
    /// Why it failed again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) error: Option<FailureView>,
}

impl From<Redriven> for RedrivenView {
    fn from(redriven: Redriven) -> Self {
        let (fate, error) = match redriven.fate {
            Fate::Chosen => ("chosen", None),
            Fate::Handled => ("handled", None),
            Fate::Failed { error_type, detail } => ("failed", Some(FailureView { error_type, detail })),
            Fate::Untaken => ("untaken", None),
            Fate::Waiting => ("waiting", None),
        };
        Self { offset: redriven.offset.0, entity: redriven.entity, fate: fate.into(), error }
    }
}

/// `POST /functions/{name}/redrive`: a bounded number of letters; the answer comes when they were handled.
pub(super) async fn create(
    State(api): State<Api>,
    Name(name): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(order): Document<RedriveOrder>,
) -> Result<Json<RedriveView>, Problem> {
    let function = parse_name(&name)?;
    let until = order.until.map_or_else(|| api.engine.store().durable_end(), Offset);
    let choice = match order.offsets {
        Some(_) if order.after.is_some() || order.until.is_some() => {
            return Err(Problem::new(Kind::Malformed, "offsets, and after and until, exclude each other"));
        }
        Some(offsets) if offsets.len() > LETTERS_MAX => {
            return Err(Problem::new(Kind::Malformed, format!("offsets: at most {LETTERS_MAX} at once")));
        }
        Some(offsets) => Choice::Of(offsets.into_iter().map(Offset).collect()),
        None => Choice::Oldest { after: order.after.map(Offset), until },
    };
    let is_all = matches!(choice, Choice::Oldest { .. });
    let report = redrive::redrive(&api.engine, function, choice, mode).await?;
    let next = report.items.last().map(|last| last.offset.0).filter(|_| is_all && report.is_cut);
    let items = report.items.into_iter().map(RedrivenView::from).collect();
    Ok(Json(RedriveView { items, next, until: until.0 }))
}
