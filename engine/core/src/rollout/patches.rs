//! Patches that a node has made since the rollout began: they go with every offer from then on.
//!
//! The policy has those that were there at the start, and never changes; what came later is a row of its own, of which an
//! offer takes the newest.

use super::RolloutError;
use super::book::Book;
use super::input::NewPatches;
use super::machine::Machine;
use super::policy::{Patch, Policy, Release};
use crate::invocation::StateReader;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Key of the row.
pub(super) const PATCHES: &str = "patches";

/// Patches by the release that they make, as in `fan@2.4.1`.
type Known = BTreeMap<String, Vec<Patch>>;

/// What a rollout may bring, each with the patches that are known for it now.
///
/// # Errors
/// [`RolloutError`] if the row cannot be read.
pub fn releases(reader: &dyn StateReader, policy: &Policy) -> Result<Vec<Release>, RolloutError> {
    with_patches(&Book::new(reader), policy)
}

fn with_patches(book: &Book<'_>, policy: &Policy) -> Result<Vec<Release>, RolloutError> {
    let mut known: Known = book.get(PATCHES)?.unwrap_or_default();
    let newest = |release: &Release| {
        let patches = known.remove(&release.reference()).unwrap_or_else(|| release.patches.clone());
        Release { patches, ..release.clone() }
    };
    Ok(policy.releases().map(newest).collect())
}

impl Machine<'_> {
    /// A node has made patches.
    pub(super) fn take_patches(&mut self, new: NewPatches) -> Result<(), RolloutError> {
        let NewPatches { release, patches } = new;
        if !self.policy.releases().any(|known| known.reference() == release) {
            self.ignore(format!("the policy names no release '{release}'"));
            return Ok(());
        }
        let mut known: Known = self.book.get(PATCHES)?.unwrap_or_default();
        let from: Vec<String> = patches.iter().map(|patch| patch.from.to_string()).collect();
        let why = match from.as_slice() {
            [] => "none is left".into(),
            _ => format!("from sequence {}", from.join(", ")),
        };
        if known.get(&release) == Some(&patches) {
            self.ignore("these patches were known");
            return Ok(());
        }
        self.note(super::history::ITSELF, format!("has patches to {release}"), why);
        known.insert(release, patches);
        self.book.put(PATCHES.into(), &known);
        Ok(())
    }

    /// What is offered now: the release, and its variants.
    pub(super) fn offered(&self) -> Result<(Release, Vec<Release>), RolloutError> {
        let mut releases = with_patches(&self.book, &self.policy)?;
        let variants = releases.split_off(1);
        let release = releases.pop().unwrap_or_else(|| self.policy.release.clone());
        Ok((release, variants))
    }
}
