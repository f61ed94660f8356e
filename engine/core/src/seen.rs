//! De-duplication by message id: the newest ids of one entity.
//!
//! A sender that repeats a message (a device whose PUBACK was lost) repeats its id, kind and detail. Only hashes
//! are kept, and only of events that had an effect.

use crate::event::Event;
use crate::position::fnv1a;
use alloc::vec::Vec;

/// Ids kept per entity: a device has at most its receive maximum in flight when a connection breaks, and 64 is
/// above what clients use; 512 bytes a commit.
const IDS_MAX: usize = 64;

/// The newest message ids of one entity, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    ids: Vec<u64>,
    changed: bool,
}

/// What is kept of a message id; `None` for an event without one.
pub(crate) fn fingerprint(event: &Event) -> Option<u64> {
    let id = event.message_id();
    if id.is_empty() {
        return None;
    }
    // A service and a device, or two channels of a device, may count their messages independently.
    let kind = event.kind();
    let (code, detail) = kind.source();
    Some(fnv1a([code].iter().chain(detail.as_bytes()).chain(&[0]).chain(id.as_bytes())))
}

impl Seen {
    pub(crate) fn new(ids: Vec<u64>) -> Self {
        Self { ids, changed: false }
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    pub(crate) fn insert(&mut self, id: u64) {
        let surplus = (self.ids.len() + 1).saturating_sub(IDS_MAX);
        self.ids.drain(..surplus.min(self.ids.len()));
        self.ids.push(id);
        self.changed = true;
    }

    /// The ids, if they are not those that were read.
    pub(crate) fn into_changed(self) -> Option<Vec<u64>> {
        self.changed.then_some(self.ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_sixty_four_ids_are_kept() {
        let mut seen = Seen::new((0..64).collect());
        assert_eq!(seen.clone().into_changed(), None);
        seen.insert(64);
        assert!(!seen.contains(0) && seen.contains(1) && seen.contains(64));
        assert_eq!(seen.into_changed().map(|ids| ids.len()), Some(64));
    }
}
