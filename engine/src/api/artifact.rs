//! `/artifacts/{digest}`: images by their SHA-256, streamed to disk.

use super::Api;
use super::problem::{Kind, Problem, artifact_kind};
use super::request::Name;
use crate::artifacts;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use fleetfn_protocol::update::Digest;
use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Pieces of an upload between the socket and the disk: each is what one read of the socket brings.
const PIECES_MAX: usize = 8;

/// An image.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ArtifactView {
    /// SHA-256.
    pub(crate) digest: String,
    /// Length in bytes.
    pub(crate) size: u32,
}

impl From<artifacts::Error> for Problem {
    fn from(error: artifacts::Error) -> Self {
        Self::of(artifact_kind(&error), &error)
    }
}

fn unfinished() -> Problem {
    Problem::new(Kind::Unavailable, "the upload was not finished")
}

fn parse(digest: &str) -> Result<Digest, Problem> {
    digest.parse().map_err(|error| Problem::malformed("digest", &error))
}

/// `GET /artifacts/{digest}`: whether it is there as it was put.
pub(super) async fn show(State(api): State<Api>, Name(digest): Name) -> Result<Json<ArtifactView>, Problem> {
    let (digest, artifacts) = (parse(&digest)?, api.engine.artifacts().clone());
    let looking = tokio::task::spawn_blocking(move || artifacts.image(&digest));
    let image = looking.await.map_err(|_| unfinished())?.map_err(|error| match error {
        artifacts::Error::Missing(_) => Problem::of(Kind::Missing, &error),
        error => error.into(),
    })?;
    Ok(Json(ArtifactView { digest: digest.to_string(), size: image.size() }))
}

/// `PUT /artifacts/{digest}`: keeps the body if it has that digest. Durable in the answer.
pub(super) async fn put(
    State(api): State<Api>,
    Name(digest): Name,
    body: Body,
) -> Result<(StatusCode, Json<ArtifactView>), Problem> {
    let (digest, artifacts) = (parse(&digest)?, api.engine.artifacts().clone());
    let (pieces, mut taken) = mpsc::channel::<axum::body::Bytes>(PIECES_MAX);
    let writing = tokio::task::spawn_blocking(move || {
        let mut upload = artifacts.upload(digest)?;
        while let Some(piece) = taken.blocking_recv() {
            if piece.is_empty() {
                return upload.finish().map(Some);
            }
            upload.write(&piece)?;
        }
        // The client has gone: what there is of it is dropped.
        Ok(None)
    });
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| Problem::malformed("body", &error))?;
        // An empty piece says that it is complete, so that an upload that breaks off never is.
        if !piece.is_empty() && pieces.send(piece).await.is_err() {
            break;
        }
    }
    // Fails only if the writer has failed, which says why below.
    let _ = pieces.send(axum::body::Bytes::new()).await;
    let size = writing.await.map_err(|_| unfinished())??.ok_or_else(unfinished)?;
    Ok((StatusCode::CREATED, Json(ArtifactView { digest: digest.to_string(), size })))
}
