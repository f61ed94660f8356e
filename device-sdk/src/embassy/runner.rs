//! The end that keeps in touch: one task that owns transport and flash.

use super::Raw;
use super::network::Network;
use super::resources::Shared;
use super::transport::Transport;
use super::updates::{NoUpdates, Updates};
use crate::agent::Agent;
use crate::outbox::{self, Outbox, Policy};
use core::convert::Infallible;
use core::ops::Range;
use core::pin::pin;
use embassy_futures::select::{Either, select};
use embassy_sync::mutex::Mutex;
use embedded_storage_async::nor_flash::{MultiwriteNorFlash, NorFlashError, NorFlashErrorKind};

/// Where in flash things are kept, in whole pages, and what to do when there is no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Four pages or more, for the [outbox](crate::outbox).
    pub outbox: Range<u32>,
    /// What happens to a message for which there is no room in it.
    pub policy: Policy,
    /// Two pages or more, for what the device is desired to be.
    pub twin: Range<u32>,
}

/// Why a device cannot run at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The caller's: the layout does not fit the flash, or an entry in flash is longer than the buffers.
    #[error("the layout does not fit the flash, or the buffers are shorter than what is kept in it")]
    Layout,
    /// The caller's: the token is longer than the buffers.
    #[error("the buffers are too short for the device's name and token")]
    Buffers,
    /// The flash failed, or does not keep what is written to it.
    #[error("the flash failed: {0}")]
    Flash(NorFlashErrorKind),
}

impl<E: NorFlashError> From<outbox::Error<E>> for RunError {
    fn from(error: outbox::Error<E>) -> Self {
        match error {
            outbox::Error::Flash(error) => Self::Flash(error.kind()),
            outbox::Error::Damaged => Self::Flash(NorFlashErrorKind::Other),
            outbox::Error::Channel
            | outbox::Error::TooLong
            | outbox::Error::Range
            | outbox::Error::Buffer(_)
            | outbox::Error::Full => Self::Layout,
        }
    }
}

/// The end of a device that is to be run by one task.
pub struct Runner<'r, U> {
    shared: &'r Shared<'r>,
    agent: &'r mut Agent<'r>,
    entry: &'r mut [u8],
    updates: U,
}

impl<'r> Runner<'r, NoUpdates> {
    pub(super) const fn new(shared: &'r Shared<'r>, agent: &'r mut Agent<'r>, entry: &'r mut [u8]) -> Self {
        Self { shared, agent, entry, updates: NoUpdates }
    }

    /// The longest block of an update that the buffers take; `None` if they take none.
    #[cfg(feature = "update")]
    #[must_use]
    pub fn block_bytes(&mut self) -> Option<fleetfn_protocol::update::BlockBytes> {
        self.agent.block_bytes()
    }

    /// A device whose firmware is updated. The machine was made with [`Runner::block_bytes`], and is handed in by reference, out
    /// of a `static` most often.
    #[cfg(feature = "update")]
    #[must_use]
    pub fn with_updates<U: Updates>(self, updates: U) -> Runner<'r, U> {
        let Self { shared, agent, entry, .. } = self;
        agent.want_updates();
        Runner { shared, agent, entry, updates }
    }
}

impl<U: Updates> Runner<'_, U> {
    /// Keeps in touch: forever, over lost connections, unless the flash cannot be used at all; what a task sends then waits
    /// for ever. `random` gives any number, for the waits between connections and the first id of the outbox.
    ///
    /// Dropping the future is as good as a loss of power: what is in flash stays.
    #[expect(clippy::manual_async_fn, reason = "what an `async fn` is given it has room for twice")]
    pub fn run<T: Transport, F: MultiwriteNorFlash>(
        self,
        mut transport: T,
        flash: F,
        layout: Layout,
        mut random: impl FnMut() -> u32,
    ) -> impl Future<Output = RunError> {
        async move {
            let Self { shared, agent, entry, updates } = self;
            let outbox = match Outbox::new(flash, layout.outbox, layout.policy, entry) {
                Ok(outbox) => Mutex::<Raw, _>::new(outbox),
                Err(error) => return error.into(),
            };
            if let Err(error) = outbox.lock().await.start(random()).await {
                return error.into();
            }
            recall(shared, &outbox, layout.twin.clone()).await;
            let mut network = Network::new(shared, agent, &outbox, layout.twin, updates);
            // In their places from the start: what `select` is given by value is made on the stack.
            let keeps = pin!(keep(shared, &outbox));
            let runs = pin!(network.run(&mut transport, &mut random));
            match select(keeps, runs).await {
                Either::First(never) => match never {},
                Either::Second(error) => error,
            }
        }
    }
}

/// Tells tasks what the device was desired to be before it started.
async fn recall<F: MultiwriteNorFlash>(
    shared: &Shared<'_>,
    outbox: &Mutex<Raw, Outbox<'_, F>>,
    twin: Range<u32>,
) {
    shared.desired.lock().await.recall(outbox.lock().await.flash(), twin).await;
    shared.desired_there.signal(());
}

/// Keeps what tasks say.
async fn keep<F: MultiwriteNorFlash>(shared: &Shared<'_>, outbox: &Mutex<Raw, Outbox<'_, F>>) -> Infallible {
    loop {
        shared.keeping.serve(outbox).await;
        shared.nudge.signal(());
    }
}
