//! The configuration of functions: a fold over the settings of operators, asked for any place in the log.

use crate::commit::Setting;
use crate::position::Offset;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use bytes::Bytes;
use fleetfn_protocol::FunctionName;

/// What one function may read, by key.
pub type Config = BTreeMap<String, Bytes>;

/// The configuration of every function, with what it was before.
#[derive(Debug, Default)]
pub struct Settings {
    functions: BTreeMap<FunctionName, BTreeMap<Offset, Arc<Config>>>,
    budgets: BTreeMap<FunctionName, BTreeMap<Offset, Option<u64>>>,
    none: Arc<Config>,
}

/// Fuel that functions of an owner without a budget burn in a second in each partition while others share the node;
/// more waits for its turn. On a node with 64 partitions half a billion, about half of a core: what small functions
/// stay below.
pub const SHARE_FUEL_PER_S: u64 = 8_000_000;

/// The part of a second's share that may be burnt at once.
const SHARE_BURST: u64 = 8;

/// How much of its fuel an owner may burn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// In a second, in each partition.
    pub fuel_per_s: u64,
    /// At once, in each partition.
    pub burst: u64,
    /// What becomes of more.
    pub beyond: Beyond,
}

/// What becomes of events beyond an [`Allowance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// They wait until there is fuel again.
    Wait,
    /// They wait for their turn among others that are behind.
    TakeTurns,
}

/// Key under which the budget of an owner is set; no function's configuration may have it.
pub const BUDGET_KEY: &str = "~fuel-per-s";

/// Whom a function belongs to: what stands before the first dot of its name, or all of it.
#[must_use]
pub fn owner_of(function: &FunctionName) -> FunctionName {
    let owner = function.as_str().split('.').next();
    owner.and_then(|owner| FunctionName::parse(owner).ok()).unwrap_or(*function)
}

impl Settings {
    /// Takes one retained setting or deletion (`None`) into account, in the order of the log. Secrets are not for
    /// functions to read.
    pub fn handle_setting(
        &mut self,
        since: Offset,
        name: FunctionName,
        key: &str,
        setting: Option<&Setting>,
    ) {
        if key == BUDGET_KEY {
            let budget = match setting {
                Some(Setting::Budget(fuel)) => Some(*fuel),
                Some(Setting::Config(_) | Setting::Secret(_)) | None => None,
            };
            self.budgets.entry(name).or_default().insert(since, budget);
            return;
        }
        let value = match setting {
            Some(Setting::Config(value)) => Some(value.clone()),
            // It may have been readable before.
            Some(Setting::Secret(_) | Setting::Budget(_)) | None => None,
        };
        let versions = self.functions.entry(name).or_default();
        let newest = versions.range(..=since).next_back().map(|(_, config)| Arc::clone(config));
        let mut config = Config::clone(&newest.unwrap_or_default());
        match value {
            Some(value) => drop(config.insert(key.into(), value)),
            None => drop(config.remove(key)),
        }
        versions.insert(since, Arc::new(config));
    }

    /// What a function reads at a place in the log.
    #[must_use]
    pub fn at(&self, offset: Offset, function: &FunctionName) -> &Arc<Config> {
        let newest = self.functions.get(function).and_then(|versions| versions.range(..offset).next_back());
        newest.map_or(&self.none, |(_, config)| config)
    }

    /// What an owner's functions may burn at a place in the log: their budget, or else, if the node is shared with
    /// functions of other owners there, a share; `None` for any.
    #[must_use]
    pub fn allowance(&self, offset: Offset, function: &FunctionName, is_shared: bool) -> Option<Allowance> {
        if self.budgets.is_empty() && !is_shared {
            return None;
        }
        if let Some(fuel_per_s) = self.budget(offset, function) {
            return Some(Allowance { fuel_per_s, burst: fuel_per_s, beyond: Beyond::Wait });
        }
        let (fuel_per_s, burst) = (SHARE_FUEL_PER_S, SHARE_FUEL_PER_S / SHARE_BURST);
        is_shared.then_some(Allowance { fuel_per_s, burst, beyond: Beyond::TakeTurns })
    }

    /// The budget that an operator has set for the owner of a function.
    fn budget(&self, offset: Offset, function: &FunctionName) -> Option<u64> {
        *self.budgets.get(&owner_of(function))?.range(..offset).next_back()?.1
    }

    /// Forgets what no event at or above `offset` reads.
    pub fn forget_before(&mut self, offset: Offset) {
        fn cut<T>(versions: &mut BTreeMap<Offset, T>, offset: Offset) {
            let newest = versions.range(..offset).next_back().map(|(since, _)| *since);
            if let Some(newest) = newest {
                *versions = versions.split_off(&newest);
            }
        }
        self.functions.values_mut().for_each(|versions| cut(versions, offset));
        self.budgets.values_mut().for_each(|versions| cut(versions, offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_what_was_set_before_it_and_never_a_secret() {
        let (mut settings, name) = (Settings::default(), FunctionName::parse("climate").expect("a name"));
        let limit = |text: &'static [u8]| Setting::Config(Bytes::from_static(text));
        settings.handle_setting(Offset(3), name, "limit", Some(&limit(b"30")));
        settings.handle_setting(Offset(5), name, "limit", Some(&limit(b"31")));
        settings.handle_setting(Offset(6), name, "token", Some(&Setting::Secret(Bytes::from_static(b"?"))));
        settings.handle_setting(Offset(7), name, "limit", None);
        let read = |settings: &Settings, at| settings.at(Offset(at), &name).get("limit").cloned();
        assert_eq!(
            [3, 4, 5, 6].map(|at| read(&settings, at)),
            [None, Some("30".into()), Some("30".into()), Some("31".into())]
        );
        assert_eq!((read(&settings, 8), settings.at(Offset(8), &name).len()), (None, 0));
        settings.forget_before(Offset(6));
        assert_eq!(read(&settings, 6), Some("31".into()));
    }
}
