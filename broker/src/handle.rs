//! The part of a session that others reach: receipts, parcels, live messages, and the order to end.

use crate::block::QueuedBlock;
use crate::codec::publish::Qos;
use crate::config::{BLOCKS_MAX, LIVE_MAX, PARCELS_MAX};
use crate::ingress::{Outcome, Receipt};
use crate::mailbox::Parcel;
use bytes::Bytes;
use fleetfn_protocol::{EffectId, filter_matches};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Why somebody else ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    /// The same client has connected again.
    TakenOver = 1,
    /// The broker is going down.
    Shutdown = 2,
    /// The client may not be here any more.
    Removed = 3,
}

/// A message for a live listener.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) topic: String,
    /// Which message it is: the router hands out a copy for each filter that covers it. Given by the router.
    pub(crate) number: u64,
    /// The session that published it; 0 for the engine.
    pub(crate) source: u64,
    pub(crate) qos: Qos,
    /// An MQTT 5 property list without its length.
    pub(crate) properties: Bytes,
    pub(crate) payload: Bytes,
}

/// What arrives from the router for a session.
#[derive(Debug)]
pub(crate) enum Arrival {
    Message(Live),
    /// The subscription that was asked for under this packet id stands.
    Subscribed(u16),
    /// The router is gone.
    Lost,
}

struct Held {
    parcel: Parcel,
    sent: bool,
}

/// What a session says to a parcel that it is offered.
#[derive(Debug)]
pub(crate) enum Offered {
    /// It holds it until the client acknowledges it.
    Taken,
    /// It has no room.
    Full,
    /// None of its filters covers it.
    Unwanted(Parcel),
}

/// What a session did with a parcel that was its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handed {
    /// It is on its way and stays held until the client acknowledges it.
    Sent,
    /// There is nothing more to do for it.
    Done,
    /// There is no room now, neither for it nor for those behind it.
    Later,
}

#[derive(Default)]
struct Parcels {
    held: VecDeque<Held>,
    filters: Vec<(String, Qos)>,
    /// Whether somebody knows of all filters: before that, what is new would come before what was there already.
    has_begun: bool,
}

/// One session, as others see it.
pub(crate) struct Handle {
    /// Unique in the process, from 1.
    pub(crate) id: u64,
    wake: Notify,
    settled: AtomicU64,
    failed: AtomicBool,
    order: AtomicU8,
    /// Whether a parcel came since they were last looked at.
    unsent: AtomicBool,
    parcels: Mutex<Parcels>,
    live: Mutex<VecDeque<Arrival>>,
    /// Whether `blocks` holds anything.
    has_blocks: AtomicBool,
    blocks: Mutex<VecDeque<QueuedBlock>>,
}

impl Receipt for Handle {
    fn settled(&self, outcome: Outcome) {
        if outcome == Outcome::Failed {
            self.failed.store(true, Ordering::Release);
        }
        self.settled.fetch_add(1, Ordering::Release);
        self.wake.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handle {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            wake: Notify::new(),
            settled: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            order: AtomicU8::new(0),
            unsent: AtomicBool::new(false),
            parcels: Mutex::default(),
            live: Mutex::default(),
            has_blocks: AtomicBool::new(false),
            blocks: Mutex::default(),
        }
    }

    /// Resolves when there is something to look at.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// How many admitted messages are settled since the session began.
    pub(crate) fn settled_count(&self) -> u64 {
        self.settled.load(Ordering::Acquire)
    }

    /// Whether a message could not be made durable.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Ends the session soon; the first order counts.
    pub(crate) fn end(&self, order: Order) {
        let _ = self.order.compare_exchange(0, order as u8, Ordering::AcqRel, Ordering::Acquire);
        self.wake.notify_one();
    }

    /// The order to end, if there is one.
    pub(crate) fn order(&self) -> Option<Order> {
        match self.order.load(Ordering::Acquire) {
            1 => Some(Order::TakenOver),
            2 => Some(Order::Shutdown),
            3 => Some(Order::Removed),
            _ => None,
        }
    }

    /// Takes a parcel if it has begun and a filter of the session covers its topic.
    pub(crate) fn offer(&self, parcel: Parcel) -> Offered {
        let mut parcels = lock(&self.parcels);
        let covers = |(filter, _): &(String, Qos)| filter_matches(filter, &parcel.topic);
        if !parcels.has_begun || !parcels.filters.iter().any(covers) {
            return Offered::Unwanted(parcel);
        }
        if parcels.held.iter().any(|held| held.parcel.effect == parcel.effect) {
            return Offered::Taken;
        }
        if parcels.held.len() >= PARCELS_MAX {
            return Offered::Full;
        }
        parcels.held.push_back(Held { parcel, sent: false });
        self.unsent.store(true, Ordering::Release);
        drop(parcels);
        self.wake.notify_one();
        Offered::Taken
    }

    /// Parcels that wait to be sent or to be acknowledged.
    pub(crate) fn held(&self) -> usize {
        lock(&self.parcels).held.len()
    }

    /// Whether a parcel may wait to be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent.load(Ordering::Acquire)
    }

    /// Hands every parcel that is not sent yet to `send`, in order, with the QoS of its subscription, as long as there is
    /// room. What no subscription covers any more is forgotten.
    pub(crate) fn send_parcels(&self, mut send: impl FnMut(&Parcel, Qos) -> Handed) {
        let mut parcels = lock(&self.parcels);
        self.unsent.store(false, Ordering::Release);
        let Parcels { held, filters, .. } = &mut *parcels;
        let mut index = 0;
        while let Some(next) = held.get_mut(index) {
            if next.sent {
                index += 1;
                continue;
            }
            let covering = filters.iter().filter(|(filter, _)| filter_matches(filter, &next.parcel.topic));
            let Some(qos) = covering.map(|(_, qos)| *qos).max() else {
                held.remove(index);
                continue;
            };
            match send(&next.parcel, qos) {
                Handed::Later => {
                    self.unsent.store(true, Ordering::Release);
                    return;
                }
                Handed::Done => drop(held.remove(index)),
                Handed::Sent => {
                    next.sent = true;
                    index += 1;
                }
            }
        }
    }

    /// The client has acknowledged a parcel.
    pub(crate) fn drop_parcel(&self, effect: &EffectId) {
        let mut parcels = lock(&self.parcels);
        if let Some(at) = parcels.held.iter().position(|held| held.parcel.effect == *effect) {
            parcels.held.remove(at);
        }
    }

    /// Adds or replaces a filter; `None` if there is no room for it, else whether it is new.
    pub(crate) fn add_filter(&self, filter: &str, qos: Qos, filters_max: usize) -> Option<bool> {
        let mut parcels = lock(&self.parcels);
        if let Some(known) = parcels.filters.iter_mut().find(|(known, _)| known == filter) {
            known.1 = qos;
            return Some(false);
        }
        if parcels.filters.len() >= filters_max {
            return None;
        }
        parcels.filters.push((filter.to_owned(), qos));
        parcels.has_begun = false;
        Some(true)
    }

    /// Takes parcels from now on.
    pub(crate) fn begin(&self) {
        lock(&self.parcels).has_begun = true;
    }

    /// Removes a filter; whether it was there.
    pub(crate) fn remove_filter(&self, filter: &str) -> bool {
        let mut parcels = lock(&self.parcels);
        let before = parcels.filters.len();
        parcels.filters.retain(|(known, _)| known != filter);
        parcels.filters.len() < before
    }

    /// Whether the session listens to anything of its device.
    pub(crate) fn listens(&self) -> bool {
        !lock(&self.parcels).filters.is_empty()
    }

    /// Whether the session listens to a topic of its device.
    pub(crate) fn listens_to(&self, topic: &str) -> bool {
        lock(&self.parcels).filters.iter().any(|(filter, _)| filter_matches(filter, topic))
    }

    /// Blocks of an update; how many there was room for.
    pub(crate) fn offer_blocks(&self, offered: impl Iterator<Item = QueuedBlock>) -> usize {
        let mut blocks = lock(&self.blocks);
        let before = blocks.len();
        blocks.extend(offered.take(BLOCKS_MAX.saturating_sub(before)));
        let taken = blocks.len() - before;
        self.has_blocks.store(!blocks.is_empty(), Ordering::Release);
        drop(blocks);
        self.wake.notify_one();
        taken
    }

    /// Whether a block waits to be sent.
    pub(crate) fn has_blocks(&self) -> bool {
        self.has_blocks.load(Ordering::Acquire)
    }

    /// The next block.
    pub(crate) fn next_block(&self) -> Option<Bytes> {
        let mut blocks = lock(&self.blocks);
        let block = blocks.pop_front();
        self.has_blocks.store(!blocks.is_empty(), Ordering::Release);
        block.map(|block| block.payload.clone())
    }

    /// Something from the router; whether there was room for it.
    pub(crate) fn arrive(&self, arrival: Arrival) -> bool {
        let mut live = lock(&self.live);
        let message = matches!(arrival, Arrival::Message(_));
        if message && live.len() >= LIVE_MAX {
            return false;
        }
        live.push_back(arrival);
        drop(live);
        self.wake.notify_one();
        true
    }

    /// Whether something from the router waits.
    pub(crate) fn has_arrivals(&self) -> bool {
        !lock(&self.live).is_empty()
    }

    /// The next that arrived.
    pub(crate) fn next_arrival(&self) -> Option<Arrival> {
        lock(&self.live).pop_front()
    }
}
