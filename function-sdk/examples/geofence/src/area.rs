//! Where something is, and whether that is inside an area.

use serde::Deserialize;

/// A place on earth (WGS 84), in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Position {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

/// The corners of the depot, in order. A border of a few kilometres is straight in degrees.
pub(crate) const DEPOT: [Position; 5] = [
    Position { latitude: 52.500, longitude: 13.300 },
    Position { latitude: 52.500, longitude: 13.360 },
    Position { latitude: 52.520, longitude: 13.380 },
    Position { latitude: 52.540, longitude: 13.350 },
    Position { latitude: 52.530, longitude: 13.310 },
];

impl Position {
    pub(crate) fn is_on_earth(self) -> bool {
        (-90.0..=90.0).contains(&self.latitude) && (-180.0..=180.0).contains(&self.longitude)
    }

    /// Whether it lies inside a polygon: a ray from it to the north crosses an odd number of sides.
    pub(crate) fn is_inside(self, corners: &[Self]) -> bool {
        let Some(mut from) = corners.last() else { return false };
        let mut inside = false;
        for to in corners {
            let spans = (from.longitude > self.longitude) != (to.longitude > self.longitude);
            if spans {
                let share = (self.longitude - from.longitude) / (to.longitude - from.longitude);
                let crossing = from.latitude + share * (to.latitude - from.latitude);
                inside ^= self.latitude < crossing;
            }
            from = to;
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPOT, Position};

    #[test]
    fn a_polygon_knows_its_inside() {
        let inside = |latitude, longitude| Position { latitude, longitude }.is_inside(&DEPOT);
        assert!(inside(52.520, 13.330));
        assert!(inside(52.501, 13.350));
        for (latitude, longitude) in [(52.499, 13.330), (52.541, 13.350), (52.520, 13.381), (52.505, 13.375)]
        {
            assert!(!inside(latitude, longitude), "{latitude} {longitude}");
        }
        assert!(!Position { latitude: 0.0, longitude: 0.0 }.is_inside(&[]));
    }
}
