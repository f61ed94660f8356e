//! A plug-in as one writes it for Extism: JSON in, variables, configuration, log, JSON out. It also sends a command by
//! an import of the guest interface.

use extism_pdk::{FnResult, HttpRequest, Json, WithReturnCode, config, error, http, info, plugin_fn, var};
use extism_pdk::{Error, ToBytes};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Reading {
    temperature: f64,
    #[serde(default)]
    fetch: String,
}

#[derive(Serialize, ToBytes)]
#[encoding(Json)]
struct Room {
    readings: u64,
    on: bool,
}

#[plugin_fn]
pub fn on_event(Json(reading): Json<Reading>) -> FnResult<Room> {
    if !reading.fetch.is_empty() {
        http::request::<()>(&HttpRequest::new(&reading.fetch), None)?;
    }
    if reading.temperature > 100.0 {
        error!("a room is not an oven");
        return Err(WithReturnCode::new(Error::msg("too hot"), 7));
    }
    let readings = var::get::<String>("readings")?.and_then(|text| text.parse().ok()).unwrap_or(0_u64) + 1;
    var::set("readings", readings.to_string())?;
    let limit = config::get("limit")?.and_then(|text| text.parse().ok()).unwrap_or(30.0);
    let entity = config::get("fleetfn.entity")?.unwrap_or_default();
    let on = reading.temperature > limit;
    info!("{entity}: reading {readings}, on: {on}");
    if on {
        host::command(b"fan", br#"{"on":true}"#);
    }
    Ok(Room { readings, on })
}

/// A function of the guest interface.
mod host {
    #[link(wasm_import_module = "fleetfn_v1")]
    unsafe extern "C" {
        #[link_name = "command"]
        fn send_command(
            name: *const u8,
            name_len: usize,
            payload: *const u8,
            payload_len: usize,
            ttl_s: u32,
        ) -> i32;
    }

    pub fn command(name: &[u8], payload: &[u8]) {
        // SAFETY: pointers and lengths are those of slices that outlive the call.
        unsafe { send_command(name.as_ptr(), name.len(), payload.as_ptr(), payload.len(), 0) };
    }
}
