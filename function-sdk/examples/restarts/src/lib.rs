//! Counts how often a device has started anew, by what it says of itself.
//!
//! A device publishes on `devices/{id}/telemetry/health`, as postcard, for how long it has been up and how many readings it has
//! taken since its start. Fewer than the last time mean that it has started anew.

use fleetfn_function::{Context, Error, Postcard, function, info};
use serde::{Deserialize, Serialize};

/// What a device says of itself: the same as in its firmware, field by field.
#[derive(Serialize, Deserialize)]
struct Health {
    /// Seconds since its start.
    uptime_s: u32,
    /// Readings since its start.
    readings: u32,
}

/// What is kept about a device.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Known {
    restarts: u32,
    /// Readings, the last time that it said so.
    readings: u32,
}

/// Handles one word of a device.
#[function(telemetry = "health")]
fn restarts(Postcard(health): Postcard<Health>, context: &Context) -> Result<(), Error> {
    let Health { uptime_s, readings } = health;
    let mut known: Known = context.state().get("known")?.unwrap_or_default();
    if readings <= known.readings {
        known.restarts += 1;
    }
    known.readings = readings;
    info!("restarted {} times, {readings} readings since, up for {uptime_s} s", known.restarts);
    context.state().put("known", &known)
}

#[cfg(test)]
mod tests {
    use super::{Health, Known, restarts};
    use fleetfn_function::testing::Device;
    use fleetfn_function::{Error, Postcard};

    #[test]
    fn fewer_readings_than_before_are_a_restart() {
        let mut device = Device::new("d-1", restarts);
        for (readings, times) in [(1, 0), (11, 0), (1, 1), (11, 1), (11, 2)] {
            let health = Postcard(Health { uptime_s: 5 * readings, readings });
            device.telemetry("health", health).expect_done();
            assert_eq!(device.state::<Known>("known"), Some(Known { restarts: times, readings }));
        }
    }

    #[test]
    fn what_is_not_the_postcard_of_it_is_refused() {
        let mut device = Device::new("d-1", restarts);
        device.telemetry("health", r#"{"uptime_s":5,"readings":1}"#).expect_rejected(Error::PAYLOAD);
        device.telemetry("health", &[5][..]).expect_rejected(Error::PAYLOAD);
    }
}
