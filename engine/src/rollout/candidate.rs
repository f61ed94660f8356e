//! Which devices a rollout is for, and what the node knows of them.

use super::Error;
use crate::calendar;
use crate::engine::Engine;
use crate::registry::DeviceInfo;
use fleetfn_core::rollout::Candidate;
use fleetfn_core::selection::Selection;
use fleetfn_protocol::{ClassId, DeviceId, ProductId};

/// Some devices that were looked at.
#[derive(Debug)]
pub(crate) struct Found {
    /// Those that a rollout is to hear of.
    pub(crate) candidates: Vec<Candidate>,
    /// The last that was looked at; `None` if there are no more after these.
    pub(crate) after: Option<DeviceId>,
}

/// Looks at up to `limit` devices after one: those that match the selection, and of the others those of which
/// `knows` says that the rollout has found them before. Those that another rollout is for (`taken`) do not count. Blocks,
/// for about ten microseconds a device.
pub(crate) fn candidates(
    engine: &Engine,
    selection: &Selection,
    taken: &[Selection],
    after: Option<DeviceId>,
    limit: usize,
    knows: impl Fn(&DeviceId) -> Result<bool, Error>,
) -> Result<Found, Error> {
    let devices = engine.devices(after, limit)?;
    let after = if devices.len() < limit { None } else { devices.last().map(|device| device.id) };
    let mut candidates = Vec::new();
    for device in devices {
        if engine.is_meant(selection, &device)? {
            if !is_taken(engine, taken, &device)? {
                candidates.push(candidate(engine, &device)?);
            }
        } else if knows(&device.id)? {
            let unmet = engine.unmet(selection, &device)?;
            candidates.push(Candidate { unmet, ..candidate(engine, &device)? });
        }
    }
    Ok(Found { candidates, after })
}

fn is_taken(engine: &Engine, taken: &[Selection], device: &DeviceInfo) -> Result<bool, Error> {
    for selection in taken {
        if engine.is_meant(selection, device)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the node knows of a device.
pub(super) fn candidate(engine: &Engine, device: &DeviceInfo) -> Result<Candidate, Error> {
    let now_ms = engine.clock().now_ms();
    let update = engine.store().view().update(device.id)?.unwrap_or_default();
    let firmware = update.report;
    let active_ms = device.seen_at_ms.or(firmware.as_ref().map(|report| report.at_ms));
    Ok(Candidate {
        id: device.id,
        tags: device.tags.clone(),
        product: device.product.as_ref().map(ProductId::to_string),
        class: device.class.as_ref().map(ClassId::to_string),
        sequence: firmware.map(|report| report.sequence),
        last_active_ms: if device.online { Some(now_ms) } else { active_ms },
        cadence_ms: device.habit.cadence_ms,
        jitter_ms: device.habit.jitter_ms,
        failures: update.failures,
        unmet: None,
        zone: device.time_zone.as_deref().and_then(|zone| calendar::clock(zone, now_ms)),
    })
}
