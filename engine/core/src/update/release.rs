//! Releases and the keys that vouch for them, as the registry keeps them.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::ProductId;
use fleetfn_protocol::update::{Envelope, FormatError, KeyId, Manifest, SIGNATURE_BYTES, UpdateKey};

/// A release: its id is the SHA-256 of its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRow {
    /// The signed manifest.
    pub envelope: Bytes,
    /// When it was published, in milliseconds since 1970.
    pub published_at_ms: u64,
    /// Whether somebody took it out of use.
    pub yanked: Option<Yanked>,
}

/// That a release is not to be used any more, though it stays in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yanked {
    /// Who said so.
    pub by: String,
    /// Why.
    pub why: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A key that may sign for a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRow {
    /// When it was added, in milliseconds since 1970.
    pub added_at_ms: u64,
}

/// Why a signed manifest is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The envelope or the manifest in it is of no known form.
    #[error("this is no signed manifest")]
    Format(#[from] FormatError),
    /// Nobody here knows the key.
    #[error("it is signed by key {key}, which is not a key of product '{product}'")]
    UnknownKey {
        /// The key that is said to have signed.
        key: KeyId,
        /// The product that the manifest says it is for.
        product: ProductId,
    },
    /// The manifest is not what was signed.
    #[error("the signature by key {0} is wrong: it is not over this manifest")]
    Signature(KeyId),
    /// The same key twice counts once, so it is once too often.
    #[error("key {0} has signed twice")]
    Twice(KeyId),
}

/// Reads a signed manifest, and believes it only if every signature in it holds and is by a key of its product. `holds`
/// says whether a signature is one by a key over some bytes.
///
/// # Errors
/// [`ReleaseError`] names the first signature that is not believed.
pub fn verify<'a>(
    envelope: &Envelope<'a>,
    keys: impl Fn(&Manifest<'_>) -> Vec<UpdateKey>,
    holds: impl Fn(&UpdateKey, &[u8], &[u8; SIGNATURE_BYTES]) -> bool,
) -> Result<Manifest<'a>, ReleaseError> {
    // Which keys count depends on the product: it is read before it is believed, and believed only if a key of that
    // product has signed it.
    let manifest = Manifest::parse(envelope.body())?;
    let keys = keys(&manifest);
    let mut seen: Vec<KeyId> = Vec::new();
    for signature in envelope.signatures() {
        if seen.contains(&signature.key) {
            return Err(ReleaseError::Twice(signature.key));
        }
        seen.push(signature.key);
        let mut named = keys.iter().filter(|key| key.id() == signature.key).peekable();
        if named.peek().is_none() {
            return Err(ReleaseError::UnknownKey { key: signature.key, product: manifest.product });
        }
        if !named.any(|key| holds(key, envelope.body(), signature.bytes)) {
            return Err(ReleaseError::Signature(signature.key));
        }
    }
    Ok(manifest)
}
