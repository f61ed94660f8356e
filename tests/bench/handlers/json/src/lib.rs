//! Reads a JSON document, merges it into a JSON state, and publishes a third: what many functions do all day.
//!
//! What it decides is a plain function, so that the same code is measured without a sandbox.

use fleetfn_function::{Context, Error, function};
use serde::{Deserialize, Serialize};

/// What a device publishes.
#[derive(Debug, Deserialize)]
struct Reading<'a> {
    site: &'a str,
    temperature: f64,
    humidity: f64,
    battery_mv: u32,
    errors: Vec<u16>,
}

/// What the function keeps.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    count: u64,
    temperature_max: f64,
    humidity_mean: f64,
    battery_mv_min: u32,
    errors: u64,
}

/// What services are told.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    device: &'a str,
    site: &'a str,
    #[serde(flatten)]
    kept: &'a Kept,
}

/// A reading of 121 bytes, as the benchmark publishes it.
pub const READING: &str = r#"{"site":"berlin-03","temperature":21.375,"humidity":48.25,"battery_mv":3712,"errors":[3,17],"firmware":"2.4.1-rc.2+8f31"}"#;

/// The next state and what is published, from the state before and a reading.
///
/// # Errors
/// If either is not what it should be.
#[expect(clippy::cast_precision_loss, reason = "a count of readings")]
pub fn step(
    device: &str,
    before: Option<&[u8]>,
    payload: &[u8],
) -> Result<(Vec<u8>, Vec<u8>), serde_json::Error> {
    let reading: Reading<'_> = serde_json::from_slice(payload)?;
    let mut kept: Kept = before.map(serde_json::from_slice).transpose()?.unwrap_or_default();
    kept.count += 1;
    kept.temperature_max = kept.temperature_max.max(reading.temperature);
    kept.humidity_mean += (reading.humidity - kept.humidity_mean) / kept.count as f64;
    kept.battery_mv_min = match kept.battery_mv_min {
        0 => reading.battery_mv,
        least => least.min(reading.battery_mv),
    };
    kept.errors += reading.errors.len() as u64;
    let summary = Summary { device, site: reading.site, kept: &kept };
    Ok((serde_json::to_vec(&kept)?, serde_json::to_vec(&summary)?))
}

/// Takes one reading.
#[function(name = "bench-json", telemetry = "#", publish = "summaries")]
fn json(payload: &[u8], context: &Context) -> Result<(), Error> {
    let state = context.state();
    let before = state.get_bytes("summary");
    let (kept, summary) = step(context.device(), before.as_deref(), payload)?;
    state.put_bytes("summary", &kept);
    context.publish("summaries", &summary[..])
}

#[cfg(test)]
mod tests {
    use super::{READING, step};

    #[test]
    fn a_summary_adds_up_what_was_read() {
        assert_eq!(READING.len(), 121);
        let (kept, _) = step("d-1", None, READING.as_bytes()).expect("a reading");
        let (kept, summary) = step("d-1", Some(&kept), READING.as_bytes()).expect("another");
        assert_eq!(
            String::from_utf8_lossy(&kept),
            r#"{"count":2,"temperature_max":21.375,"humidity_mean":48.25,"battery_mv_min":3712,"errors":4}"#
        );
        let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
        assert_eq!(summary["site"], "berlin-03");
    }
}
