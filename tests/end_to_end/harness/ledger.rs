//! The function that keeps books inside the engine, and what it says in its commands.

/// The module of `ledger.wat`.
pub(crate) fn module() -> Vec<u8> {
    wat::parse_str(include_str!("ledger.wat")).expect("ledger.wat is well formed")
}

/// What the ledger knows after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Events handled so far, this one included.
    pub(crate) count: u64,
    /// Number of this event.
    pub(crate) number: u64,
    /// Events so far whose number was not above that of the one before.
    pub(crate) not_rising: u64,
}

impl Entry {
    /// Reads the payload of the command `count`.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let words: Vec<u64> =
            payload.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_le_bytes)).collect();
        match words.as_slice() {
            &[count, number, not_rising] => Some(Self { count, number, not_rising }),
            _ => None,
        }
    }
}
