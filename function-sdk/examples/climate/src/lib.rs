//! Turns the fan of a room on while it is too warm, by the mean of its last readings.
//!
//! A device publishes `{"temperature":31.5}` on `devices/{id}/telemetry/climate`, or the same as postcard on
//! `devices/{id}/telemetry/climate/postcard`, and gets the command `fan` with `{"on":true}` or `{"on":false}`
//! whenever that changes.

mod window;

use fleetfn_function::{Context, Error, FromPayload, Json, Postcard, function, info};
use serde::{Deserialize, Serialize};
use window::Window;

/// Mean above which the fan goes on, in degrees Celsius.
const ON_ABOVE: f64 = 30.0;
/// Mean below which it goes off. The gap keeps it from switching to and fro.
const OFF_BELOW: f64 = 27.0;
/// What no room has, in degrees Celsius: a broken sensor.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = -60.0..=120.0;

#[derive(Deserialize)]
struct Reading {
    temperature: f64,
}

#[derive(Serialize)]
struct Fan {
    on: bool,
}

/// What is kept about a room.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Room {
    window: Window,
    fan_on: bool,
}

/// Handles one reading.
#[function(telemetry = "climate", telemetry = "climate/postcard", command)]
fn climate(payload: &[u8], context: &Context) -> Result<(), Error> {
    let Reading { temperature } = match context.trigger() {
        0 => Json::from_payload(payload)?.0,
        _ => Postcard::from_payload(payload)?.0,
    };
    if !PLAUSIBLE.contains(&temperature) {
        return Err(Error::new(format!("no room has {temperature} degrees")).with_code(2));
    }
    let mut room: Room = context.state().get("room")?.unwrap_or_default();
    room.window.push(temperature);
    let statistics = room.window.statistics();
    let on = if room.fan_on { statistics.mean >= OFF_BELOW } else { statistics.mean > ON_ABOVE };
    if on != room.fan_on {
        room.fan_on = on;
        context.command("fan", Json(Fan { on }))?;
        let state = if on { "on" } else { "off" };
        let window::Statistics { mean, min, max } = statistics;
        info!("fan {state}: mean {mean:.1}, {min:.1} to {max:.1} degrees");
    }
    context.state().put("room", &room)
}

#[cfg(test)]
mod tests;
