//! A number with two decimals, such as a percentage: exact, so that every node decides alike.

use alloc::string::{String, ToString};
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Hundredths of one. In JSON a number with at most two decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Decimal(u32);

impl Decimal {
    /// One hundred: all of a percentage.
    pub const HUNDRED: Self = Self(10_000);

    /// Out of hundredths.
    #[must_use]
    pub const fn from_hundredths(hundredths: u32) -> Self {
        Self(hundredths)
    }

    /// How many hundredths it is.
    #[must_use]
    pub const fn hundredths(self) -> u32 {
        self.0
    }

    /// So many percent of a count, rounded up: a percentage above zero of something is something.
    #[must_use]
    pub fn percent_of(self, count: u32) -> u32 {
        let parts = u64::from(self.0) * u64::from(count);
        u32::try_from(parts.div_ceil(u64::from(Self::HUNDRED.0))).unwrap_or(u32::MAX)
    }

    /// Reads `12`, `0.5` or `2.25`.
    fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let mut hundredths = whole.parse::<u32>().ok()?.checked_mul(100)?;
        if decimals.len() > 2 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        for (digit, unit) in decimals.bytes().zip([10, 1]) {
            hundredths = hundredths.checked_add(u32::from(digit - b'0') * unit)?;
        }
        Some(Self(hundredths))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}"),
            part if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            part => write!(f, "{whole}.{part:02}"),
        }
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(100) {
            return serializer.serialize_u32(self.0 / 100);
        }
        // The shortest digits that give this number back are the two that it has.
        serializer.serialize_f64(f64::from(self.0) / 100.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let text: String = number.to_string();
        Self::parse(text.strip_suffix(".0").unwrap_or(&text)).ok_or_else(|| {
            de::Error::custom(alloc::format!("{text} is not a number from 0 with at most two decimals"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn what_is_no_plain_number_is_refused() {
        for text in ["-1", "0.125", "1e9", "\"5\"", "null", "99999999"] {
            assert!(serde_json::from_str::<Decimal>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Decimal>("5.0").expect("a number"), Decimal(500));
    }

    #[test]
    fn a_share_of_something_is_something() {
        assert_eq!(Decimal(1).percent_of(3), 1);
        assert_eq!(Decimal(1_000).percent_of(1_000), 100);
        assert_eq!(Decimal::HUNDRED.percent_of(u32::MAX), u32::MAX);
        assert_eq!(Decimal(0).percent_of(9), 0);
    }

    proptest! {
        #[test]
        fn a_number_survives_its_json_and_its_words(hundredths in 0_u32..10_000_000) {
            let number = Decimal(hundredths);
            let json = serde_json::to_string(&number).expect("a number");
            prop_assert_eq!(serde_json::from_str::<Decimal>(&json).expect("a number"), number);
            prop_assert_eq!(Decimal::parse(&number.to_string()), Some(number));
        }
    }
}
