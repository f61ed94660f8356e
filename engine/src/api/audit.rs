//! `/audit`: who did what.

use super::Api;
use super::page::{Page, PageQuery};
use super::problem::Problem;
use super::request::Parameters;
use axum::Json;
use axum::extract::State;
use fleetfn_core::audit::Line;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An act of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AuditView {
    /// Its number: each act has the next.
    pub(crate) number: u64,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// Who, as the client said.
    pub(crate) by: String,
    /// What was done, as a noun and a verb: `release.yank`, `key.add`, `device.rm`, `fn.deploy`, `config.set`,
    /// `rollout.rm`.
    pub(crate) act: String,
    /// To what.
    pub(crate) subject: String,
    /// Why; may be empty.
    pub(crate) why: String,
}

impl From<(u64, Line)> for AuditView {
    fn from((number, line): (u64, Line)) -> Self {
        let Line { at_ms, by, deed, subject, why } = line;
        Self { number, at_ms, by, act: deed.as_str().to_owned(), subject, why }
    }
}

/// `GET /audit`: the newest 4,096 acts, oldest first.
pub(super) async fn list(
    State(api): State<Api>,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Page<AuditView>>, Problem> {
    let limit = query.limit()?;
    let after = query.after.as_deref().map(str::parse).transpose();
    let after = after.map_err(|error| Problem::malformed("after", &error))?;
    let lines = api.engine.registry().audit(after, limit + 1)?;
    let items = lines.into_iter().map(AuditView::from).collect();
    Ok(Json(Page::cut(items, limit, |line| line.number.to_string())))
}
