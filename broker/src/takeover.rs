//! One session for a client id: the newer one takes over.
//!
//! A client is known by who it is *and* its client id, so that nobody can throw out a stranger. A slot is held for as
//! long as a session lives; who comes later ends the session before and waits for the slot, so that the end of
//! one session is always before the beginning of the next.

use crate::acl::Principal;
use crate::handle::{Handle, Order};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

type Key = (Principal, String);

#[derive(Default)]
struct Slot {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Who holds the turn or waits for it, oldest first.
    sessions: Vec<Arc<Handle>>,
}

/// Every client that has a session.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<Key, Slot>>);

/// A session's hold on its client id; let go by [`Clients::leave`].
pub(crate) struct Place {
    /// Who the client is, and its client id.
    pub(crate) key: Key,
    _turn: OwnedMutexGuard<()>,
}

impl Clients {
    /// Ends the sessions of the same client and waits until they are gone.
    pub(crate) async fn enter(&self, principal: Principal, client_id: String, handle: &Arc<Handle>) -> Place {
        let key = (principal, client_id);
        let turn = {
            let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = clients.entry(key.clone()).or_default();
            slot.sessions.iter().for_each(|older| older.end(Order::TakenOver));
            slot.sessions.push(Arc::clone(handle));
            Arc::clone(&slot.turn)
        };
        Place { key, _turn: turn.lock_owned().await }
    }

    /// Lets the client id go.
    pub(crate) fn leave(&self, place: Place, handle: &Handle) {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = clients.get_mut(&place.key) {
            slot.sessions.retain(|known| known.id != handle.id);
            if slot.sessions.is_empty() {
                clients.remove(&place.key);
            }
        }
    }

    /// Ends every session.
    pub(crate) fn end_all(&self, order: Order) {
        let clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.values().flat_map(|slot| &slot.sessions).for_each(|session| session.end(order));
    }
}
