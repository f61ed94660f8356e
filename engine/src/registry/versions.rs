//! The versions of a function: what was ever deployed under its name, and what became of each.

use super::{Error, Registry};
use fleetfn_core::deployment::{Deployment, ModuleHash};
use fleetfn_protocol::FunctionName;
use std::collections::BTreeMap;

/// What a version is to its function now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It handles whatever no canary does.
    Live,
    /// It handles so many of a hundred entities.
    Canary(u8),
    /// It runs beside, without effect.
    Dark,
    /// A rollback puts it live.
    Previous,
    /// It does nothing.
    Old,
}

/// A version, as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VersionInfo {
    /// The module.
    pub(crate) hash: ModuleHash,
    /// What it is now.
    pub(crate) state: State,
    /// When it was deployed for the first time, in milliseconds since 1970.
    pub(crate) first_at_ms: u64,
}

impl Registry {
    /// Every version that was deployed under a name, newest first.
    pub(crate) fn versions(&self, name: FunctionName) -> Result<Vec<VersionInfo>, Error> {
        let line = self.lines()?.remove(&name).map(|(_, line)| line);
        let history = self.modules.history(&name).map_err(Error::Module)?;
        if line.is_none() && history.is_empty() {
            return Err(Error::Missing(format!("function '{name}'")));
        }
        Ok(list(&line.unwrap_or_default(), &history))
    }

    /// The version that the beginning of a hash means.
    pub(crate) fn resolve_version(&self, name: FunctionName, beginning: &str) -> Result<ModuleHash, Error> {
        let versions = self.versions(name)?;
        let fits = |version: &&VersionInfo| version.hash.to_string().starts_with(beginning);
        let mut fitting = versions.iter().filter(fits).map(|version| version.hash);
        match (fitting.next(), fitting.next()) {
            (Some(hash), None) => Ok(hash),
            (Some(one), Some(other)) => Err(Error::Ambiguous(format!(
                "version '{beginning}' of function '{name}' could be {one} or {other}"
            ))),
            (None, _) => Err(Error::Missing(format!("version '{beginning}' of function '{name}'"))),
        }
    }
}

/// Versions of the line and of the history together: the record may be there without its line of history after a
/// copy of the data directory that left the history out.
fn list(line: &Deployment, history: &[(ModuleHash, u64)]) -> Vec<VersionInfo> {
    let canary = line.canary.as_ref();
    let current = [
        (line.live.as_ref(), State::Live),
        (canary.map(|canary| &canary.version), State::Canary(canary.map_or(0, |canary| canary.percent))),
        (line.dark.as_ref(), State::Dark),
        (line.previous.as_ref(), State::Previous),
    ];
    let mut all: BTreeMap<ModuleHash, (State, u64)> = BTreeMap::new();
    for (version, state) in current.into_iter().filter_map(|(version, state)| Some((version?, state))) {
        all.entry(version.hash).or_insert((state, version.deployed_at_ms));
    }
    for (hash, at_ms) in history {
        let (_, first_at_ms) = all.entry(*hash).or_insert((State::Old, *at_ms));
        *first_at_ms = *at_ms;
    }
    let info = |(hash, (state, first_at_ms))| VersionInfo { hash, state, first_at_ms };
    let mut list: Vec<VersionInfo> = all.into_iter().map(info).collect();
    list.sort_by(|a, b| b.first_at_ms.cmp(&a.first_at_ms).then(a.hash.cmp(&b.hash)));
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetfn_core::deployment::{Canary, Manifest, Version};

    fn version(number: u8, deployed_at_ms: u64) -> Version {
        let manifest = Manifest::new(FunctionName::parse("climate").expect("a name"));
        Version { hash: ModuleHash([number; 32]), manifest, deployed_at_ms }
    }

    #[test]
    fn every_version_is_listed_once_with_what_it_is_now_newest_first() {
        let line = Deployment {
            live: Some(version(3, 300)),
            canary: Some(Canary { version: version(4, 900), percent: 10 }),
            dark: Some(version(5, 500)),
            previous: Some(version(2, 200)),
            ..Deployment::default()
        };
        let history: Vec<_> =
            (1..=4).map(|number| (ModuleHash([number; 32]), u64::from(number) * 100)).collect();
        let listed: Vec<_> = list(&line, &history)
            .into_iter()
            .map(|info| (info.hash.0[0], info.state, info.first_at_ms))
            .collect();
        assert_eq!(
            listed,
            [
                (5, State::Dark, 500),
                (4, State::Canary(10), 400),
                (3, State::Live, 300),
                (2, State::Previous, 200),
                (1, State::Old, 100),
            ]
        );
    }
}
