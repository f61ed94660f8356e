//! What was handed to the agent and is still in flash, and what became of it.

use crate::mqtt::PacketId;

/// How many messages are with the agent at once: enough to keep a slow link busy over a round trip, few enough that a
/// flush does not read far.
const MESSAGES_MAX: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// With the agent.
    Handed,
    /// Out of flash, to make room, and with the agent still.
    Evicted,
    /// Delivered, and in flash still.
    Settled,
    /// Delivered, and being taken out of flash.
    Removing,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    number: u64,
    packet: PacketId,
    state: State,
}

/// The messages that the agent has, by number and packet identifier.
#[derive(Debug)]
pub(super) struct Window {
    slots: [Option<Slot>; MESSAGES_MAX],
    /// The agent has said that it takes no more for now.
    closed: bool,
}

impl Window {
    pub(super) const fn new() -> Self {
        Self { slots: [None; MESSAGES_MAX], closed: false }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.closed && self.slots.iter().any(Option::is_none)
    }

    /// Has no room until [`Window::begin`].
    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    /// A walk over the flash begins. One that failed or was dropped may have left an entry half taken out.
    pub(super) fn begin(&mut self) {
        self.closed = false;
        for slot in self.slots.iter_mut().flatten().filter(|slot| slot.state == State::Removing) {
            slot.state = State::Settled;
        }
    }

    pub(super) fn hand(&mut self, number: u64, packet: PacketId) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(Slot { number, packet, state: State::Handed });
        }
    }

    /// The agent has done with a packet; `false` if it is none of these.
    pub(super) fn settle(&mut self, packet: PacketId) -> bool {
        let with_agent =
            |slot: &Slot| slot.packet == packet && matches!(slot.state, State::Handed | State::Evicted);
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.as_ref().is_some_and(with_agent)) else {
            return false;
        };
        *slot = slot
            .filter(|slot| slot.state == State::Handed)
            .map(|slot| Slot { state: State::Settled, ..slot });
        true
    }

    /// An entry is taken out of flash to make room; `true` if the agent has it or has delivered it.
    pub(super) fn evict(&mut self, number: u64) -> bool {
        let wanted = |slot: &Slot| slot.number == number;
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.as_ref().is_some_and(wanted)) else {
            return false;
        };
        *slot = slot
            .filter(|slot| matches!(slot.state, State::Handed | State::Evicted))
            .map(|slot| Slot { state: State::Evicted, ..slot });
        true
    }

    pub(super) fn is_handed(&self, number: u64) -> bool {
        self.slots.iter().flatten().any(|slot| slot.number == number)
    }

    /// Whether the entry is delivered: then it is to be taken out of flash.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let settled = |slot: &&mut Slot| slot.number == number && slot.state == State::Settled;
        let Some(slot) = self.slots.iter_mut().flatten().find(settled) else { return false };
        slot.state = State::Removing;
        true
    }

    pub(super) fn has_settled(&self) -> bool {
        self.slots.iter().flatten().any(|slot| slot.state == State::Settled)
    }

    /// A walk over the flash is over, and what it took out is gone; if it saw all entries, what it did not see is, too.
    pub(super) fn end(&mut self, saw_all: bool) {
        for slot in &mut self.slots {
            *slot = slot.filter(|slot| match slot.state {
                State::Handed | State::Evicted => true,
                State::Settled => !saw_all,
                State::Removing => false,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MESSAGES_MAX, Window};
    use crate::mqtt::PacketId;
    use std::vec::Vec;

    fn full() -> (Window, Vec<PacketId>) {
        let mut window = Window::new();
        let mut packets = Vec::new();
        for number in 0..MESSAGES_MAX {
            let packet = PacketId::after(packets.last().map_or(0, |last: &PacketId| last.get()));
            window.hand(number.try_into().expect("small"), packet);
            packets.push(packet);
        }
        (window, packets)
    }

    #[test]
    fn a_message_takes_its_place_until_it_is_out_of_flash() {
        let (mut window, packets) = full();
        assert!(!window.has_room() && !window.has_settled() && !window.remove(3));
        assert!(window.settle(packets[3]) && !window.settle(packets[3]));
        assert!(window.has_settled() && !window.has_room());
        assert!(window.remove(3) && !window.has_settled());
        // It failed, and is done again.
        window.begin();
        assert!(window.has_settled() && window.remove(3));
        window.end(false);
        assert!(window.has_room() && !window.is_handed(3) && window.is_handed(4));
    }

    #[test]
    fn what_a_whole_walk_did_not_see_is_gone() {
        let (mut window, packets) = full();
        assert!(window.settle(packets[0]));
        window.end(false);
        assert!(window.has_settled());
        window.end(true);
        assert!(!window.has_settled() && window.has_room());
    }

    #[test]
    fn an_evicted_message_is_awaited_and_not_taken_out() {
        let (mut window, packets) = full();
        assert!(window.evict(2) && !window.evict(99));
        assert!(window.settle(packets[2]) && !window.has_settled() && window.has_room());
        assert!(window.settle(packets[5]) && window.evict(5) && !window.has_settled());
    }

    #[test]
    fn a_closed_window_has_no_room_until_it_begins_anew() {
        let mut window = Window::new();
        window.close();
        assert!(!window.has_room());
        window.begin();
        assert!(window.has_room());
    }
}
