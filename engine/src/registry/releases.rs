//! Releases: signed manifests, whose images are in the directory of artifacts before the records that name them.

use super::audit::Told;
use super::standing::Withheld;
use super::{Error, Registry};
use crate::artifacts;
use bytes::Bytes;
use ed25519_dalek::{Signature, VerifyingKey};
use fleetfn_core::Change;
use fleetfn_core::audit::Deed;
use fleetfn_core::update::{KeyRow, ReleaseError, ReleaseRow, Yanked, verify};
use fleetfn_protocol::update::{Digest, Envelope, FormatError, KeyId, Manifest, SIGNATURE_BYTES, UpdateKey};
use fleetfn_protocol::{ClassId, ProductId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// Releases that are kept: a manifest of a few hundred bytes each in memory, and an image on disk.
const RELEASES_MAX: usize = 1_000;

/// Digits of a release's id that are believed to be meant for one: fewer are too easily right by chance.
const ID_DIGITS_MIN: usize = 4;

/// A release: its signed manifest under its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    /// SHA-256 of the manifest.
    pub(crate) id: Digest,
    /// The signed manifest.
    pub(crate) row: ReleaseRow,
}

impl Release {
    /// Of an envelope that was verified before, or is to be.
    pub(crate) fn new(envelope: Bytes) -> Result<Self, FormatError> {
        let id = Digest(super::sha256(Envelope::parse(&envelope)?.body()));
        Ok(Self { id, row: ReleaseRow { envelope, published_at_ms: 0, yanked: None } })
    }

    /// As people call it, for lines that tell of it.
    fn name(&self) -> Result<String, Error> {
        let Manifest { product, version, class, .. } = self.manifest()?;
        let id = self.id.to_string();
        Ok(format!("{product}@{version} for {class}, id {}", id.get(..12).unwrap_or(&id)))
    }

    /// What it says about its image.
    pub(crate) fn manifest(&self) -> Result<Manifest<'_>, Error> {
        let read = Envelope::parse(&self.row.envelope).and_then(|envelope| Manifest::parse(envelope.body()));
        read.map_err(|error| Error::Release(error.into()))
    }

    /// The keys that signed it.
    pub(crate) fn signers(&self) -> Vec<KeyId> {
        let envelope = Envelope::parse(&self.row.envelope);
        envelope.map(|envelope| envelope.signatures().map(|one| one.key).collect()).unwrap_or_default()
    }
}

/// All that is known, as the control lane has it.
#[derive(Debug, Default)]
pub(super) struct Releases {
    pub(super) keys: BTreeMap<ProductId, BTreeMap<UpdateKey, KeyRow>>,
    pub(super) thresholds: BTreeMap<ProductId, u8>,
    pub(super) rows: BTreeMap<Digest, ReleaseRow>,
}

/// Reads what stands in the state.
pub(super) fn load(view: &fleetfn_store::View) -> Result<Releases, Error> {
    let mut releases = Releases {
        rows: view.releases()?.into_iter().collect(),
        thresholds: view.thresholds()?.into_iter().collect(),
        ..Releases::default()
    };
    for (product, key, row) in view.update_keys()? {
        releases.keys.entry(product).or_default().insert(key, row);
    }
    Ok(releases)
}

/// Whether a signature is one by a key. Refuses what some implementations take and others do not.
pub(super) fn holds(key: &UpdateKey, body: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    VerifyingKey::from_bytes(&key.0)
        .is_ok_and(|key| key.verify_strict(body, &Signature::from_bytes(signature)).is_ok())
}

impl Registry {
    pub(super) fn read_releases<T>(&self, read: impl FnOnce(&Releases) -> T) -> T {
        read(&self.releases.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn write_releases(&self, write: impl FnOnce(&mut Releases)) {
        write(&mut self.releases.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// All releases, by product, class and sequence.
    pub(crate) fn releases(&self) -> Vec<Release> {
        let all = |known: &Releases| -> Vec<Release> {
            known.rows.iter().map(|(id, row)| Release { id: *id, row: row.clone() }).collect()
        };
        let mut all = self.read_releases(all);
        all.sort_by_cached_key(|release| {
            release.manifest().ok().map(|manifest| (manifest.product, manifest.class, manifest.sequence))
        });
        all
    }

    /// Digests of the images that releases name.
    pub(crate) fn images(&self) -> BTreeSet<Digest> {
        let image = |release: &Release| release.manifest().ok().map(|manifest| manifest.digest);
        self.releases().iter().filter_map(image).collect()
    }

    /// The release that `PRODUCT@VERSION` means, or the beginning of its id or of its image's SHA-256. Where versions are
    /// there for several classes, the class decides.
    pub(crate) fn resolve_release(&self, reference: &str, class: Option<ClassId>) -> Result<Release, Error> {
        let fits = |release: &Release| {
            let Ok(manifest) = release.manifest() else {
                return false;
            };
            match reference.split_once('@') {
                Some((product, version)) => {
                    manifest.product.as_str() == product && manifest.version == version
                }
                None => {
                    let is_long_enough = reference.len() >= ID_DIGITS_MIN;
                    let starts = |digest: &Digest| digest.to_string().starts_with(reference);
                    is_long_enough && (starts(&release.id) || starts(&manifest.digest))
                }
            }
        };
        let mut fitting: Vec<Release> = self.releases().into_iter().filter(fits).collect();
        let is_of_class = |release: &Release| {
            class.is_some_and(|class| release.manifest().is_ok_and(|one| one.class == class))
        };
        if fitting.len() > 1 && fitting.iter().any(is_of_class) {
            fitting.retain(is_of_class);
        }
        match fitting.len() {
            0 => Err(Error::Missing(format!("release '{reference}'"))),
            1 => Ok(fitting.remove(0)),
            _ => {
                let name = |release: &Release| {
                    let class = release.manifest().map(|manifest| manifest.class.to_string());
                    let id = release.id.to_string();
                    format!("{} for class {}", id.get(..12).unwrap_or(&id), class.unwrap_or_default())
                };
                let names: Vec<String> = fitting.iter().map(name).collect();
                Err(Error::Ambiguous(format!("release '{reference}' could be {}", names.join(" or "))))
            }
        }
    }

    /// Verifies a signed manifest against the keys of its product, and says what is wrong with publishing it.
    fn check_release(&self, release: &Release) -> Result<(), Error> {
        let envelope = Envelope::parse(&release.row.envelope).map_err(ReleaseError::from)?;
        let keys = |manifest: &Manifest<'_>| {
            self.update_keys(manifest.product).into_iter().map(|(key, _)| key).collect()
        };
        let manifest = verify(&envelope, keys, holds)?;
        if manifest.size == 0 || manifest.size > artifacts::ARTIFACT_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "an image has from 1 to {} bytes, this one has {}",
                artifacts::ARTIFACT_BYTES_MAX,
                manifest.size
            )));
        }
        let signatures = self.signatures(release)?;
        if !signatures.suffice() {
            return Err(Box::new(Withheld::Signatures(signatures)).into());
        }
        if let Some(yanked) = self.read_releases(|known| known.rows.get(&release.id)?.yanked.clone()) {
            return Err(Box::new(Withheld::Yanked(yanked)).into());
        }
        let all = self.releases();
        for other in all.iter().filter(|other| other.id != release.id) {
            let known = other.manifest()?;
            if (known.product, known.class) != (manifest.product, manifest.class) {
                continue;
            }
            if known.version == manifest.version {
                return Err(Error::Exists(format!(
                    "version {} of product '{}' for class '{}', with another manifest:",
                    known.version, known.product, known.class
                )));
            }
            if known.sequence == manifest.sequence {
                return Err(Error::Invalid(format!(
                    "sequence {} is that of version {}: no device would take one for newer than the other",
                    known.sequence, known.version
                )));
            }
        }
        if all.len() >= RELEASES_MAX && all.iter().all(|other| other.id != release.id) {
            return Err(Error::Invalid(format!("there are {RELEASES_MAX} releases: remove one")));
        }
        Ok(())
    }

    /// Says what is wrong with publishing a release, if anything is, the image aside.
    pub(crate) fn try_release(&self, envelope: Bytes) -> Result<Release, Error> {
        let release = Release::new(envelope).map_err(ReleaseError::from)?;
        self.check_release(&release)?;
        Ok(release)
    }

    /// Publishes a release whose image is there, or replaces its signatures. Durable on return.
    pub(crate) async fn publish(&self, envelope: Bytes, told: &Told) -> Result<Release, Error> {
        let mut release = Release::new(envelope).map_err(ReleaseError::from)?;
        let _one_at_a_time = self.acts.lock().await;
        self.check_release(&release)?;
        let (digest, size) = release.manifest().map(|manifest| (manifest.digest, manifest.size))?;
        let artifacts = self.artifacts.clone();
        let image = tokio::task::spawn_blocking(move || artifacts.image(&digest)).await??;
        if image.size() != size {
            return Err(Error::Invalid(format!(
                "the manifest says that the image has {size} bytes, and it has {}",
                image.size()
            )));
        }
        release.row.published_at_ms = self.clock.now_ms();
        if let Some(before) = self.read_releases(|known| known.rows.get(&release.id).cloned()) {
            if before.envelope == release.row.envelope {
                return Ok(Release { id: release.id, row: before });
            }
            release.row.published_at_ms = before.published_at_ms;
        }
        let Release { id, row } = release.clone();
        let change = Change::Release { id, row: Some(row.clone()) };
        if self.record_deed(vec![change], Deed::Publish, release.name()?, told).await?.is_some() {
            self.write_releases(|known| drop(known.rows.insert(id, row)));
        }
        Ok(release)
    }

    /// Takes a release out of use; it stays in the list, with who said so and why. One that is yanked stays as it is. Durable
    /// on return.
    pub(crate) async fn yank(&self, reference: &str, told: &Told) -> Result<Release, Error> {
        told.expect_reason()?;
        let _one_at_a_time = self.acts.lock().await;
        let release = self.resolve_release(reference, None)?;
        if release.row.yanked.is_some() {
            return Ok(release);
        }
        let Told { by, why, .. } = told.clone();
        let yanked = Yanked { by, why, at_ms: self.clock.now_ms() };
        self.change(release, Some(yanked), Deed::Yank, told).await
    }

    /// Lets a yanked release be used again. Durable on return.
    pub(crate) async fn unyank(&self, reference: &str, told: &Told) -> Result<Release, Error> {
        let _one_at_a_time = self.acts.lock().await;
        let release = self.resolve_release(reference, None)?;
        if release.row.yanked.is_none() {
            return Err(Error::Invalid(format!("release {} is not yanked", release.name()?)));
        }
        self.change(release, None, Deed::Unyank, told).await
    }

    async fn change(
        &self,
        mut release: Release,
        yanked: Option<Yanked>,
        deed: Deed,
        told: &Told,
    ) -> Result<Release, Error> {
        release.row.yanked = yanked;
        let Release { id, row } = release.clone();
        let change = Change::Release { id, row: Some(row.clone()) };
        if self.record_deed(vec![change], deed, release.name()?, told).await?.is_some() {
            self.write_releases(|known| drop(known.rows.insert(id, row)));
        }
        Ok(release)
    }

    /// Forgets a release, so that it is not offered any more and its version may be published again. Durable on return.
    pub(crate) async fn remove_release(&self, reference: &str, told: &Told) -> Result<Release, Error> {
        let _one_at_a_time = self.acts.lock().await;
        let release = self.resolve_release(reference, None)?;
        let change = Change::Release { id: release.id, row: None };
        if self.record_deed(vec![change], Deed::Remove, release.name()?, told).await?.is_some() {
            self.write_releases(|known| drop(known.rows.remove(&release.id)));
        }
        Ok(release)
    }
}
