//! What handlers take from a request, so that every refusal is a problem document.

use super::problem::{Kind, Problem};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Where images are put.
const ARTIFACTS: &str = "/api/v1/artifacts/";

/// How long a request may take until its response begins: the largest module over a slow line.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// The same for the upload of an image, which is thirty times as long.
const UPLOAD_MAX: Duration = Duration::from_secs(30 * 60);

/// Ends requests that do not come to their response in time.
pub(super) async fn within_time(request: Request, next: Next) -> Result<Response, Problem> {
    let is_upload = request.method() == Method::PUT && request.uri().path().starts_with(ARTIFACTS);
    let limit = if is_upload { UPLOAD_MAX } else { REQUEST_MAX };
    tokio::time::timeout(limit, next.run(request))
        .await
        .map_err(|_| Problem::new(Kind::Slow, format!("no response within {} s", limit.as_secs())))
}

/// The parameters behind the `?`.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(value)| Self(value))
            .map_err(|rejection| Problem::malformed("parameters", &rejection))
    }
}

/// The name in the path.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|rejection| Problem::malformed("path", &rejection))
    }
}

/// The name in the path, and the key or path below it.
pub(super) struct NameAndRest(pub(super) String, pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for NameAndRest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        path.map(|Path((name, rest))| Self(name, rest))
            .map_err(|rejection| Problem::malformed("path", &rejection))
    }
}

/// A JSON document as the body.
pub(super) struct Document<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Document<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::BytesRejection(rejection)) => Err(body_problem(&rejection)),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                Err(Problem::new(Kind::MediaType, "the body must be application/json"))
            }
            Err(rejection) => Err(Problem::malformed("body", &rejection)),
        }
    }
}

/// Any bytes as the body.
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| body_problem(&rejection))
    }
}

fn body_problem(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Kind::TooLarge, "a module has at most 2 MiB, any other body 64 KiB")
        }
        _ => Problem::malformed("body", rejection),
    }
}
