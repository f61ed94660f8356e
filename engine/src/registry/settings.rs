//! Acts on the configuration and the secrets of functions.
//!
//! Both are keys of one function under one set of names; a function need not be deployed yet. A secret is sealed
//! before it becomes a record, and nothing but the requests of its function opens it.

use super::audit::Told;
use super::{Error, Registry};
use bytes::Bytes;
use fleetfn_core::Change;
use fleetfn_core::audit::Deed;
use fleetfn_core::commit::Setting;
use fleetfn_core::settings::{BUDGET_KEY, owner_of};
use fleetfn_protocol::FunctionName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use zeroize::Zeroizing;

/// Most keys of one function, secrets included: they are held in memory by every worker.
const KEYS_MAX: usize = 64;

/// Largest value of a configuration in bytes: held in memory, and copied into a guest at each read.
const CONFIG_BYTES_MAX: usize = 16 * 1024;

/// Largest secret in bytes, as for a value of configuration.
const SECRET_BYTES_MAX: usize = 16 * 1024;

/// The newest value of every key of every function.
pub(super) type Settings = BTreeMap<FunctionName, BTreeMap<String, Setting>>;

/// A value of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigEntry {
    /// Its key.
    pub(crate) key: String,
    /// What the function reads.
    pub(crate) value: Bytes,
}

/// A secret, without what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretEntry {
    /// Its key.
    pub(crate) key: String,
    /// Whether it has a value.
    pub(crate) is_set: bool,
    /// Whether a version that runs asks for it in its manifest.
    pub(crate) is_declared: bool,
}

/// Of which kind a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Config,
    Secret,
    Budget,
}

impl Kind {
    fn of(setting: &Setting) -> Self {
        match setting {
            Setting::Config(_) => Self::Config,
            Setting::Secret(_) => Self::Secret,
            Setting::Budget(_) => Self::Budget,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Config => "configuration key",
            Self::Secret => "secret",
            Self::Budget => "budget",
        }
    }
}

/// Reads what stands in the state; later records win.
pub(super) fn load(view: &fleetfn_store::View) -> Result<Settings, Error> {
    let mut settings = Settings::new();
    for row in view.settings()? {
        apply(&mut settings, row.function, row.key, row.setting);
    }
    Ok(settings)
}

fn apply(settings: &mut Settings, name: FunctionName, key: String, setting: Option<Setting>) {
    let own = settings.entry(name).or_default();
    match setting {
        Some(setting) => drop(own.insert(key, setting)),
        None => drop(own.remove(&key)),
    }
    if own.is_empty() {
        settings.remove(&name);
    }
}

impl Registry {
    /// The configuration of a function, by key.
    pub(crate) fn config(&self, name: FunctionName) -> Vec<ConfigEntry> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        let entry = |(key, setting): (&String, &Setting)| match setting {
            Setting::Config(value) => Some(ConfigEntry { key: key.clone(), value: value.clone() }),
            Setting::Secret(_) | Setting::Budget(_) => None,
        };
        settings.get(&name).into_iter().flatten().filter_map(entry).collect()
    }

    /// The secrets that a function has or asks for, by key.
    pub(crate) fn secrets(&self, name: FunctionName) -> Result<Vec<SecretEntry>, Error> {
        let line = self.lines()?.remove(&name).map(|(_, line)| line).unwrap_or_default();
        let declared: BTreeSet<String> =
            line.versions().flat_map(|version| version.manifest.secrets.clone()).collect();
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        let own = settings.get(&name).into_iter().flatten();
        let set: BTreeSet<String> = own
            .filter(|(_, setting)| Kind::of(setting) == Kind::Secret)
            .map(|(key, _)| key.clone())
            .collect();
        let entry = |key: &String| SecretEntry {
            key: key.clone(),
            is_set: set.contains(key),
            is_declared: declared.contains(key),
        };
        Ok(set.union(&declared).map(entry).collect())
    }

    /// Sets a value of configuration. Durable on return.
    pub(crate) async fn set_config(
        &self,
        name: FunctionName,
        key: &str,
        value: Bytes,
        told: &Told,
    ) -> Result<(), Error> {
        if value.len() > CONFIG_BYTES_MAX {
            return Err(too_long("a value of configuration", value.len(), CONFIG_BYTES_MAX));
        }
        self.set(name, key, Setting::Config(value), told).await
    }

    /// Sets a secret. Durable on return.
    pub(crate) async fn set_secret(
        &self,
        name: FunctionName,
        key: &str,
        plain: &[u8],
        told: &Told,
    ) -> Result<(), Error> {
        if plain.is_empty() || plain.len() > SECRET_BYTES_MAX {
            return Err(too_long("a secret is not empty and", plain.len(), SECRET_BYTES_MAX));
        }
        if plain.iter().any(u8::is_ascii_control) {
            return Err(Error::Invalid(
                "a secret goes into a header of HTTP: it holds no line breaks and no control characters"
                    .into(),
            ));
        }
        let sealed = self.seal.seal(&name, key, plain).map_err(|error| Error::Seal(format!("{error:#}")))?;
        self.set(name, key, Setting::Secret(sealed.into()), told).await
    }

    /// Removes a value of configuration. Durable on return.
    pub(crate) async fn remove_config(
        &self,
        name: FunctionName,
        key: &str,
        told: &Told,
    ) -> Result<(), Error> {
        self.remove(name, key, Kind::Config, told).await
    }

    /// Removes a secret. Durable on return.
    pub(crate) async fn remove_secret(
        &self,
        name: FunctionName,
        key: &str,
        told: &Told,
    ) -> Result<(), Error> {
        self.remove(name, key, Kind::Secret, told).await
    }

    /// Fuel that the functions of each owner may burn in a second, in each partition, by owner.
    pub(crate) fn budgets(&self) -> Vec<(FunctionName, u64)> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        let budget = |(owner, own): (&FunctionName, &BTreeMap<String, Setting>)| match own.get(BUDGET_KEY)? {
            Setting::Budget(fuel) => Some((*owner, *fuel)),
            Setting::Config(_) | Setting::Secret(_) => None,
        };
        settings.iter().filter_map(budget).collect()
    }

    /// Bounds the fuel of an owner's functions, or takes the bound away. Durable on return.
    pub(crate) async fn set_budget(
        &self,
        owner: FunctionName,
        fuel_per_s: Option<u64>,
        told: &Told,
    ) -> Result<(), Error> {
        if owner_of(&owner) != owner {
            return Err(Error::Invalid(format!(
                "'{owner}' is no owner: that is what stands before the first dot"
            )));
        }
        let _one_at_a_time = self.acts.lock().await;
        if fuel_per_s.is_none() && self.setting(&owner, BUDGET_KEY).is_none() {
            return Err(Error::Missing(format!("budget of '{owner}'")));
        }
        self.note(owner, BUDGET_KEY, Kind::Budget, fuel_per_s.map(Setting::Budget), told).await
    }

    /// What a secret is, for the requests of its function; `None` if it is not set or was sealed with another key.
    pub(crate) fn secret(&self, name: &FunctionName, key: &str) -> Option<Zeroizing<Vec<u8>>> {
        let sealed = match self.setting(name, key)? {
            Setting::Secret(sealed) => sealed,
            Setting::Config(_) | Setting::Budget(_) => return None,
        };
        self.seal.unseal(name, key, &sealed)
    }

    fn setting(&self, name: &FunctionName, key: &str) -> Option<Setting> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        settings.get(name)?.get(key).cloned()
    }

    async fn set(&self, name: FunctionName, key: &str, setting: Setting, told: &Told) -> Result<(), Error> {
        // Under the same rule as other names: a manifest names secrets so.
        FunctionName::parse(key).map_err(|error| Error::Invalid(format!("the key '{key}': {error}")))?;
        let _one_at_a_time = self.acts.lock().await;
        let kind = Kind::of(&setting);
        match self.setting(&name, key) {
            Some(known) if Kind::of(&known) != kind => {
                return Err(Error::Exists(format!(
                    "{} '{key}' of function '{name}'",
                    Kind::of(&known).word()
                )));
            }
            Some(_) => {}
            None => {
                let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
                if settings.get(&name).is_some_and(|own| own.len() >= KEYS_MAX) {
                    return Err(Error::Invalid(format!(
                        "function '{name}' has {KEYS_MAX} keys: there is room for no more"
                    )));
                }
            }
        }
        self.note(name, key, kind, Some(setting), told).await
    }

    async fn remove(&self, name: FunctionName, key: &str, kind: Kind, told: &Told) -> Result<(), Error> {
        let _one_at_a_time = self.acts.lock().await;
        match self.setting(&name, key) {
            Some(known) if Kind::of(&known) == kind => self.note(name, key, kind, None, told).await,
            Some(_) | None => Err(Error::Missing(format!("{} '{key}' of function '{name}'", kind.word()))),
        }
    }

    /// Records a setting, then lets it be read. The acts lock is held.
    async fn note(
        &self,
        name: FunctionName,
        key: &str,
        kind: Kind,
        setting: Option<Setting>,
        told: &Told,
    ) -> Result<(), Error> {
        let change = Change::Setting { name, key: key.into(), setting: setting.clone() };
        let (deed, subject) = match (kind, &setting) {
            (Kind::Config, Some(_)) => (Deed::SetConfig, format!("{name}: {key}")),
            (Kind::Config, None) => (Deed::RemoveConfig, format!("{name}: {key}")),
            (Kind::Secret, Some(_)) => (Deed::SetSecret, format!("{name}: {key}")),
            (Kind::Secret, None) => (Deed::RemoveSecret, format!("{name}: {key}")),
            (Kind::Budget, Some(_)) => (Deed::SetBudget, name.to_string()),
            (Kind::Budget, None) => (Deed::RemoveBudget, name.to_string()),
        };
        if self.record_deed(vec![change], deed, subject, told).await?.is_some() {
            let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
            apply(&mut settings, name, key.into(), setting);
        }
        Ok(())
    }
}

fn too_long(what: &str, got: usize, max: usize) -> Error {
    Error::Invalid(format!("{what} has at most {max} bytes, this one has {got}"))
}
