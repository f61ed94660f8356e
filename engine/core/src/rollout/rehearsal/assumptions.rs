//! What a rehearsal assumes of devices and of the way to them.

use crate::rollout::decimal::Decimal;
use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Most runs: the percentiles of more say nothing new.
pub const RUNS_MAX: u32 = 100;

/// What a rehearsal assumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assumptions {
    /// The same seed gives the same rehearsal.
    pub seed: u64,
    /// How often the rollout is rehearsed; less often with a large fleet.
    pub runs: u32,
    /// Percent of devices on which the image fails, each time that it is tried.
    pub failing: Decimal,
    /// Percent of downloads that break off, and cost no attempt.
    pub broken_downloads: Decimal,
    /// Percent of devices that are silent after the update.
    pub silent: Decimal,
    /// Bytes of what a device fetches; 0 if it is not known, and then no time is taken for it.
    pub image_bytes: u32,
    /// Bytes that one device fetches in a second.
    pub link_bytes_per_s: u32,
    /// Bytes that the node sends in a second to all devices together.
    pub node_bytes_per_s: u32,
    /// Seconds from the whole image to a word that it runs: the reset, and the trial.
    pub install_s: u32,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            seed: 1,
            runs: 20,
            failing: Decimal::from_hundredths(100),
            broken_downloads: Decimal::from_hundredths(100),
            silent: Decimal::from_hundredths(20),
            image_bytes: 0,
            // A cellular modem of the smallest class that is sold (LTE-M, half duplex).
            link_bytes_per_s: 30_000,
            // What `serve --update-rate` is where nobody says.
            node_bytes_per_s: 16 * 1024 * 1024,
            install_s: 60,
        }
    }
}

impl Assumptions {
    /// What is wrong with them, if anything: the field, and why.
    ///
    /// # Errors
    /// Says so in words.
    pub fn check(&self) -> Result<(), String> {
        let percents =
            [("failing", self.failing), ("broken_downloads", self.broken_downloads), ("silent", self.silent)];
        for (field, percent) in percents {
            if percent > Decimal::HUNDRED {
                return Err(format!("{field}: {percent} is above 100"));
            }
        }
        let numbers = [
            ("runs", self.runs, RUNS_MAX),
            ("link_bytes_per_s", self.link_bytes_per_s, u32::MAX),
            ("node_bytes_per_s", self.node_bytes_per_s, u32::MAX),
        ];
        for (field, number, most) in numbers {
            if !(1..=most).contains(&number) {
                return Err(format!("{field}: {number} is not from 1 to {most}"));
            }
        }
        Ok(())
    }

    /// The same for every n-th device: the node has as much less to send.
    pub(super) fn shrink(&self, one_of: u32) -> Self {
        let node = self.node_bytes_per_s.checked_div(one_of).unwrap_or(0).max(1);
        Self { node_bytes_per_s: node, ..self.clone() }
    }
}
