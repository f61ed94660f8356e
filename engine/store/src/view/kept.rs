//! Rows of which only the newest are kept, by the order of their keys: dead letters and differences.

use crate::key::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// Dead letters that a partition keeps: with 64 partitions more than anybody reads, at most 96 KB each.
pub(crate) const LETTERS_MAX: usize = 256;

/// Differences that a partition keeps of one function: enough to see what they have in common, at most 17 KB each.
pub(crate) const DIFFERENCES_MAX: usize = 64;

/// The keys of such rows in one partition.
#[derive(Debug, Default)]
pub(crate) struct Kept(BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>);

/// What the keys of rows that are counted together begin with, and how many of them are kept.
fn family(key: &[u8]) -> Option<(&[u8], usize)> {
    let kind = *key.first()?;
    if kind == Kind::DeadLetter as u8 {
        Some((key.get(..3)?, LETTERS_MAX))
    } else if kind == Kind::Difference as u8 {
        // Behind the function stands the offset.
        Some((key.get(..key.len().checked_sub(8)?)?, DIFFERENCES_MAX))
    } else {
        None
    }
}

impl Kept {
    /// Takes note of a row that was put; the key of the row that has to go for it, which may be its own.
    pub(crate) fn handle_put(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let (family, max) = family(key)?;
        let keys = match self.0.get_mut(family) {
            Some(keys) => keys,
            None => self.0.entry(family.to_vec()).or_default(),
        };
        keys.insert(key.to_vec());
        if keys.len() > max { keys.pop_first() } else { None }
    }

    /// Takes note of a row that was deleted.
    pub(crate) fn handle_delete(&mut self, key: &[u8]) {
        let Some((family, _)) = family(key) else { return };
        if let Some(keys) = self.0.get_mut(family) {
            keys.remove(key);
            if keys.is_empty() {
                self.0.remove(family);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{dead_letter, difference, state};
    use fleetfn_core::{Offset, PartitionId};
    use fleetfn_protocol::FunctionName;

    #[test]
    fn the_oldest_goes_and_what_was_deleted_leaves_room() {
        let (mut kept, function): (_, FunctionName) = (Kept::default(), "f".parse().expect("a name"));
        let other: FunctionName = "g".parse().expect("a name");
        let row = |function, offset| difference::encode(PartitionId(1), function, Offset(offset));
        for offset in 1..=64 {
            assert_eq!(kept.handle_put(&row(&function, offset)), None);
        }
        assert_eq!(kept.handle_put(&row(&other, 1)), None, "functions are counted apart");
        assert_eq!(kept.handle_put(&row(&function, 9)), None, "it is there already");
        assert_eq!(kept.handle_put(&row(&function, 0)), Some(row(&function, 0)), "it is the oldest");
        assert_eq!(kept.handle_put(&row(&function, 65)), Some(row(&function, 1)));
        kept.handle_delete(&row(&function, 30));
        assert_eq!(kept.handle_put(&row(&function, 66)), None);
        assert_eq!(kept.handle_put(&state::encode(PartitionId(1), b"dx", &function, b"k")), None);
        for offset in 0..300 {
            let gone = kept.handle_put(&dead_letter::encode(PartitionId(1), Offset(offset), &function));
            assert_eq!(gone.is_some(), offset >= 256);
        }
    }
}
