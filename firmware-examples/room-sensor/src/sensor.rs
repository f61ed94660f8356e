//! What measures.

/// A thermometer.
pub trait Sensor {
    /// Degrees Celsius.
    fn temperature(&mut self) -> impl Future<Output = f32>;
}

/// A thermometer that is none: it goes up and down by half a degree a reading.
#[derive(Debug, Clone, Copy, Default)]
pub struct Simulated {
    readings: u16,
}

impl Sensor for Simulated {
    async fn temperature(&mut self) -> f32 {
        let step = self.readings % 20;
        self.readings = self.readings.wrapping_add(1);
        20.0 + 0.5 * f32::from(step.min(20 - step))
    }
}
