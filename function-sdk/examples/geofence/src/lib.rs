//! Tells services when a vehicle enters or leaves an area.
//!
//! A device publishes `{"latitude":52.52,"longitude":13.40}` on `devices/{id}/telemetry/gps/{vehicle}`: it may
//! speak for several vehicles. When one crosses the border, an alert like
//! `{"vehicle":"van-7","inside":true,"at_ms":1700000000000}` is published on `alerts/geofence/{id}`.

mod area;

use area::Position;
use fleetfn_function::{Context, Error, Json, function, info};
use serde::Serialize;

#[derive(Serialize)]
struct Alert<'a> {
    vehicle: &'a str,
    inside: bool,
    at_ms: u64,
}

/// Handles one position.
#[function(telemetry = "gps/{vehicle}", publish = "alerts/geofence/+")]
fn geofence(vehicle: &str, position: Json<Position>, context: &Context) -> Result<(), Error> {
    if !position.is_on_earth() {
        return Err(Error::new("there is no such place on earth").with_code(2));
    }
    let inside = position.is_inside(&area::DEPOT);
    let key = ["inside/", vehicle].concat();
    let before = context.state().get::<bool>(&key)?;
    if before == Some(inside) {
        return Ok(());
    }
    context.state().put(&key, &inside)?;
    // Where a vehicle is first seen, it crossed nothing.
    if before.is_some() {
        let topic = ["alerts/geofence/", context.device()].concat();
        context.publish(&topic, Json(Alert { vehicle, inside, at_ms: context.received_at_ms() }))?;
        info!("{vehicle} {} the depot", if inside { "entered" } else { "left" });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
