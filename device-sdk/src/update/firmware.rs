//! What the firmware says of itself and of how it wants to be updated.

use fleetfn_protocol::update::{BlockBytes, SIGNATURE_BYTES, UpdateKey};
use fleetfn_protocol::{ClassId, ProductId};

/// Says whether a signature (Ed25519, RFC 8032) is one by a key over some bytes. It may take as long as the watchdog bears.
pub type Verifier = fn(key: &UpdateKey, bytes: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool;

/// The image that runs: constants of the firmware.
#[derive(Debug, Clone, Copy)]
pub struct Firmware<'a> {
    /// The product that it was built for.
    pub product: ProductId,
    /// The hardware that it runs on.
    pub class: ClassId,
    /// Its own sequence, the one in the manifest that it was released with.
    pub sequence: u32,
    /// Its own version, as people call it.
    pub version: &'a str,
    /// Keys that may sign. One that is no longer among them is revoked; at most 32 are looked at.
    pub keys: &'a [UpdateKey],
    /// How many of them have to sign; 0 is taken as 1.
    pub threshold: u8,
    /// What verifies their signatures.
    pub verifier: Verifier,
    /// Components besides `image`, and which they are: `("boot", 3)`.
    pub components: &'a [(&'a str, u32)],
}

impl<'a> Firmware<'a> {
    /// One without components that any of the keys may replace, whose signatures [`ed25519`](super::ed25519) verifies.
    #[cfg(feature = "ed25519")]
    #[must_use]
    pub const fn new(
        product: ProductId,
        class: ClassId,
        sequence: u32,
        version: &'a str,
        keys: &'a [UpdateKey],
    ) -> Self {
        Self::with_verifier(product, class, sequence, version, keys, super::ed25519)
    }

    /// The same with a verifier of the firmware's own: what is in its ROM, or in hardware. It must refuse whatever RFC 8032
    /// refuses, keys of small order and an `S` that is not reduced among it.
    #[must_use]
    pub const fn with_verifier(
        product: ProductId,
        class: ClassId,
        sequence: u32,
        version: &'a str,
        keys: &'a [UpdateKey],
        verifier: Verifier,
    ) -> Self {
        Self { product, class, sequence, version, keys, threshold: 1, verifier, components: &[] }
    }
}

/// How it is updated.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Length of a block: [`Agent::block_bytes`](crate::agent::Agent::block_bytes) says the longest that fits the receive
    /// buffer.
    pub block_bytes: BlockBytes,
    /// How many blocks are asked for at once, from 1 to 32: what the transport can hold while the flash is written.
    pub window: u8,
    /// How long an image on trial has to become healthy, in milliseconds.
    pub trial_ms: u64,
    /// Whether [`Update::set_healthy`](super::Update::set_healthy) has to be called, besides a connection on which the
    /// server has taken the status.
    pub needs_word: bool,
}

impl Config {
    /// Eight blocks at once, and five minutes to connect.
    #[must_use]
    pub const fn new(block_bytes: BlockBytes) -> Self {
        Self { block_bytes, window: 8, trial_ms: 300_000, needs_word: false }
    }
}

/// Why an update machine cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The journal's range is not two halves of whole pages, or the pages are too short for it.
    #[error(
        "the range of the journal is not an even number of whole pages of the flash, or they are too short"
    )]
    Range,
    /// The slots' sectors or words are not powers of two within their bounds, or the download slot is not whole sectors.
    #[error("sectors and words of the download slot are not as they have to be")]
    Sizes,
    /// The version of the firmware is empty, longer than 32 bytes, or holds control characters.
    #[error("the version of the firmware is not valid")]
    Version,
}
