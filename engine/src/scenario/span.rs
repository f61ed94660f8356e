//! Spans of time in a scenario: `"10s"`, `"500ms"`, `"1.5m"`, `"1h"`.

use crate::cli::parse_duration;
use serde::{Deserialize, Deserializer};

/// Longest span: thirty days, longer than any run.
const SPAN_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// A span of the scenario's time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Span(u64);

impl Span {
    pub(super) fn ms(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = parse_duration(&text).map_err(serde::de::Error::custom)?;
        let ms = u64::try_from(span.as_millis()).ok().filter(|ms| *ms <= SPAN_MS_MAX);
        ms.map(Self).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is longer than 30 days")))
    }
}
