//! The way of one device's outbox to the device: what is handed over, in which order, and when again.
//!
//! The outbox itself is in the store; this keeps how far it was read and the ids of what a session holds, never
//! the entries. An entry leaves the outbox when the device acknowledges it or when it expires. A session that
//! begins to receive gets everything that is left, from the first on: so a device sees its commands in order, at
//! least once, each under an id that never changes.
//!
//! ```text
//! outbox in the store:   [ handed over, passed over .. `after` ][ unread .................. ]
//! ```
//! While nothing is unread a new entry is handed over straight from the commit, and the store is not read. An entry
//! that no session wants is passed over, so that it does not hold up those behind it; it is offered again when a
//! session begins to receive.

use alloc::vec::Vec;
use fleetfn_protocol::EffectId;

/// Entries that a session may hold unacknowledged: what an MQTT client takes in one round trip without a receive
/// maximum of its own, and a bound on what a reconnect repeats.
pub const WINDOW_MAX: usize = 16;

/// The store is read again once this many are left with the session: half a window a read, not an entry a read.
const REFILL_AT: usize = WINDOW_MAX / 2;

/// Entries that may wait for one device: an hour of a command every 4 seconds. An event that would add more
/// becomes a dead letter as a whole: a full outbox holds up neither its partition nor other devices. What the device is told
/// about its job comes on top: one entry at most.
pub const ENTRIES_MAX: usize = 1_000;

/// Whether it makes sense to offer anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Yes: at worst nobody wants it.
    Open,
    /// The session has no room until it acknowledges something.
    Full,
    /// Entries are left from before the start, and no session has begun to receive since.
    Silent,
}

/// A page of the outbox to be read from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Entries above this one; `None` from the first on.
    pub after: Option<EffectId>,
    /// At most so many, at least one.
    pub limit: usize,
}

/// What to do with an entry that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Hand it over, then tell how that went.
    HandOver,
    /// It is with the session already, or has expired: go on with the next.
    Skip,
    /// Nobody takes more: leave the rest of the page.
    Stop,
}

/// Where the hand-over of one device stands. Lost in a crash without harm: the next session starts over.
#[derive(Debug)]
pub struct Delivery {
    /// Entries in the outbox, with those of a turn that is not committed yet.
    waiting: usize,
    /// What the session holds, at most [`WINDOW_MAX`].
    handed: Vec<EffectId>,
    /// How far the outbox was gone through.
    after: Option<EffectId>,
    /// Whether the store may hold entries above `after`.
    unread: bool,
    reach: Reach,
}

impl Delivery {
    /// A device whose outbox holds `waiting` entries, of which none is with a session.
    #[must_use]
    pub fn new(waiting: usize) -> Self {
        let reach = if waiting > 0 { Reach::Silent } else { Reach::Open };
        Self { waiting, handed: Vec::new(), after: None, unread: waiting > 0, reach }
    }

    /// Whether nothing waits: the value may be dropped, and made anew with [`Delivery::new`]`(0)` when it is needed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting == 0
    }

    /// Makes room for entries that are about to be committed; `false` if there is none, and then for none of them.
    #[must_use]
    pub fn reserve(&mut self, count: usize) -> bool {
        let after = self.waiting.saturating_add(count);
        let fits = after <= ENTRIES_MAX;
        if fits {
            self.waiting = after;
        }
        fits
    }

    /// Makes room for what the device is told about its job, which takes the place of what it was told before.
    pub fn reserve_job(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_add(count);
    }

    /// A reserved entry is committed. Whether to hand it over now.
    #[must_use]
    pub fn handle_put(&mut self, effect: EffectId) -> bool {
        let now = !self.unread && self.reach == Reach::Open && self.handed.len() < WINDOW_MAX;
        if !now {
            self.unread = true;
            if self.after.is_some_and(|after| effect < after) {
                self.after = None;
            }
        }
        now
    }

    /// The session took an entry.
    pub fn handle_delivered(&mut self, effect: EffectId) {
        self.handed.push(effect);
        self.after = self.after.max(Some(effect));
    }

    /// The session has no room for the entry: offered again after the next acknowledgement.
    pub fn handle_full(&mut self) {
        self.reach = Reach::Full;
        self.unread = true;
    }

    /// No session wants the entry: offered again when one begins to receive. What the last one held stays
    /// acknowledgeable.
    pub fn handle_unwanted(&mut self, effect: EffectId) {
        self.after = self.after.max(Some(effect));
    }

    /// A session begins to receive: everything that is left is handed over, from the first on.
    pub fn handle_listening(&mut self) {
        self.handed = Vec::new();
        self.after = None;
        self.unread = self.waiting > 0;
        self.reach = Reach::Open;
    }

    /// The device has an entry. Whether it was waiting and is now to be deleted.
    #[must_use]
    pub fn handle_acknowledged(&mut self, effect: EffectId) -> bool {
        if self.reach == Reach::Full {
            self.reach = Reach::Open;
        }
        self.remove(effect)
    }

    /// An entry has expired and is deleted.
    pub fn handle_expired(&mut self, effect: EffectId) {
        if !self.remove(effect) {
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    fn remove(&mut self, effect: EffectId) -> bool {
        let Some(at) = self.handed.iter().position(|handed| *handed == effect) else {
            return false;
        };
        self.handed.remove(at);
        self.waiting = self.waiting.saturating_sub(1);
        true
    }

    /// Whether an acknowledgement lets more be handed over: then it should not wait.
    #[must_use]
    pub fn is_starved(&self) -> bool {
        self.unread && self.reach != Reach::Silent
    }

    /// What to read from the store now. What was acknowledged must have been committed before.
    #[must_use]
    pub fn poll_page(&self) -> Option<Page> {
        let wanted = self.unread && self.reach == Reach::Open && self.handed.len() <= REFILL_AT;
        let limit = WINDOW_MAX.saturating_sub(self.handed.len());
        (wanted && limit > 0).then_some(Page { after: self.after, limit })
    }

    /// What to do with the next entry of the page.
    #[must_use]
    pub fn poll_offer(&mut self, effect: EffectId, expires_at_ms: u64, now_ms: u64) -> Offer {
        if self.reach != Reach::Open || self.handed.len() >= WINDOW_MAX {
            return Offer::Stop;
        }
        if expires_at_ms <= now_ms || self.handed.contains(&effect) {
            self.handle_unwanted(effect);
            return Offer::Skip;
        }
        Offer::HandOver
    }

    /// The page was gone through to its end, and there is nothing above it.
    pub fn handle_end(&mut self) {
        self.unread = false;
    }
}

#[cfg(test)]
mod tests;
