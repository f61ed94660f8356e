//! What an error looks like to a client: a problem document (RFC 9457).

use crate::artifacts;
use crate::registry::{self, Withheld};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use fleetfn_core::update::ReleaseError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::error::Error;

/// Media type of a problem document.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The kinds of problems, each with its status, the last part of its `type`, and its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Malformed,
    Unauthorized,
    Forbidden,
    NoSuchResource,
    Missing,
    Method,
    Slow,
    Exists,
    Conflict,
    TooLarge,
    MediaType,
    Refused,
    Unavailable,
}

impl Kind {
    fn describe(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "The request cannot be understood"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "The token is missing or wrong"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The address is not good for this"),
            Self::NoSuchResource => (StatusCode::NOT_FOUND, "no-such-resource", "There is no such resource"),
            Self::Missing => (StatusCode::NOT_FOUND, "missing", "There is none of that name"),
            Self::Method => {
                (StatusCode::METHOD_NOT_ALLOWED, "method", "The method does not fit the resource")
            }
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "slow", "The request took too long"),
            Self::Exists => (StatusCode::CONFLICT, "exists", "There is one of that name already"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "It is not as the request expects"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "The body is of the wrong type")
            }
            Self::Refused => (StatusCode::UNPROCESSABLE_ENTITY, "refused", "The engine does not take it"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The engine cannot do it now")
            }
        }
    }
}

/// An error, as a client gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Problem {
    /// Which kind of problem, as a URI reference: the same for all of a kind.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The kind in words.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What is wrong with this request.
    pub(crate) detail: String,
    /// The command to run next, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, slug, title) = kind.describe();
        Self {
            kind: format!("/problems/{slug}"),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            next: None,
        }
    }

    /// An error of the engine, with its causes.
    pub(super) fn of(kind: Kind, error: &dyn Error) -> Self {
        Self::new(kind, chain(error))
    }

    /// Input that breaks a rule; `what` names the input.
    pub(super) fn malformed(what: &str, error: &dyn Error) -> Self {
        Self::new(Kind::Malformed, format!("{what}: {}", chain(error)))
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some errors repeat their cause.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

pub(super) fn artifact_kind(error: &artifacts::Error) -> Kind {
    match error {
        artifacts::Error::Missing(_) | artifacts::Error::Changed(_) | artifacts::Error::Digest { .. } => {
            Kind::Refused
        }
        artifacts::Error::TooLong => Kind::TooLarge,
        artifacts::Error::Io(_) => Kind::Unavailable,
    }
}

impl From<registry::Error> for Problem {
    fn from(error: registry::Error) -> Self {
        let kind = match error {
            registry::Error::Exists(_) => Kind::Exists,
            registry::Error::Missing(_) => Kind::Missing,
            registry::Error::Ticket(_) => Kind::Forbidden,
            registry::Error::Ambiguous(_)
            | registry::Error::Line { .. }
            | registry::Error::Unproven { .. } => Kind::Conflict,
            registry::Error::Refused(_)
            | registry::Error::Reserved(_)
            | registry::Error::Invalid(_)
            | registry::Error::Release(_)
            | registry::Error::Withheld(_) => Kind::Refused,
            registry::Error::Artifact(ref error) => artifact_kind(error),
            registry::Error::Module(_)
            | registry::Error::Seal(_)
            | registry::Error::Random(_)
            | registry::Error::Store(_) => Kind::Unavailable,
        };
        if kind == Kind::Unavailable {
            tracing::error!(error = chain(&error), "an act of the API failed");
        }
        let next = match &error {
            registry::Error::Release(ReleaseError::UnknownKey { product, .. }) => {
                Some(format!("fleetfn release key add {product} FILE.pub, if the key is one of yours"))
            }
            registry::Error::Release(ReleaseError::Signature(_)) => {
                Some("fleetfn release sign, with the right image and the right key".to_owned())
            }
            registry::Error::Withheld(why) => match **why {
                Withheld::Removed => None,
                Withheld::Signatures(_) => Some(
                    "fleetfn release cosign, with another key of the product, and publish that".to_owned(),
                ),
                Withheld::Yanked(_) => Some("fleetfn release unyank, if it is good after all".to_owned()),
            },
            _ => None,
        };
        Self { next, ..Self::new(kind, chain(&error)) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
