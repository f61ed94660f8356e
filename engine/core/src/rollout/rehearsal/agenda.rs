//! What happens to devices, and when: the earliest first, and what is for the same time in the order in which it came up.

use alloc::collections::BTreeMap;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    /// A device takes its offer.
    Takes,
    /// It tells how far its download is.
    Tells,
    /// It has the image.
    Has,
    /// It has tried it.
    Tried,
    /// It is there again.
    IsHere,
    /// It is missed.
    IsMissed {
        /// When it was heard last.
        since_ms: u64,
    },
    /// A gate answers: the number is that of the gate, and its question is the generation.
    Answers,
}

/// Something for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Number of the device, or of the gate.
    pub(super) whom: usize,
    /// The offer that it is about.
    pub(super) generation: u32,
    /// What.
    pub(super) what: Happening,
}

#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BTreeMap<(u64, u64), Entry>,
    number: u64,
    missed: usize,
}

impl Agenda {
    pub(super) fn add(&mut self, at_ms: u64, entry: Entry) {
        self.number += 1;
        self.missed += usize::from(matches!(entry.what, Happening::IsMissed { .. }));
        self.entries.insert((at_ms, self.number), entry);
    }

    /// When the next is.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.entries.keys().next().map(|(at_ms, _)| *at_ms)
    }

    pub(super) fn take(&mut self) -> Option<Entry> {
        let (_, entry) = self.entries.pop_first()?;
        self.missed -= usize::from(matches!(entry.what, Happening::IsMissed { .. }));
        Some(entry)
    }

    /// Whether a device is still to be missed.
    pub(super) fn has_missed(&self) -> bool {
        self.missed > 0
    }
}
