//! Whether a release may be offered, and if not, why.
//!
//! It may as long as it is there, nobody has yanked it, and as many keys of its product have signed it as the product asks
//! for. Signatures are verified when a release is published; afterwards it counts whether their keys are still there. The
//! signature of a key that was revoked counts for nothing, and harms nothing: that is how keys are replaced.

use super::releases::{Release, Releases, holds};
use super::{Error, Registry};
use fleetfn_core::update::{ReleaseError, Yanked};
use fleetfn_protocol::ProductId;
use fleetfn_protocol::update::{Envelope, KeyId, Manifest};

/// How many keys must have signed where nobody has said so.
const SIGNATURES_DEFAULT: u8 = 1;

/// Why a release is not offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Withheld {
    /// Nobody knows it any more.
    #[error("it was removed, or was never published here")]
    Removed,
    /// Somebody has taken it out of use.
    #[error("it was yanked by {}: {}", .0.by, .0.why)]
    Yanked(Yanked),
    /// Too few keys of its product vouch for it.
    #[error(transparent)]
    Signatures(#[from] Signatures),
}

/// Who has signed, and how many are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signatures {
    /// The product.
    pub(crate) product: ProductId,
    /// How many there must be.
    pub(crate) needed: u8,
    /// Keys of the product that have signed.
    pub(crate) counted: Vec<KeyId>,
    /// Those that are no keys of it any more.
    pub(crate) revoked: Vec<KeyId>,
}

impl Signatures {
    /// Whether there are enough.
    pub(crate) fn suffice(&self) -> bool {
        self.counted.len() >= usize::from(self.needed)
    }
}

impl std::error::Error for Signatures {}

impl std::fmt::Display for Signatures {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { product, needed, counted, revoked } = self;
        let keys = if *needed == 1 { "key" } else { "keys" };
        write!(out, "releases of '{product}' must be signed by {needed} {keys} of it, and ")?;
        match counted.as_slice() {
            [] => write!(out, "none that signed this one is left")?,
            counted => write!(out, "this one is signed by {} ({})", counted.len(), names(counted))?,
        }
        match revoked.as_slice() {
            [] => Ok(()),
            revoked => write!(out, "; not a key of '{product}' any more: {}", names(revoked)),
        }
    }
}

fn names(keys: &[KeyId]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Releases {
    /// How many keys of a product must have signed.
    pub(super) fn needed(&self, product: ProductId) -> u8 {
        self.thresholds.get(&product).copied().unwrap_or(SIGNATURES_DEFAULT)
    }

    /// Which of the keys that signed a release count.
    fn signatures(&self, release: &Release, product: ProductId) -> Signatures {
        let keys = self.keys.get(&product);
        let is_known = |id: &KeyId| keys.is_some_and(|keys| keys.keys().any(|key| key.id() == *id));
        let (counted, revoked) = release.signers().into_iter().partition(is_known);
        Signatures { product, needed: self.needed(product), counted, revoked }
    }

    /// Whether a release is offered whose manifest is so.
    pub(super) fn offers(&self, fits: impl Fn(&Manifest<'_>) -> bool) -> bool {
        self.rows.iter().any(|(id, row)| {
            let release = Release { id: *id, row: row.clone() };
            release.manifest().is_ok_and(|manifest| fits(&manifest)) && self.withheld(&release).is_none()
        })
    }

    fn withheld(&self, release: &Release) -> Option<Withheld> {
        let yanked = self.rows.get(&release.id).and_then(|row| row.yanked.as_ref());
        self.withheld_as(release, yanked)
    }

    /// The same, if it was yanked so.
    fn withheld_as(&self, release: &Release, yanked: Option<&Yanked>) -> Option<Withheld> {
        if !self.rows.contains_key(&release.id) {
            return Some(Withheld::Removed);
        }
        if let Some(yanked) = yanked {
            return Some(Withheld::Yanked(yanked.clone()));
        }
        // What is published can be read.
        let Ok(product) = release.manifest().map(|manifest| manifest.product) else {
            return Some(Withheld::Removed);
        };
        let signatures = self.signatures(release, product);
        (!signatures.suffice()).then_some(Withheld::Signatures(signatures))
    }
}

impl Registry {
    /// Why a release may not be offered; `None` if it may.
    pub(crate) fn withheld(&self, release: &Release) -> Option<Withheld> {
        self.read_releases(|known| known.withheld(release))
    }

    /// The same for a release as it is said to be: as it stands, or as it would after an act.
    pub(crate) fn withheld_as_said(&self, release: &Release) -> Option<Withheld> {
        self.read_releases(|known| known.withheld_as(release, release.row.yanked.as_ref()))
    }

    /// Whether a release may be offered.
    pub(crate) fn is_offered(&self, release: &Release) -> bool {
        self.withheld(release).is_none()
    }

    /// Refuses a release that may not be offered.
    pub(crate) fn expect_offered(&self, release: &Release) -> Result<(), Error> {
        self.withheld(release).map_or(Ok(()), |why| Err(Box::new(why).into()))
    }

    /// Verifies once more the signatures that count. That of a key that was revoked is not looked at.
    pub(crate) fn verify_again(&self, release: &Release) -> Result<(), Error> {
        let envelope = Envelope::parse(&release.row.envelope).map_err(ReleaseError::from)?;
        let keys = self.update_keys(release.manifest()?.product);
        for signature in envelope.signatures() {
            let mut own = keys.iter().filter(|(key, _)| key.id() == signature.key).peekable();
            if own.peek().is_some() && !own.any(|(key, _)| holds(key, envelope.body(), signature.bytes)) {
                return Err(ReleaseError::Signature(signature.key).into());
            }
        }
        Ok(())
    }

    /// Who has signed a release, and how many must have.
    pub(crate) fn signatures(&self, release: &Release) -> Result<Signatures, Error> {
        let product = release.manifest()?.product;
        Ok(self.read_releases(|known| known.signatures(release, product)))
    }
}
