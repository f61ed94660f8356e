//! The twin of the event's device: what it should be and what it says that it is.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// The twin as it was when the event came. Parts that were never written are missing: let the fields of `D` and `R`
/// be `Option`s, or put `#[serde(default)]` on the types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin<D, R = D> {
    /// Grows with every change of either part; 0 before the first.
    pub version: u64,
    /// What the device should be.
    pub desired: D,
    /// What it says that it is.
    pub reported: R,
    /// Whether everything that is desired is reported, too.
    pub settled: bool,
}

/// The document of the interface.
#[derive(Deserialize)]
pub(crate) struct Document<D, R> {
    version: u64,
    desired: D,
    reported: R,
    delta: BTreeMap<String, IgnoredAny>,
}

impl<D, R> From<Document<D, R>> for Twin<D, R> {
    fn from(document: Document<D, R>) -> Self {
        let Document { version, desired, reported, delta } = document;
        Self { version, desired, reported, settled: delta.is_empty() }
    }
}
