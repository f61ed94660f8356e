//! `/releases`: signed manifests of images.

pub(super) mod key;
pub(super) mod threshold;
pub(super) mod yank;

use super::Api;
use super::page::Page;
use super::problem::Problem;
use super::request::{Body, Name};
use super::write::{Write, added};
use crate::registry::{self, Mode, Release};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use yank::{Reason, YankedView};

/// A published release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ReleaseView {
    /// SHA-256 of its manifest.
    pub(crate) id: String,
    /// The product that it is for.
    pub(crate) product: String,
    /// The hardware that it is for.
    pub(crate) class: String,
    /// What people call it.
    pub(crate) version: String,
    /// Which follows which.
    pub(crate) sequence: u32,
    /// Bytes of the image.
    pub(crate) size: u32,
    /// SHA-256 of the image.
    pub(crate) digest: String,
    /// Seconds since 1970 after which no device installs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_after_s: Option<u64>,
    /// What must be there before, at least.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) needs: BTreeMap<String, u32>,
    /// The keys that signed it.
    pub(crate) signed_by: Vec<String>,
    /// How many of them are keys of its product now.
    pub(crate) signatures: usize,
    /// How many must be.
    pub(crate) signatures_needed: u8,
    /// Whether devices may be given it.
    pub(crate) offered: bool,
    /// Why not; absent if they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) withheld: Option<String>,
    /// Who yanked it; absent if nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) yanked: Option<YankedView>,
    /// When it was published, in milliseconds since 1970; 0 in a dry run.
    pub(crate) published_at_ms: u64,
    /// What is wrong with its image; in the view of one release only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) damage: Option<String>,
}

fn view(api: &Api, release: &Release) -> Result<ReleaseView, Problem> {
    let manifest = release.manifest()?;
    let needs = manifest.dependencies.iter();
    let registry = api.engine.registry();
    let (withheld, signatures) = (registry.withheld_as_said(release), registry.signatures(release)?);
    let withheld = withheld.map(|why| why.to_string());
    let withheld = withheld.or_else(|| over(manifest.not_after_s, api.engine.clock().now_ms() / 1_000));
    Ok(ReleaseView {
        id: release.id.to_string(),
        product: manifest.product.to_string(),
        class: manifest.class.to_string(),
        version: manifest.version.to_owned(),
        sequence: manifest.sequence,
        size: manifest.size,
        digest: manifest.digest.to_string(),
        not_after_s: manifest.not_after_s,
        needs: needs.map(|needed| (needed.component.to_string(), needed.at_least)).collect(),
        signed_by: release.signers().iter().map(ToString::to_string).collect(),
        signatures: signatures.counted.len(),
        signatures_needed: signatures.needed,
        offered: withheld.is_none(),
        withheld,
        yanked: release.row.yanked.as_ref().map(YankedView::from),
        published_at_ms: release.row.published_at_ms,
        damage: None,
    })
}

/// Why a release is not offered any more whose time is over.
fn over(not_after_s: Option<u64>, now_s: u64) -> Option<String> {
    not_after_s
        .filter(|end_s| *end_s < now_s)
        .map(|_| "its time is over: it was signed with --not-after".into())
}

/// `GET /releases`: all, by product, class and sequence.
pub(super) async fn list(State(api): State<Api>) -> Result<Json<Page<ReleaseView>>, Problem> {
    let releases = api.engine.registry().releases();
    let items = releases.iter().map(|release| view(&api, release)).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: None }))
}

/// `GET /releases/{release}`: by `PRODUCT@VERSION`, or by the beginning of its id or of its image's digest. Looks at the
/// image as well.
pub(super) async fn show(
    State(api): State<Api>,
    Name(reference): Name,
) -> Result<Json<ReleaseView>, Problem> {
    let release = api.engine.registry().resolve_release(&reference, None)?;
    let (artifacts, digest) = (api.engine.artifacts().clone(), release.manifest()?.digest);
    let looked = tokio::task::spawn_blocking(move || artifacts.image(&digest)).await;
    let looked = looked.map_err(registry::Error::from)?;
    let view = view(&api, &release)?;
    Ok(Json(ReleaseView { damage: looked.err().map(|error| error.to_string()), ..view }))
}

/// `POST /releases`: publishes a signed manifest whose image is there. Durable in the answer.
pub(super) async fn publish(
    State(api): State<Api>,
    Write(mode, reason): Write<Reason>,
    Body(envelope): Body,
) -> Result<(StatusCode, Json<ReleaseView>), Problem> {
    let registry = api.engine.registry();
    let told = reason.told(mode)?;
    let release = match mode {
        // The image is brought when the manifest is known to be good.
        Mode::DryRun => registry.try_release(envelope)?,
        Mode::Perform => registry.publish(envelope, &told).await?,
    };
    if mode == Mode::Perform {
        crate::update::prepare(&api.engine, release.clone());
    }
    Ok((added(mode), Json(view(&api, &release)?)))
}

/// `DELETE /releases/{release}`: it is forgotten, and open jobs of it are withdrawn.
pub(super) async fn remove(
    State(api): State<Api>,
    Name(reference): Name,
    Write(mode, reason): Write<Reason>,
) -> Result<StatusCode, Problem> {
    api.engine.registry().remove_release(&reference, &reason.told(mode)?).await?;
    withdraw_revoked(&api, mode).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Withdraws what is not offered any more after an act, if that was done.
async fn withdraw_revoked(api: &Api, mode: Mode) -> Result<(), Problem> {
    if mode == Mode::Perform {
        crate::update::withdraw_revoked(&api.engine).await?;
    }
    Ok(())
}
