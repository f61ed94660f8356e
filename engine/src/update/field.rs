//! Which versions are in the field, and the patches from them to a release.

use super::Error;
use crate::engine::Engine;
use crate::patches::{Made, Pair};
use crate::registry::Release;
use fleetfn_core::PartitionId;
use fleetfn_core::rollout::{PATCHES_MAX, Patch};
use fleetfn_protocol::update::{Delivery, Manifest};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Devices that are looked at together.
const PAGE_DEVICES: usize = 256;

/// How long an order waits for a patch that is being made: a person waits for it, and a smaller image takes no longer.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The image that has a sequence, and a patch from it to a release.
struct Base {
    sequence: u32,
    size: u32,
    pair: Pair,
}

/// Asks for patches to a release from the versions that most devices run; these come back.
fn want(engine: &Engine, release: &Release) -> Result<Vec<Base>, Error> {
    let manifest = release.manifest()?;
    let mut running: Vec<(u32, usize)> = running(engine, &manifest)?.into_iter().collect();
    running.sort_by_key(|(sequence, count)| (std::cmp::Reverse(*count), std::cmp::Reverse(*sequence)));
    let bases = running.iter().filter_map(|(sequence, _)| base(engine, &manifest, *sequence));
    let bases: Vec<Base> = bases.take(PATCHES_MAX).collect();
    bases.iter().for_each(|base| engine.patches().want(base.pair));
    Ok(bases)
}

/// How many devices say that they run which sequence, of those that a release could be for.
fn running(engine: &Engine, manifest: &Manifest<'_>) -> Result<BTreeMap<u32, usize>, Error> {
    let mut running = BTreeMap::new();
    for partition in (0..engine.partitions()).map(PartitionId) {
        let mut after = None;
        loop {
            let page = engine.store().view().updates(partition, after, PAGE_DEVICES)?;
            after = page.last().map(|(id, _)| *id);
            let is_last = page.len() < PAGE_DEVICES;
            for (id, update) in page {
                let Some(report) = update.report.filter(|report| report.sequence < manifest.sequence) else {
                    continue;
                };
                let Some(device) = engine.registry().device(id)? else { continue };
                if device.product == Some(manifest.product)
                    && device.class.is_none_or(|class| class == manifest.class)
                {
                    *running.entry(report.sequence).or_default() += 1;
                }
            }
            if is_last {
                break;
            }
        }
    }
    Ok(running)
}

/// The published image of a sequence, for the same product and class as another one.
fn base(engine: &Engine, target: &Manifest<'_>, sequence: u32) -> Option<Base> {
    let releases = engine.registry().releases();
    let mut manifests = releases.iter().filter_map(|release| release.manifest().ok());
    let base = manifests.find(|known| {
        (known.product, known.class, known.sequence) == (target.product, target.class, sequence)
    })?;
    let pair = Pair { base: base.digest, target: target.digest };
    Some(Base { sequence, size: base.size, pair })
}

/// A patch, if it is made and intact.
fn patch(engine: &Engine, base: &Base, wait: Duration) -> Option<Patch> {
    let Made::Patch { digest, size } = engine.patches().find(&base.pair, wait)? else {
        return None;
    };
    engine.artifacts().image(&digest).ok()?;
    Some(Patch { from: base.sequence, base_size: base.size, base: base.pair.base, size, digest })
}

/// Patches to a release from the versions that most devices run, as far as they are made in time. Blocks meanwhile.
pub(crate) fn patches(engine: &Engine, release: &Release) -> Result<Vec<Patch>, Error> {
    let end = Instant::now() + WAIT_MAX;
    let bases = want(engine, release)?;
    let left = || end.saturating_duration_since(Instant::now());
    Ok(bases.iter().filter_map(|base| patch(engine, base, left())).collect())
}

/// Patches to a release that are made: those from the newest releases, if they are many. Does not wait, and looks at no device.
pub(crate) fn made(engine: &Engine, release: &Release) -> Result<Vec<Patch>, Error> {
    let manifest = release.manifest()?;
    let from = engine.patches().to(manifest.digest);
    if from.is_empty() {
        return Ok(Vec::new());
    }
    let releases = engine.registry().releases();
    let manifests = releases.iter().filter_map(|release| release.manifest().ok());
    let mut bases: Vec<Base> = manifests
        .filter(|known| (known.product, known.class) == (manifest.product, manifest.class))
        .filter(|known| known.sequence < manifest.sequence)
        .filter(|known| from.iter().any(|(base, _)| *base == known.digest))
        .map(|known| Base {
            sequence: known.sequence,
            size: known.size,
            pair: Pair { base: known.digest, target: manifest.digest },
        })
        .collect();
    bases.sort_by_key(|base| std::cmp::Reverse(base.sequence));
    let patches = bases.iter().filter_map(|base| patch(engine, base, Duration::ZERO));
    Ok(patches.take(PATCHES_MAX).collect())
}

/// Begins to make patches to a release that was published.
pub(crate) fn prepare(engine: &Engine, release: Release) {
    let engine = engine.clone();
    // Nobody waits for it.
    drop(tokio::task::spawn_blocking(move || {
        if let Err(error) = want(&engine, &release) {
            tracing::warn!(%error, "no patches are made to a new release");
        }
    }));
}

/// How the bytes of a release best come to a device that runs a sequence. Blocks while a patch is made, for some seconds.
pub(super) fn delivery(engine: &Engine, release: &Release, sequence: u32) -> Result<Delivery, Error> {
    let manifest = release.manifest()?;
    let Some(base) = base(engine, &manifest, sequence) else {
        return Ok(Delivery::Whole);
    };
    engine.patches().want(base.pair);
    Ok(patch(engine, &base, WAIT_MAX).map_or(Delivery::Whole, |patch| patch.delivery()))
}
