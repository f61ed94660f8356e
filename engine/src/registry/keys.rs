//! The keys that may sign releases of a product, and how many of them must.

use super::audit::Told;
use super::releases::Releases;
use super::{Error, Registry};
use ed25519_dalek::VerifyingKey;
use fleetfn_core::Change;
use fleetfn_core::audit::Deed;
use fleetfn_core::update::KeyRow;
use fleetfn_protocol::ProductId;
use fleetfn_protocol::limits::UPDATE_SIGNATURES_MAX;
use fleetfn_protocol::update::UpdateKey;
use std::collections::BTreeMap;

/// Keys of one product: some people, a machine that builds, and those that are being replaced.
const KEYS_MAX: usize = 16;

impl Registry {
    /// The keys of a product.
    pub(crate) fn update_keys(&self, product: ProductId) -> Vec<(UpdateKey, KeyRow)> {
        let keys = |known: &Releases| {
            known.keys.get(&product).into_iter().flatten().map(|(key, row)| (*key, *row)).collect()
        };
        self.read_releases(keys)
    }

    /// The keys of all products.
    pub(crate) fn all_update_keys(&self) -> Vec<(ProductId, UpdateKey, KeyRow)> {
        self.read_releases(|known| {
            let of = |(product, keys): (&ProductId, &BTreeMap<UpdateKey, KeyRow>)| {
                keys.iter().map(|(key, row)| (*product, *key, *row)).collect::<Vec<_>>()
            };
            known.keys.iter().flat_map(of).collect()
        })
    }

    /// Lets a key sign for a product. Durable on return; adding one twice changes nothing.
    pub(crate) async fn add_update_key(
        &self,
        product: ProductId,
        key: UpdateKey,
        told: &Told,
    ) -> Result<KeyRow, Error> {
        if VerifyingKey::from_bytes(&key.0).map_or(true, |key| key.is_weak()) {
            return Err(Error::Invalid("this is no ed25519 key that anything could be signed with".into()));
        }
        let _one_at_a_time = self.acts.lock().await;
        let known = self.update_keys(product);
        if let Some((_, row)) = known.iter().find(|(known, _)| *known == key) {
            return Ok(*row);
        }
        if known.iter().any(|(known, _)| known.id() == key.id()) {
            return Err(Error::Exists(format!("another key {}", key.id())));
        }
        if known.len() >= KEYS_MAX {
            return Err(Error::Invalid(format!("product '{product}' has {KEYS_MAX} keys: remove one")));
        }
        let row = KeyRow { added_at_ms: self.clock.now_ms() };
        let change = Change::UpdateKey { product, key, row: Some(row) };
        if self.record_deed(vec![change], Deed::AddKey, subject(product, &key), told).await?.is_some() {
            self.write_releases(|known| {
                known.keys.entry(product).or_default().insert(key, row);
            });
        }
        Ok(row)
    }

    /// Revokes a key: its signatures do not count any more. Durable on return.
    pub(crate) async fn remove_update_key(
        &self,
        product: ProductId,
        id: &str,
        told: &Told,
    ) -> Result<UpdateKey, Error> {
        let _one_at_a_time = self.acts.lock().await;
        let known = self.update_keys(product);
        let mut fitting =
            known.iter().filter(|(key, _)| key.id().to_string().starts_with(id)).map(|(key, _)| *key);
        let key = match (fitting.next(), fitting.next()) {
            (Some(key), None) => key,
            (Some(one), Some(other)) => {
                return Err(Error::Ambiguous(format!("key '{id}' could be {} or {}", one.id(), other.id())));
            }
            (None, _) => return Err(Error::Missing(format!("key '{id}' of product '{product}'"))),
        };
        let change = Change::UpdateKey { product, key, row: None };
        if self.record_deed(vec![change], Deed::RevokeKey, subject(product, &key), told).await?.is_some() {
            self.write_releases(|known| {
                if let Some(keys) = known.keys.get_mut(&product) {
                    keys.remove(&key);
                }
            });
        }
        Ok(key)
    }

    /// How many keys of a product must have signed its releases.
    pub(crate) fn threshold(&self, product: ProductId) -> u8 {
        self.read_releases(|known| known.needed(product))
    }

    /// Says how many keys of a product must have signed its releases: those with fewer are not offered any more. Durable on
    /// return.
    pub(crate) async fn set_threshold(
        &self,
        product: ProductId,
        count: u8,
        told: &Told,
    ) -> Result<(), Error> {
        if count == 0 || usize::from(count) > UPDATE_SIGNATURES_MAX {
            return Err(Error::Invalid(format!(
                "a release has from 1 to {UPDATE_SIGNATURES_MAX} signatures: {count} cannot be asked for"
            )));
        }
        let _one_at_a_time = self.acts.lock().await;
        let keys = self.update_keys(product).len();
        if usize::from(count) > keys {
            return Err(Error::Invalid(format!(
                "product '{product}' has {keys} keys, so that no release could be signed by {count} of them"
            )));
        }
        let before = self.threshold(product);
        if count == before {
            return Ok(());
        }
        let change = Change::Threshold { product, count };
        let subject = format!("{product}: {count} of its keys, {before} before");
        if self.record_deed(vec![change], Deed::Threshold, subject, told).await?.is_some() {
            self.write_releases(|known| {
                known.thresholds.insert(product, count);
            });
        }
        Ok(())
    }
}

fn subject(product: ProductId, key: &UpdateKey) -> String {
    format!("{product}: key {}", key.id())
}
