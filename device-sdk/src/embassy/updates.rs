//! Updates of the firmware, for devices that have them.

use crate::agent::{Agent, Notice};
use core::cell::Cell;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::signal::Signal;

use super::Raw;

/// What the runner does for updates: [`NoUpdates`], or what a reference to an `Update` machine does.
pub trait Updates {
    /// What happened on the network.
    fn handle_notice(&mut self, notice: &Notice<'_>, now_ms: u64) -> impl Future<Output = bool>;
    /// A slice of what is due.
    fn handle_timeout(&mut self, now_ms: u64) -> impl Future<Output = ()>;
    /// Hands over what is to be said and asked.
    fn flush(&mut self, agent: &mut Agent<'_>, now_ms: u64) -> impl Future<Output = ()>;
    /// When to look again.
    fn next_deadline(&self) -> Option<u64>;
    /// What the application wishes.
    fn wish(&mut self, wishes: Wishes, now_ms: u64);
    /// Whether the device is to be restarted.
    fn wants_restart(&self) -> bool;
    /// Whether a restart that is due has not failed to come.
    fn is_alive(&self) -> bool;
}

/// The firmware stays as it is.
#[derive(Debug, Clone, Copy)]
pub struct NoUpdates;

impl Updates for NoUpdates {
    async fn handle_notice(&mut self, _: &Notice<'_>, _: u64) -> bool {
        false
    }

    async fn handle_timeout(&mut self, _: u64) {}

    async fn flush(&mut self, _: &mut Agent<'_>, _: u64) {}

    fn next_deadline(&self) -> Option<u64> {
        None
    }

    fn wish(&mut self, _: Wishes, _: u64) {}

    fn wants_restart(&self) -> bool {
        false
    }

    fn is_alive(&self) -> bool {
        true
    }
}

/// The machine stays where it is, in a `static` most often: one that was handed over would be moved with all that holds it.
#[cfg(feature = "update")]
impl<S: crate::update::Slots, F: embedded_storage_async::nor_flash::NorFlash> Updates
    for &mut crate::update::Update<'_, S, F>
{
    // Passed on as they are: a future around another one has room for its arguments twice.

    fn handle_notice(&mut self, notice: &Notice<'_>, now_ms: u64) -> impl Future<Output = bool> {
        crate::update::Update::handle_notice(self, notice, now_ms)
    }

    fn handle_timeout(&mut self, now_ms: u64) -> impl Future<Output = ()> {
        crate::update::Update::handle_timeout(self, now_ms)
    }

    fn flush(&mut self, agent: &mut Agent<'_>, now_ms: u64) -> impl Future<Output = ()> {
        crate::update::Update::flush(self, agent, now_ms)
    }

    fn next_deadline(&self) -> Option<u64> {
        crate::update::Update::next_deadline(self)
    }

    fn wish(&mut self, wishes: Wishes, now_ms: u64) {
        self.set_busy(wishes.is_busy, now_ms);
        if wishes.is_healthy {
            self.set_healthy();
        }
    }

    fn wants_restart(&self) -> bool {
        self.poll_restart()
    }

    fn is_alive(&self) -> bool {
        crate::update::Update::is_alive(self)
    }
}

/// What the application has said about updates.
#[derive(Debug, Clone, Copy)]
pub struct Wishes {
    /// Nothing is to be fetched or started now.
    pub is_busy: bool,
    /// The image works.
    pub is_healthy: bool,
}

/// What tasks and runner tell each other about updates.
pub(super) struct Talk {
    wishes: Mutex<Raw, Cell<Wishes>>,
    is_alive: Mutex<Raw, Cell<bool>>,
    pub(super) restart: Signal<Raw, ()>,
}

impl Talk {
    pub(super) const fn new() -> Self {
        Self {
            wishes: Mutex::new(Cell::new(Wishes { is_busy: false, is_healthy: false })),
            is_alive: Mutex::new(Cell::new(true)),
            restart: Signal::new(),
        }
    }

    pub(super) fn wishes(&self) -> Wishes {
        self.wishes.lock(Cell::get)
    }

    pub(super) fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        self.wishes.lock(|cell| {
            let mut wishes = cell.get();
            change(&mut wishes);
            cell.set(wishes);
        });
    }

    pub(super) fn is_alive(&self) -> bool {
        self.is_alive.lock(Cell::get)
    }

    pub(super) fn set_alive(&self, is_alive: bool) {
        self.is_alive.lock(|cell| cell.set(is_alive));
    }
}
