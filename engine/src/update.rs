//! Firmware of single devices: orders, and the blocks that devices ask for.
//!
//! An order is an event of the device like any other, of which one waits until it is handled. Blocks never touch the log:
//! they go from the file of the image to the device's session.

pub(crate) mod blocks;
mod field;
mod pace;
mod revoked;
mod undelivered;

pub(crate) use field::{made, patches, prepare};
pub(crate) use pace::SharedPace;
pub(crate) use revoked::withdraw_revoked;
pub(crate) use undelivered::Undelivered;

use crate::artifacts;
use crate::engine::Engine;
use crate::registry::{self, Mode, Release};
use crate::rollout;
use bytes::Bytes;
use fleetfn_core::event::EventParts;
use fleetfn_core::update::{Job, State, Update};
use fleetfn_core::{Entity, EventKind, Offset};
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::limits::OFFER_BYTES_MAX;
use fleetfn_protocol::update::{Content, Delivery, Digest, Manifest, Offer, Phase, SIGNATURE_BYTES};
use std::time::{Duration, Instant};

/// How long to wait until an order is handled: a worker takes milliseconds unless it is far behind.
const HANDLED_MAX: Duration = Duration::from_secs(5);

/// How soon to look again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Why an order is not given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It could not end well.
    #[error("{0}")]
    Refused(String),
    /// Somebody else gave another.
    #[error("somebody else gave the device a job at the same time, or too much waits for it")]
    Overtaken,
    /// The image is not as it was published.
    #[error(transparent)]
    Artifact(#[from] artifacts::Error),
    /// Rollouts of it cannot be stopped.
    #[error(transparent)]
    Rollout(#[from] rollout::Error),
    /// The engine cannot do it, or there is no such device or release.
    #[error(transparent)]
    Registry(#[from] registry::Error),
}

impl From<fleetfn_store::Error> for Error {
    fn from(error: fleetfn_store::Error) -> Self {
        Self::Registry(error.into())
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Registry(error.into())
    }
}

/// How an image is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// As a patch, if there is one for what the device runs and none has failed there.
    Shortest,
    /// Whole.
    Whole,
}

/// Whether the newest job of a device was to bring a release as a patch, and failed.
fn has_failed(update: &Update, manifest: &Manifest<'_>) -> bool {
    update.job.as_ref().is_some_and(|job| {
        job.state() == State::Device(Phase::Failed)
            && job.manifest() == Ok(*manifest)
            && matches!(job.delivery(), Ok(Delivery::Patch { .. }))
    })
}

/// What is known of a device's firmware.
pub(crate) fn read(engine: &Engine, id: DeviceId) -> Result<Update, Error> {
    let update = engine.store().view().update(id)?;
    if update.is_none() {
        engine.registry().expect_device(id)?;
    }
    Ok(update.unwrap_or_default())
}

/// Gives a device the job to install a release, and returns what is known of the device then. A device that has this job
/// already keeps it. A dry run says what would be known of it.
pub(crate) async fn order(
    engine: &Engine,
    id: DeviceId,
    reference: &str,
    sending: Sending,
    mode: Mode,
) -> Result<Update, Error> {
    let registry = engine.registry();
    let device = registry.device(id)?.ok_or_else(|| registry::Error::Missing(format!("device '{id}'")))?;
    let release = registry.resolve_release(reference, device.class)?;
    let update = read(engine, id)?;
    let manifest = release.manifest()?;
    if let Some(job) = update.job.as_ref().filter(|job| job.is_open())
        && job.manifest() == Ok(manifest)
    {
        return Ok(update);
    }
    let now_s = engine.clock().now_ms() / 1_000;
    if let Some(why) = objection(id, &device, &update, &manifest, now_s) {
        return Err(Error::Refused(why));
    }
    registry.expect_offered(&release)?;
    let running = update.report.as_ref().map(|report| report.sequence);
    let running = running.filter(|_| sending == Sending::Shortest && !has_failed(&update, &manifest));
    let (node, wanted, digest) = (engine.clone(), release.clone(), manifest.digest);
    let delivery = tokio::task::spawn_blocking(move || {
        node.artifacts().image(&digest)?;
        running.map_or(Ok(Delivery::Whole), |sequence| field::delivery(&node, &wanted, sequence))
    });
    let delivery = delivery.await??;
    let job = update.next_job().ok_or_else(|| {
        Error::Refused(format!("device '{id}' reports job {}: there is no higher number", update.job_last))
    })?;
    let mut room = [0; OFFER_BYTES_MAX];
    let offer = Offer::write(&mut room, job, delivery, &release.row.envelope)
        .map_err(|error| Error::Refused(error.to_string()))?;
    if mode == Mode::DryRun {
        return tried(engine, update, offer);
    }
    let ordered = perform(engine, id, offer, |known, offset| known.cause == offset).await?;
    // Whoever yanked it meanwhile may have looked for open jobs before there was this one.
    if let Err(error) = registry.expect_offered(&release) {
        withdraw(engine, id, Mode::Perform).await?;
        return Err(error.into());
    }
    Ok(ordered)
}

/// Withdraws the open job of a device, and returns what is known of the device then, or would be.
pub(crate) async fn withdraw(engine: &Engine, id: DeviceId, mode: Mode) -> Result<Update, Error> {
    let update = read(engine, id)?;
    let Some(job) = update.job.as_ref().filter(|job| job.is_open()) else {
        return Err(Error::Refused(format!("device '{id}' has no open job")));
    };
    let mut room = [0; 8];
    let offer = withdrawal(&mut room, job.number)?;
    if mode == Mode::DryRun {
        return tried(engine, update.clone(), offer);
    }
    perform(engine, id, offer, |known, _| known.number == job.number && known.withdrawn).await
}

/// What would be known of a device if it was given an order now.
fn tried(engine: &Engine, mut update: Update, offer: &[u8]) -> Result<Update, Error> {
    let (offer, now_ms) = (Bytes::copy_from_slice(offer), engine.clock().now_ms());
    update
        .handle_order(offer, engine.store().durable_end(), now_ms)
        .map_err(|error| Error::Refused(error.to_string()))?;
    Ok(update)
}

fn withdrawal(room: &mut [u8], job: u32) -> Result<&[u8], Error> {
    Offer::write_withdrawn(room, job).map_err(|error| Error::Refused(error.to_string()))
}

/// Why a release should not be offered to a device, if anything that is known speaks against it.
fn objection(
    id: DeviceId,
    device: &fleetfn_core::commit::DeviceRow,
    update: &Update,
    manifest: &Manifest<'_>,
    now_s: u64,
) -> Option<String> {
    let Manifest { product, class, sequence, .. } = manifest;
    match device.product {
        Some(own) if own == *product => {}
        Some(own) => return Some(format!("it is for product '{product}', and device '{id}' is a '{own}'")),
        None => {
            return Some(format!("it is for product '{product}', and it is not known what device '{id}' is"));
        }
    }
    if let Some(own) = device.class.filter(|own| own != class) {
        return Some(format!("it is for class '{class}', and device '{id}' is of class '{own}'"));
    }
    if manifest.not_after_s.is_some_and(|end_s| end_s < now_s) {
        return Some("its time is over: it was signed with --not-after".into());
    }
    let running = update.report.as_ref()?;
    if *sequence <= running.sequence {
        return Some(format!(
            "device '{id}' runs {} with sequence {}, and sequence {sequence} is not newer: a device never goes back",
            running.version, running.sequence
        ));
    }
    let image = manifest.dependencies.iter().find(|needed| needed.component.as_str() == "image");
    image.filter(|needed| running.sequence < needed.at_least).map(|needed| {
        format!(
            "it needs sequence {} to be running before, and device '{id}' runs {}",
            needed.at_least, running.sequence
        )
    })
}

/// Makes an order durable, and returns its place in the log.
async fn admit(engine: &Engine, id: DeviceId, offer: &[u8]) -> Result<Offset, Error> {
    let parts = EventParts {
        entity: Entity::Device(id),
        kind: EventKind::UpdateRequested,
        received_at_ms: engine.clock().now_ms(),
        expiry_s: 0,
        message_id: "",
        origin: None,
        payload: offer,
    };
    Ok(engine.admit(parts).await?)
}

/// Makes an order durable and waits until it is handled. Whether it was followed is told by what the device's newest job is
/// then, and the order's place in the log.
async fn perform(
    engine: &Engine,
    id: DeviceId,
    offer: &[u8],
    is_followed: impl Fn(&Job, Offset) -> bool,
) -> Result<Update, Error> {
    let offset = admit(engine, id, offer).await?;
    let partition = Entity::Device(id).partition(engine.partitions());
    let start = Instant::now();
    while engine.store().view().cursor(partition)? <= offset {
        if start.elapsed() >= HANDLED_MAX {
            return Err(Error::Refused(
                "the order is durable, but the device's events are far behind: it will be followed".into(),
            ));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let update = read(engine, id)?;
    match update.job.as_ref() {
        Some(job) if is_followed(job, offset) => Ok(update),
        // It was refused, or another order came right behind it.
        Some(_) | None => Err(Error::Overtaken),
    }
}

/// The payload of a job: which file its blocks are of.
pub(crate) fn payload(job: &Job) -> Option<(Digest, u32)> {
    Some(match job.delivery().ok()? {
        Delivery::Whole => job.manifest().map(|manifest| (manifest.digest, manifest.size)).ok()?,
        Delivery::Patch { size, digest, .. } => (digest, size),
    })
}

/// The release that a job is of, as it was when the job was given.
pub(crate) fn release_of(job: &Job) -> Option<Release> {
    let Content::Update { envelope, .. } = Offer::parse(&job.offer).ok()?.content else {
        return None;
    };
    // It is the end of the offer.
    let envelope_bytes = 2 + envelope.signatures().count() * (8 + SIGNATURE_BYTES) + envelope.body().len();
    let at = job.offer.len().checked_sub(envelope_bytes)?;
    Release::new(job.offer.slice(at..)).ok()
}
