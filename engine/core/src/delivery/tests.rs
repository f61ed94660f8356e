use super::*;
use alloc::collections::BTreeSet;
use fleetfn_protocol::FunctionName;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

fn effect(offset: u64) -> EffectId {
    EffectId { offset, function: FunctionName::parse("f").expect("a name"), index: 0 }
}

/// A store and a session around the machine: what the worker and the broker do.
struct World {
    delivery: Delivery,
    outbox: BTreeSet<EffectId>,
    room: usize,
    session: Option<Vec<EffectId>>,
    /// Whether the session also listens to what every third entry is sent on.
    wide: bool,
    /// What the present session has received, in order.
    received: Vec<EffectId>,
    next: u64,
}

impl World {
    fn new(room: usize) -> Self {
        let (delivery, outbox, received) = (Delivery::new(0), BTreeSet::new(), Vec::new());
        Self { delivery, outbox, room, session: None, wide: true, received, next: 0 }
    }

    fn deliver(&mut self, effect: EffectId) {
        match &mut self.session {
            None => self.delivery.handle_unwanted(effect),
            Some(_) if !self.wide && effect.offset.is_multiple_of(3) => self.delivery.handle_unwanted(effect),
            Some(held) if held.len() >= self.room => self.delivery.handle_full(),
            Some(held) => {
                held.push(effect);
                self.received.push(effect);
                self.delivery.handle_delivered(effect);
            }
        }
    }

    fn put(&mut self) {
        if !self.delivery.reserve(1) {
            return;
        }
        let effect = effect(self.next);
        self.next += 1;
        self.outbox.insert(effect);
        if self.delivery.handle_put(effect) {
            self.deliver(effect);
        }
    }

    fn hand_over(&mut self) {
        while let Some(page) = self.delivery.poll_page() {
            let above = |effect: &&EffectId| page.after.is_none_or(|after| **effect > after);
            let read: Vec<_> = self.outbox.iter().filter(above).take(page.limit).copied().collect();
            let mut all = true;
            for effect in &read {
                match self.delivery.poll_offer(*effect, u64::MAX, 0) {
                    Offer::HandOver => self.deliver(*effect),
                    Offer::Skip => {}
                    Offer::Stop => all = false,
                }
                all &= self.delivery.reach == Reach::Open;
            }
            if all && read.len() < page.limit {
                self.delivery.handle_end();
            }
        }
    }

    fn acknowledge(&mut self) {
        let Some(held) = self.session.as_mut().filter(|held| !held.is_empty()) else {
            return;
        };
        let effect = held.remove(0);
        assert!(self.delivery.handle_acknowledged(effect), "what a session holds is waiting");
        assert!(self.outbox.remove(&effect));
        self.hand_over();
    }

    fn listen(&mut self, wide: bool) {
        self.wide = wide;
        self.session = Some(Vec::new());
        self.received.clear();
        self.delivery.handle_listening();
        self.hand_over();
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Put,
    Acknowledge,
    Listen { wide: bool },
    Leave,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Put),
        6 => Just(Step::Acknowledge),
        1 => any::<bool>().prop_map(|wide| Step::Listen { wide }),
        1 => Just(Step::Leave),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn a_session_gets_what_waits_once_and_in_order(steps in steps(), room in 1_usize..24) {
        let mut world = World::new(room);
        for step in steps {
            match step {
                Step::Put => world.put(),
                Step::Acknowledge => world.acknowledge(),
                Step::Listen { wide } => world.listen(wide),
                Step::Leave => world.session = None,
            }
            prop_assert!(world.received.is_sorted_by(|a, b| a < b), "in order, none twice into one session");
            prop_assert!(world.delivery.handed.len() <= WINDOW_MAX);
            prop_assert_eq!(world.delivery.waiting, world.outbox.len());
        }
        world.listen(false);
        while world.session.as_ref().is_some_and(|held| !held.is_empty()) {
            world.acknowledge();
        }
        prop_assert!(world.outbox.iter().all(|effect| effect.offset.is_multiple_of(3)), "what is wanted gets through");
        world.listen(true);
        while world.session.as_ref().is_some_and(|held| !held.is_empty()) {
            world.acknowledge();
        }
        prop_assert!(world.outbox.is_empty(), "{} entries are stuck", world.outbox.len());
        prop_assert!(world.delivery.is_idle());
    }
}

#[test]
fn a_new_session_gets_again_what_the_last_one_did_not_acknowledge() {
    let mut world = World::new(8);
    world.listen(true);
    (0..3).for_each(|_| world.put());
    world.acknowledge();
    world.listen(true);
    assert_eq!(world.received, [effect(1), effect(2)]);
}

#[test]
fn a_late_acknowledgement_of_a_lost_session_still_counts() {
    let mut world = World::new(8);
    world.listen(true);
    world.put();
    world.session = None;
    world.put();
    assert!(world.delivery.handle_acknowledged(effect(0)));
}

#[test]
fn an_expired_entry_is_not_handed_over() {
    let mut delivery = Delivery::new(2);
    assert_eq!(delivery.poll_page(), None, "nobody has begun to receive");
    delivery.handle_listening();
    assert_eq!(delivery.poll_page(), Some(Page { after: None, limit: WINDOW_MAX }));
    assert_eq!(delivery.poll_offer(effect(1), 10, 10), Offer::Skip);
    assert_eq!(delivery.poll_offer(effect(2), 11, 10), Offer::HandOver);
    delivery.handle_delivered(effect(2));
    delivery.handle_expired(effect(1));
    assert!(delivery.handle_acknowledged(effect(2)));
    assert!(delivery.is_idle());
}

#[test]
fn a_full_outbox_takes_all_of_an_event_or_nothing() {
    let mut delivery = Delivery::new(ENTRIES_MAX - 1);
    assert!(!delivery.reserve(2));
    assert!(delivery.reserve(1));
    assert!(!delivery.reserve(usize::MAX));
    // But for what the device is told about its job.
    delivery.reserve_job(1);
    assert!(!delivery.reserve(1));
    delivery.handle_expired(effect(1));
    delivery.handle_expired(effect(2));
    assert!(delivery.reserve(1) && !delivery.reserve(1));
}
