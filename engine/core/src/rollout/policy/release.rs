//! The image that a rollout brings, and who vouches for it.

use crate::rollout::text;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use fleetfn_protocol::limits::{ENVELOPE_BYTES_MAX, VERSION_BYTES_MAX};
use fleetfn_protocol::update::{Delivery, Digest, Envelope, Manifest};
use fleetfn_protocol::{ClassId, ProductId};
use serde::{Deserialize, Serialize};

/// Patches of a release: for so many versions that are in the field, and an offer carries them all.
pub const PATCHES_MAX: usize = 8;

/// A patch that makes the image out of the one of an earlier release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Sequence of the earlier release.
    pub from: u32,
    /// Length of its image in bytes.
    pub base_size: u32,
    /// Digest of its image.
    #[serde(with = "text")]
    pub base: Digest,
    /// Length of the patch in bytes.
    pub size: u32,
    /// Digest of the patch.
    #[serde(with = "text")]
    pub digest: Digest,
}

impl Patch {
    /// As an offer says it.
    #[must_use]
    pub const fn delivery(&self) -> Delivery {
        Delivery::Patch { base_size: self.base_size, base: self.base, size: self.size, digest: self.digest }
    }
}

/// The image that a rollout brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The product that it is built for.
    #[serde(with = "text")]
    pub product: ProductId,
    /// The hardware that it runs on.
    #[serde(with = "text")]
    pub class: ClassId,
    /// What people call it.
    pub version: String,
    /// Grows with each release of a product and class.
    pub sequence: u32,
    /// Digest of the image.
    #[serde(with = "text")]
    pub digest: Digest,
    /// The signed manifest, in hexadecimal: with it an offer says all that a device needs. A node adds it, after it has
    /// verified the signatures; here it is only held against the other fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
    /// Patches from versions that are in the field. A node adds those that it has made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
}

impl Release {
    /// What is wrong with it, if anything: the field, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let version = &self.version;
        let is_control = |byte: u8| byte < b' ' || byte == 0x7f;
        if version.is_empty() || version.len() > VERSION_BYTES_MAX || version.bytes().any(is_control) {
            return Err(("version", format!("one line of 1 to {VERSION_BYTES_MAX} bytes")));
        }
        if self.sequence == 0 {
            return Err(("sequence", "0 is not from 1".into()));
        }
        if self.patches.len() > PATCHES_MAX {
            return Err(("patches", format!("at most {PATCHES_MAX}")));
        }
        if self.envelope.is_none() {
            return Ok(());
        }
        let bytes =
            self.envelope().ok_or(("envelope", "these are not pairs of hexadecimal digits".into()))?;
        let manifest = Envelope::parse(&bytes).and_then(|envelope| Manifest::parse(envelope.body()));
        let manifest = manifest.map_err(|error| ("envelope", error.to_string()))?;
        let Manifest { product, class, version, sequence, digest, .. } = manifest;
        if (product, class, version, sequence, digest)
            != (self.product, self.class, self.version.as_str(), self.sequence, self.digest)
        {
            let what =
                format!("it is signed for {product} {class} {version} (sequence {sequence}), {digest}");
            return Err(("envelope", what));
        }
        Ok(())
    }

    /// As operators and functions write it: `fan@2.4.1`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}@{}", self.product, self.version)
    }

    /// How its bytes best come to a device that runs a sequence.
    #[must_use]
    pub fn delivery(&self, running: Option<u32>) -> Delivery {
        let patch = self.patches.iter().find(|patch| Some(patch.from) == running);
        patch.map_or(Delivery::Whole, Patch::delivery)
    }

    /// The signed manifest as bytes, if it is there.
    #[must_use]
    pub fn envelope(&self) -> Option<Vec<u8>> {
        let text = self.envelope.as_ref()?;
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() || pairs.len() > ENVELOPE_BYTES_MAX {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
    }
}
