//! `/artifacts/{digest}/content`: the bytes of an image or a patch over HTTP, for devices with more than MQTT.
//!
//! Who has the operator's token asks for an address that is signed for one device, one image and some time; whoever has that
//! address fetches it, in pieces (RFC 9110, section 14) and again, until its time is over or the release is not offered any
//! more. Bytes leave at the rate of blocks, together with those.

mod range;

use super::Api;
use super::problem::{Kind, Problem};
use super::request::{Document, Name, Parameters};
use crate::artifacts::Artifacts;
use crate::metrics::Download;
use crate::registry::{self, Ticket};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE,
    RANGE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::Digest;
use futures_util::{Stream, stream};
use range::Wanted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io;

/// Where bytes are, for whoever has the address.
pub(super) const PATH: &str = "/api/v1/artifacts/{digest}/content";

/// Bytes that are read and sent together.
const PIECE_BYTES: u32 = 64 << 10;

/// How long an address is good when nobody says, in seconds: a device begins soon, and asks for a new one when it was away.
const VALID_S_DEFAULT: u64 = 3_600;

/// How long an address may be good, in seconds.
const VALID_S_MAX: u64 = 7 * 24 * 3_600;

/// What an address is wanted for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAddress {
    /// The device that is to fetch it.
    pub(crate) device: String,
    /// For how many seconds it is to be good: 3,600 if nothing is said, a week at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid_s: Option<u64>,
}

/// Where a device fetches an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AddressView {
    /// Path and parameters; in front of it stands where the device reaches this API.
    pub(crate) path: String,
    /// When it is void, in milliseconds since 1970.
    pub(crate) expires_at_ms: u64,
    /// SHA-256 of the bytes.
    pub(crate) digest: String,
    /// How many they are.
    pub(crate) size: u32,
}

/// What an address says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressQuery {
    /// For whom it was made.
    device: String,
    /// Seconds since 1970 after which it is void.
    expires: u64,
    /// That this node made it.
    signature: String,
}

fn parse_device(id: &str) -> Result<DeviceId, Problem> {
    DeviceId::parse(id).map_err(|error| Problem::malformed("device", &error))
}

/// `POST /releases/{release}/addresses`: an address from which a device fetches the image of a release that is offered.
pub(super) async fn address(
    State(api): State<Api>,
    Name(reference): Name,
    Document(new): Document<NewAddress>,
) -> Result<Json<AddressView>, Problem> {
    let registry = api.engine.registry();
    let device = parse_device(&new.device)?;
    let valid_s = new.valid_s.unwrap_or(VALID_S_DEFAULT);
    if !(1..=VALID_S_MAX).contains(&valid_s) {
        let wrong = format!("valid_s: {valid_s} is not from 1 to {VALID_S_MAX}");
        return Err(Problem::new(Kind::Malformed, wrong));
    }
    let known = registry.device(device)?;
    let known = known.ok_or_else(|| registry::Error::Missing(format!("device '{device}'")))?;
    let release = registry.resolve_release(&reference, known.class)?;
    let manifest = release.manifest()?;
    let (digest, size) = (manifest.digest, manifest.size);
    registry.expect_offered(&release)?;
    let expires_s = api.engine.clock().now_ms() / 1_000 + valid_s;
    let ticket = Ticket { device, digest, expires_s };
    let signature = registry.sign_ticket(&ticket)?;
    Ok(Json(AddressView {
        path: format!(
            "{}/artifacts/{digest}/content?device={device}&expires={expires_s}&signature={signature}",
            super::PREFIX
        ),
        expires_at_ms: expires_s.saturating_mul(1_000),
        digest: digest.to_string(),
        size,
    }))
}

/// `GET /artifacts/{digest}/content`: all bytes, or a range of them. Without the operator's token: the address is enough.
pub(super) async fn content(
    State(api): State<Api>,
    Name(digest): Name,
    Parameters(query): Parameters<AddressQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let digest: Digest = digest.parse().map_err(|error| Problem::malformed("digest", &error))?;
    let ticket = Ticket { device: parse_device(&query.device)?, digest, expires_s: query.expires };
    let counters = &api.engine.metrics().updates;
    if let Err(refused) = api.engine.registry().expect_ticket(&ticket, &query.signature) {
        counters.download(Download::Refused);
        return Err(refused.into());
    }
    let artifacts = api.engine.artifacts().clone();
    let looking = tokio::task::spawn_blocking(move || artifacts.image(&digest));
    let size = looking.await.map_err(registry::Error::from)??.size();
    let tag = format!("\"{digest}\"");
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|one| one.trim() == tag)) {
        counters.download(Download::NotModified);
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    let is_same = text(IF_RANGE).is_none_or(|known| known == tag);
    let wanted = text(RANGE).filter(|_| is_same).map_or(Wanted::All, |range| range::parse(range, size));
    let (status, from, to) = match wanted {
        Wanted::All => (StatusCode::OK, 0, size),
        Wanted::Part { from, to } => (StatusCode::PARTIAL_CONTENT, from, to),
        Wanted::Nothing => {
            let range = format!("bytes */{size}");
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, range)]).into_response());
        }
    };
    let ending = Ending { api: api.clone(), outcome: Download::Aborted };
    let part = Part { artifacts: api.engine.artifacts().clone(), digest, at: from, end: to, ending };
    let mut response = (
        status,
        [
            (CONTENT_TYPE, "application/octet-stream".to_owned()),
            (CONTENT_LENGTH, (to - from).to_string()),
            (ACCEPT_RANGES, "bytes".to_owned()),
            (CACHE_CONTROL, "private, immutable".to_owned()),
            (ETAG, tag),
        ],
        Body::from_stream(part.stream(api, ticket)),
    )
        .into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{size}", to - 1);
        let range = range.parse().map_err(|error| Problem::malformed("range", &error))?;
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    Ok(response)
}

/// Bytes on their way.
struct Part {
    artifacts: Artifacts,
    digest: Digest,
    at: u32,
    end: u32,
    ending: Ending,
}

/// Counts how a download has ended, when nothing more is read of it.
struct Ending {
    api: Api,
    outcome: Download,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.api.engine.metrics().updates.download(self.outcome);
    }
}

impl Part {
    /// Reads on, as fast as updates may leave, for as long as the release is offered and the file is what it was. Whoever reads
    /// sees a connection that breaks off otherwise.
    fn stream(self, api: Api, ticket: Ticket) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::try_unfold(self, move |part| {
            let (api, ticket) = (api.clone(), ticket.clone());
            async move {
                if part.at >= part.end {
                    return Ok(None);
                }
                api.engine.registry().expect_image_offered(&ticket).map_err(io::Error::other)?;
                let (piece, mut part) = tokio::task::spawn_blocking(move || part.read()).await??;
                tokio::time::sleep(api.engine.update_pace().take(piece.len())).await;
                let len = u64::try_from(piece.len()).unwrap_or_default();
                api.engine.metrics().updates.download_bytes.add(len);
                if part.at >= part.end {
                    part.ending.outcome = Download::Done;
                }
                Ok(Some((piece, part)))
            }
        })
    }

    /// The next piece, and what follows it.
    fn read(mut self) -> io::Result<(Bytes, Self)> {
        let len = PIECE_BYTES.min(self.end - self.at);
        let mut piece = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        // Looks whether the file was touched since.
        let image = self.artifacts.image(&self.digest).map_err(io::Error::other)?;
        image.read_at(&mut piece, self.at)?;
        self.at += len;
        Ok((Bytes::from(piece), self))
    }
}
