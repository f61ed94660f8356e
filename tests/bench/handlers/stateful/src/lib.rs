//! Keeps a count and a mean in 16 bytes of state, and sends a command every 16th time.
//!
//! What it decides is a plain function, so that the same code is measured without a sandbox.

use fleetfn_function::{Context, Error, function};

/// Every so many readings a command is sent.
pub const COMMAND_EVERY: u64 = 16;

/// What the function keeps: how many readings there were, and their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
}

impl Mean {
    /// The state as it is kept; nothing is no reading.
    #[must_use]
    pub fn read(kept: &[u8]) -> Self {
        let number =
            |at: usize| kept.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; 8]);
        Self { count: u64::from_le_bytes(number(0)), mean: f64::from_le_bytes(number(8)) }
    }

    /// How it is kept.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (count, mean) = bytes.split_at_mut(8);
        count.copy_from_slice(&self.count.to_le_bytes());
        mean.copy_from_slice(&self.mean.to_le_bytes());
        bytes
    }

    /// With one more reading, a temperature in thousandths of a degree in the first 4 bytes of the payload.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a count of readings")]
    pub fn with(self, payload: &[u8]) -> Self {
        let reading = payload.first_chunk::<4>().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        let count = self.count.wrapping_add(1);
        let mean = self.mean + (f64::from(reading) / 1e3 - self.mean) / count as f64;
        Self { count, mean }
    }
}

/// Takes one reading.
#[function(name = "bench-stateful", telemetry = "#", command)]
fn stateful(payload: &[u8], context: &Context) -> Result<(), Error> {
    let state = context.state();
    let kept = state.get_bytes("mean").unwrap_or_default();
    let mean = Mean::read(&kept).with(payload);
    state.put_bytes("mean", &mean.to_bytes());
    if mean.count.is_multiple_of(COMMAND_EVERY) {
        context.command("fan", &mean.mean.to_le_bytes()[..])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Mean;

    #[test]
    fn a_mean_follows_its_readings_and_is_read_as_it_was_kept() {
        let readings = [20_000_i32, 22_000, 24_000].map(i32::to_le_bytes);
        let mean = readings.iter().fold(Mean::read(&[]), |mean, reading| mean.with(reading));
        assert_eq!((mean.count, mean.mean), (3, 22.0));
        assert_eq!(Mean::read(&mean.to_bytes()), mean);
    }
}
