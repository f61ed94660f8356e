//! `/dead-letters`: events that could not be handled.

use super::Api;
use super::blob::Blob;
use super::page::{Page, PageQuery};
use super::problem::{Kind, Problem};
use super::request::Parameters;
use axum::Json;
use axum::extract::State;
use fleetfn_core::Event;
use fleetfn_core::commit::DeadLetter;
use serde::{Deserialize, Serialize};

/// An event that a function could not handle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeadLetterView {
    /// Log offset of the event.
    pub(crate) offset: u64,
    /// The function that failed.
    pub(crate) function: String,
    /// The version that failed: SHA-256 of the module.
    pub(crate) version: String,
    /// When the event was admitted, in milliseconds since 1970.
    pub(crate) received_at_ms: u64,
    /// A word for the kind: `trap`, `fuel`, `rejected`, ...
    pub(crate) error_type: String,
    /// What happened.
    pub(crate) detail: String,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// What the handler logged, one line each.
    pub(crate) logs: Vec<String>,
    /// What the event was about; absent if it cannot be read any more.
    pub(crate) entity: Option<String>,
    /// What had been published; absent if it cannot be read any more.
    pub(crate) payload: Option<Blob>,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        let event = Event::decode(letter.event).ok();
        Self {
            offset: letter.offset.0,
            function: letter.function.to_string(),
            version: letter.version.to_string(),
            received_at_ms: letter.received_at_ms,
            error_type: letter.error_type,
            detail: letter.detail,
            fuel: letter.fuel,
            logs: letter.logs,
            entity: event.as_ref().map(|event| event.entity().to_string()),
            payload: event.as_ref().map(|event| Blob::new(&event.payload())),
        }
    }
}

/// `GET /dead-letters`: the newest, newest first. One page: raise `limit` to see more.
pub(super) async fn list(
    State(api): State<Api>,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Page<DeadLetterView>>, Problem> {
    if query.after.is_some() {
        return Err(Problem::new(Kind::Malformed, "after: dead letters come in one page; raise limit"));
    }
    let letters = api.engine.dead_letters(query.limit()?)?;
    Ok(Json(Page { items: letters.into_iter().map(DeadLetterView::from).collect(), next: None }))
}
