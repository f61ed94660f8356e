//! Messages of QoS 2 that were received and not yet released: what makes them come exactly once.

/// Most of them: the server may not have more on its way.
const RECEIVED_MAX: usize = super::connect::RECEIVE_MAXIMUM as usize;

/// Packet identifiers of the server, 0 for a free slot.
pub(super) struct Received([u16; RECEIVED_MAX]);

impl Received {
    pub(super) const NONE: Self = Self([0; RECEIVED_MAX]);

    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(|kept| *kept = 0);
    }

    pub(super) fn has(&self, id: u16) -> bool {
        self.0.contains(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().filter(|kept| **kept != 0).count()
    }

    /// Keeps an identifier. Callers have made sure of room.
    pub(super) fn add(&mut self, id: u16) {
        self.replace(0, id);
    }

    /// Forgets an identifier; `false` if it was not there.
    pub(super) fn remove(&mut self, id: u16) -> bool {
        self.replace(id, 0)
    }

    fn replace(&mut self, old: u16, new: u16) -> bool {
        let slot = self.0.iter_mut().find(|kept| **kept == old);
        slot.map(|kept| *kept = new).is_some()
    }
}
