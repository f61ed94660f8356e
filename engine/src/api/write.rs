//! What every write takes behind the `?`: its own parameters, and `dry_run`, with which everything is checked, the answer says
//! what would come of it, and nothing is recorded.

use super::problem::{Kind, Problem};
use super::release::yank::Reason;
use crate::registry::{Mode, Told};
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The name of the parameter that all writes have.
pub(super) const DRY_RUN: &str = "dry_run";

/// Whether it is to be done, and the parameters of the write itself.
pub(super) struct Write<T>(pub(super) Mode, pub(super) T);

/// The parameters of a write that has none of its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Write<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let (mut mode, mut own) = (Mode::Perform, Vec::new());
        for parameter in parts.uri.query().unwrap_or_default().split('&') {
            match parameter.split_once('=').unwrap_or((parameter, "")) {
                (DRY_RUN, value) => mode = read(value)?,
                _ => own.push(parameter),
            }
        }
        let uri: Result<Uri, _> = format!("/?{}", own.join("&")).parse();
        let uri = uri.map_err(|error| Problem::malformed("parameters", &error))?;
        let own = Query::<T>::try_from_uri(&uri);
        own.map(|Query(own)| Self(mode, own))
            .map_err(|rejection| Problem::malformed("parameters", &rejection))
    }
}

impl Reason {
    /// The same as the registry takes it.
    pub(super) fn told(self, mode: Mode) -> Result<Told, Problem> {
        Ok(Told::new(self.by, self.why, mode)?)
    }
}

/// Of an answer about something that was made, or would be.
pub(super) fn added(mode: Mode) -> StatusCode {
    match mode {
        Mode::Perform => StatusCode::CREATED,
        Mode::DryRun => StatusCode::OK,
    }
}

/// What is neither one nor the other is refused: whoever means to try something must not do it.
fn read(value: &str) -> Result<Mode, Problem> {
    match value {
        "1" | "true" | "" => Ok(Mode::DryRun),
        "0" | "false" => Ok(Mode::Perform),
        other => Err(Problem::new(Kind::Malformed, format!("{DRY_RUN}: {other:?} is neither 1 nor 0"))),
    }
}
