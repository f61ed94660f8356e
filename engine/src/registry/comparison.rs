//! What a dark version does beside the one that counts.
//!
//! Events that both handled the same leave no trace but in the counters, which begin at zero when the engine starts;
//! events that they handled differently are rows of the state, of which the newest are kept. So after a restart
//! differences are still known, and what was the same is counted anew.

use super::sums::Sums;
use super::{Error, Registry, line};
use crate::metrics::Metrics;
use fleetfn_core::Offset;
use fleetfn_core::deployment::{ModuleHash, Version};
use fleetfn_core::difference::Difference;
use fleetfn_core::invocation::Role;
use fleetfn_protocol::FunctionName;
use std::sync::PoisonError;

/// Most examples that are shown.
const EXAMPLES_MAX: usize = 20;

/// Most differences that are counted: each holds the effects of both versions.
const COUNTED_MAX: usize = 1_000;

/// The counters when a dark version began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    dark: ModuleHash,
    of_live: Sums,
    of_dark: Sums,
}

/// A dark version beside the live one.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    /// The live version, if there is one.
    pub(crate) live: Option<Version>,
    /// The dark version.
    pub(crate) dark: Version,
    /// What counts, since the dark version began or the engine was started, whichever was later.
    pub(crate) of_live: Sums,
    /// What ran dark, over the same time.
    pub(crate) of_dark: Sums,
    /// Events of that time that were handled differently.
    pub(crate) different: u64,
    /// All that are known, of before the start as well.
    pub(crate) different_ever: u64,
    /// Whether there are more differences than were counted.
    pub(crate) is_cut: bool,
    /// The newest of them, newest first.
    pub(crate) examples: Vec<Difference>,
}

impl Comparison {
    /// Why the dark version should not be promoted without a person's approval, if anything speaks against it.
    pub(crate) fn objection(&self) -> Option<String> {
        match (self.different_ever, self.of_dark.invocations) {
            (0, 0) => Some("no event was compared yet".into()),
            (0, _) if self.has_other_triggers() => {
                Some("it has other triggers than the live version: only what it handles was compared".into())
            }
            (0, _) => None,
            (1, _) => Some("1 event was handled differently".into()),
            (count, _) if self.is_cut => Some(format!("{count} or more events were handled differently")),
            (count, _) => Some(format!("{count} events were handled differently")),
        }
    }

    /// Whether the live version may handle events that the dark one does not: they run nothing dark.
    fn has_other_triggers(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.manifest.triggers != self.dark.manifest.triggers)
    }
}

impl Registry {
    /// Remembers the counters when a dark version begins.
    pub(super) fn begin_comparison(&self, name: FunctionName, dark: ModuleHash) {
        let (of_live, of_dark) = sums(&self.metrics, name, dark);
        let mut bases = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        bases.insert(name, Base { dark, of_live, of_dark });
    }

    /// Compares the dark version of a function with what counts.
    pub(crate) fn compare(&self, name: FunctionName) -> Result<Comparison, Error> {
        let (_, line) = self.function(name)?;
        let dark_since = line.dark_since;
        let source = line::Error::None(line::Candidate::Dark);
        let dark = line.dark.ok_or(Error::Line { name, source })?;
        let (of_live, of_dark) = sums(&self.metrics, name, dark.hash);
        let base = self.compared.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
        let base = base.filter(|base| base.dark == dark.hash);
        let (live_base, dark_base) = base.map(|base| (base.of_live, base.of_dark)).unwrap_or_default();
        let mut examples = self.store.view().differences(&name, COUNTED_MAX)?;
        let is_cut = examples.len() >= COUNTED_MAX;
        let of_this = |difference: &Difference| {
            difference.offset >= dark_since
                && difference.dark.as_ref().is_none_or(|side| side.version == dark.hash)
        };
        examples.retain(of_this);
        let counted =
            |from: Offset| examples.iter().filter(|difference| difference.offset >= from).count() as u64;
        let (different, different_ever) = (counted(self.counted_from), counted(Offset(0)));
        examples.truncate(EXAMPLES_MAX);
        Ok(Comparison {
            live: line.live,
            dark,
            of_live: of_live.since(live_base),
            of_dark: of_dark.since(dark_base),
            different,
            different_ever,
            is_cut,
            examples,
        })
    }
}

/// Of all versions that count, and of the dark one.
fn sums(metrics: &Metrics, name: FunctionName, dark: ModuleHash) -> (Sums, Sums) {
    (Sums::of_function(metrics, name), Sums::of_version(metrics, name, dark, Role::Dark))
}
