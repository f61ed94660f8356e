//! Keeps the mean temperature of a site over the devices that are there.
//!
//! A device publishes `{"site":"berlin","temperature":21.5}` on `devices/{id}/telemetry/room`. Its reading is sent on to
//! the entity `site/berlin`, where the same function keeps the last reading of each device and, whenever the mean has
//! moved by a tenth of a degree, publishes `{"site":"berlin","mean":21.5,"devices":1}` on `sites/berlin/mean`. A device
//! that says nothing for ten minutes no longer counts.

use fleetfn_function::{Context, Error, FromPayload, Json, Kind, Postcard, function, info};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a reading counts.
const FRESH: Duration = Duration::from_secs(600);
/// Degrees by which the mean moves before it is told again.
const STEP: f64 = 0.1;

#[derive(Deserialize)]
struct Reading<'a> {
    site: &'a str,
    temperature: f64,
}

#[derive(Serialize)]
struct Mean<'a> {
    site: &'a str,
    mean: f64,
    devices: u32,
}

/// Sends readings on to their site, and sums up there.
#[function(
    telemetry(filter = "room", schema = "schema.json"),
    message = "reading",
    send = "site/+",
    publish = "sites/+/mean"
)]
fn site_mean(payload: &[u8], context: &Context) -> Result<(), Error> {
    match context.kind() {
        Kind::Message { from, .. } => {
            let Postcard(temperature) = Postcard::from_payload(payload)?;
            sum_up(from, temperature, context)
        }
        _ => {
            let Json(reading) = Json::<Reading<'_>>::from_payload(payload)?;
            context.send(&["site/", reading.site].concat(), "reading", Postcard(reading.temperature))
        }
    }
}

/// Runs for the site: all readings come one after the other, whichever device they are from.
fn sum_up(device: &str, temperature: f64, context: &Context) -> Result<(), Error> {
    let state = context.state();
    state.put_for(&["reading/", device].concat(), &temperature, FRESH)?;
    let (mut sum, mut devices) = (0.0, 0_u32);
    for entry in state.scan::<f64>("reading/") {
        sum += entry?.1;
        devices += 1;
    }
    // The reading that was just kept is one of them.
    let mean = sum / f64::from(devices.max(1));
    let told: Option<f64> = state.get("mean")?;
    if told.is_some_and(|told| (told - mean).abs() < STEP) {
        return Ok(());
    }
    state.put("mean", &mean)?;
    let entity = context.entity();
    let site = entity.strip_prefix("site/").unwrap_or(&entity);
    context.publish(&["sites/", site, "/mean"].concat(), Json(Mean { site, mean, devices }))?;
    info!(site = site, devices = devices; "mean {mean:.1}");
    Ok(())
}

#[cfg(test)]
mod tests;
