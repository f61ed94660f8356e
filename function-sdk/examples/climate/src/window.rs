//! The last readings of a room, and what they amount to.

use serde::{Deserialize, Serialize};

/// Readings in the window: enough that one outlier does not switch the fan.
pub(crate) const READINGS_MAX: usize = 8;

/// The last readings, of fixed size.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    readings: [f64; READINGS_MAX],
    count: u8,
    next: u8,
}

/// What the readings of a window amount to; all 0 for an empty one.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Statistics {
    pub(crate) mean: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Window {
    /// Adds a reading in place of the oldest one.
    pub(crate) fn push(&mut self, reading: f64) {
        let next = usize::from(self.next) % READINGS_MAX;
        if let Some(place) = self.readings.get_mut(next) {
            *place = reading;
        }
        // Both stay within the window, which is shorter than 255.
        self.next = u8::try_from((next + 1) % READINGS_MAX).unwrap_or(0);
        self.count = u8::try_from((usize::from(self.count) + 1).min(READINGS_MAX)).unwrap_or(0);
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let readings = self.readings.get(..self.count.into()).unwrap_or_default();
        let Some(first) = readings.first() else { return Statistics::default() };
        let mut sum = 0.0;
        let (mut min, mut max) = (*first, *first);
        for reading in readings {
            sum += reading;
            min = min.min(*reading);
            max = max.max(*reading);
        }
        Statistics { mean: sum / f64::from(self.count), min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::{READINGS_MAX, Statistics, Window};

    #[test]
    fn an_empty_window_has_no_statistics() {
        assert_eq!(Window::default().statistics(), Statistics::default());
    }

    #[test]
    fn a_full_window_forgets_the_oldest_reading() {
        let mut window = Window::default();
        window.push(1_000.0);
        for _ in 0..READINGS_MAX - 1 {
            window.push(10.0);
        }
        assert_eq!(window.statistics().max, 1_000.0);
        window.push(20.0);
        assert_eq!(window.statistics(), Statistics { mean: 11.25, min: 10.0, max: 20.0 });
    }
}
