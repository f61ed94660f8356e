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
    /// Those that match the selection.
    pub(crate) candidates: Vec<Candidate>,
    /// The last that was looked at; `None` if there are no more after these.
    pub(crate) after: Option<DeviceId>,
}

/// Looks at up to `limit` devices after one. Blocks, for about ten microseconds a device.
pub(crate) fn candidates(
    engine: &Engine,
    selection: &Selection,
    after: Option<DeviceId>,
    limit: usize,
) -> Result<Found, Error> {
    let devices = engine.devices(after, limit)?;
    let after = if devices.len() < limit { None } else { devices.last().map(|device| device.id) };
    let mut candidates = Vec::new();
    for device in devices {
        candidates.extend(candidate(engine, selection, &device)?);
    }
    Ok(Found { candidates, after })
}

/// What the node knows of a device, if it matches.
pub(super) fn candidate(
    engine: &Engine,
    selection: &Selection,
    device: &DeviceInfo,
) -> Result<Option<Candidate>, Error> {
    let (view, now_ms) = (engine.store().view(), engine.clock().now_ms());
    let twin = if selection.reads_twins() { view.twin(device.id)? } else { None };
    let report = |selects: bool| match selects == selection.reads_firmware() {
        true => view.update(device.id).map(|update| update.and_then(|update| update.report)),
        false => Ok(None),
    };
    let early = report(true)?;
    if !selection.matches(&device.traits(twin.as_ref(), early.as_ref())) {
        return Ok(None);
    }
    // Read only now where the selection does not ask for it.
    let firmware = early.or(report(false)?);
    let active_ms = firmware.as_ref().map(|report| report.at_ms);
    Ok(Some(Candidate {
        id: device.id,
        tags: device.tags.clone(),
        product: device.product.as_ref().map(ProductId::to_string),
        class: device.class.as_ref().map(ClassId::to_string),
        sequence: firmware.map(|report| report.sequence),
        last_active_ms: if device.online { Some(now_ms) } else { active_ms },
        cadence_ms: None,
        jitter_ms: 0,
        failures: 0,
        zone: device.time_zone.as_deref().and_then(|zone| calendar::clock(zone, now_ms)),
    }))
}
