//! The connection: when there is one, what goes over it, who is told.

use super::Raw;
use super::resources::Shared;
use super::runner::RunError;
use super::transport::Transport;
use super::twin;
use super::updates::Updates;
use crate::agent::{Agent, Notice, hash};
use crate::mqtt;
use crate::outbox::Outbox;
use core::ops::Range;
use embassy_futures::select::{Either, Either3, select, select3};
use embassy_sync::mutex::Mutex;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use embedded_storage_async::nor_flash::MultiwriteNorFlash;

/// How long opening a line or writing a packet may take: what a cellular modem needs to find a network.
const PATIENCE: Duration = Duration::from_secs(30);

/// What ends a connection.
struct Ended;

/// The connected half of a runner.
pub(super) struct Network<'n, 'r, F, U> {
    shared: &'r Shared<'r>,
    agent: &'r mut Agent<'r>,
    outbox: &'n Mutex<Raw, Outbox<'r, F>>,
    twin: Range<u32>,
    updates: U,
    /// Hash of the effect that the command is which a task has; 0 for none.
    command: u64,
    /// There may be something to hand over or to take out of flash.
    flushes: bool,
}

impl<'n, 'r, F: MultiwriteNorFlash, U: Updates> Network<'n, 'r, F, U> {
    pub(super) const fn new(
        shared: &'r Shared<'r>,
        agent: &'r mut Agent<'r>,
        outbox: &'n Mutex<Raw, Outbox<'r, F>>,
        twin: Range<u32>,
        updates: U,
    ) -> Self {
        Self { shared, agent, outbox, twin, updates, command: 0, flushes: true }
    }

    pub(super) async fn run<T: Transport>(
        &mut self,
        transport: &mut T,
        random: &mut impl FnMut() -> u32,
    ) -> RunError {
        loop {
            while !self.agent.poll_dial(now_ms()) {
                self.wait_offline().await;
            }
            if let Ok(Ok(())) = with_timeout(PATIENCE, transport.dial()).await {
                if self.agent.handle_opened(now_ms()).is_err() {
                    return RunError::Buffers;
                }
                let (reader, writer) = transport.split();
                // However it ended, the next one is on its way.
                let Ended = self.converse(reader, writer).await;
            }
            transport.hang_up().await;
            self.agent.handle_closed(now_ms(), random());
        }
    }

    /// Waits for the next line. An image is checked and a trial ends in the meantime, and the answer to a command is handed
    /// to the agent; tasks need nothing else.
    async fn wait_offline(&mut self) {
        self.finish_command();
        self.update().await;
        self.tell_of_restart();
        let due = self.due().await;
        select(due, self.shared.nudge.wait()).await;
    }

    /// Goes on until the connection has ended.
    async fn converse(&mut self, mut reader: impl Read, mut writer: impl Write) -> Ended {
        self.flushes = true;
        loop {
            let alive = self.agent.handle_timeout(now_ms()).is_ok();
            if !alive {
                return Ended;
            }
            // Before, since what is released is acknowledged when the next notice is asked for.
            self.finish_command();
            let heard = self.hear().await;
            if self.finish_command() {
                // There was no room for its answer before.
                self.shared.nudge.signal(());
            }
            self.flush().await;
            self.update().await;
            if self.write(&mut writer).await.is_err() || heard.is_err() || self.agent.is_closed() {
                return Ended;
            }
            // What it has said about that is on its way.
            self.tell_of_restart();
            let due = self.due().await;
            let space = self.agent.client().receive_space();
            if space.is_empty() {
                // What is in it can be looked at now that something was written.
                embassy_futures::yield_now().await;
                continue;
            }
            match select3(reader.read(space), self.shared.nudge.wait(), due).await {
                Either3::First(Ok(count)) if count > 0 => {
                    self.agent.client().handle_received(count, now_ms())
                }
                Either3::First(_) => return Ended,
                Either3::Second(()) => self.flushes = true,
                Either3::Third(()) => {}
            }
        }
    }

    /// When to look again. Work that is due at once lets the other tasks have their turn first.
    async fn due(&self) -> Timer {
        let deadline_ms = match (self.agent.next_deadline(), self.updates.next_deadline()) {
            (Some(first), Some(second)) => Some(first.min(second)),
            (first, second) => first.or(second),
        };
        if deadline_ms.is_some_and(|at_ms| at_ms <= now_ms()) {
            embassy_futures::yield_now().await;
        }
        Timer::at(deadline_ms.map_or(Instant::MAX, Instant::from_millis))
    }

    /// Does a slice of what an update needs.
    async fn update(&mut self) {
        let now_ms = now_ms();
        self.updates.wish(self.shared.updates.wishes(), now_ms);
        self.updates.handle_timeout(now_ms).await;
        self.updates.flush(self.agent, now_ms).await;
        self.shared.updates.set_alive(self.updates.is_alive());
    }

    fn tell_of_restart(&self) {
        if self.updates.wants_restart() {
            self.shared.updates.restart.signal(());
        }
    }

    /// Looks at all that came.
    async fn hear(&mut self) -> Result<(), Ended> {
        let Self { shared, agent, outbox, twin, updates, command, flushes } = self;
        while let Some(notice) = agent.poll_notice().map_err(|_| Ended)? {
            if outbox.lock().await.handle_notice(&notice) {
                *flushes = true;
                continue;
            }
            if updates.handle_notice(&notice, now_ms()).await {
                continue;
            }
            match notice {
                Notice::Command(told) => {
                    let effect = hash(told.effect.as_bytes());
                    let taken = match shared.command.try_lock() {
                        Ok(mut slot) => slot.fill(&told),
                        Err(_) => false,
                    };
                    if !taken {
                        // A task has one of an earlier connection still.
                        agent.decline();
                        return Err(Ended);
                    }
                    *command = effect;
                    agent.hold();
                    shared.command_there.signal(());
                }
                Notice::Repeated { effect } if hash(effect.as_bytes()) == *command => drop(agent.hold()),
                Notice::Desired(document) => {
                    let mut latest = shared.desired.lock().await;
                    if latest.fits(document) {
                        twin::remember(outbox.lock().await.flash(), twin.clone(), document).await;
                    }
                    latest.put(document);
                    shared.desired_there.signal(());
                }
                Notice::Connected => *flushes = true,
                Notice::Refused(reason) => shared.refused.signal(reason),
                Notice::Listening
                | Notice::Repeated { .. }
                | Notice::Other(_)
                | Notice::Delivered { .. }
                | Notice::Lost { .. }
                | Notice::Offer(_)
                | Notice::Block(_) => {}
            }
        }
        Ok(())
    }

    /// Hands over the answer of a command that is done, then lets the server count it as done; `true` if one was.
    fn finish_command(&mut self) -> bool {
        let Ok(mut slot) = self.shared.command.try_lock() else { return false };
        let Some((name, reply)) = slot.done() else { return false };
        if let Some(reply) = reply
            && matches!(self.agent.reply(name, reply), Err(mqtt::Error::Resource(_)))
        {
            // There will be room when something was acknowledged.
            return false;
        }
        slot.clear();
        self.command = 0;
        self.agent.release();
        true
    }

    async fn flush(&mut self) {
        if core::mem::take(&mut self.flushes) {
            // A flash that fails is told to whoever sends; what is in it goes the next time.
            let handed = self.outbox.lock().await.flush(self.agent).await;
            self.flushes = handed.is_ok_and(|count| count > 0);
        }
    }

    async fn write(&mut self, writer: &mut impl Write) -> Result<(), Ended> {
        let mut wrote = false;
        while let Some(bytes) = self.agent.client().poll_transmit() {
            match select(writer.write(bytes), Timer::after(PATIENCE)).await {
                Either::First(Ok(count)) if count > 0 => {
                    self.agent.client().handle_transmitted(count, now_ms());
                    wrote = true;
                }
                _ => return Err(Ended),
            }
        }
        if wrote {
            with_timeout(PATIENCE, writer.flush()).await.map_err(|_| Ended)?.map_err(|_| Ended)?;
        }
        Ok(())
    }
}

fn now_ms() -> u64 {
    Instant::now().as_millis()
}
