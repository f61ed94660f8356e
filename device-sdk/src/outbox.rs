//! What a device has to say, kept in flash until the engine has it.
//!
//! [`Outbox::send`] writes to flash and never waits for the network; [`Outbox::flush`] hands what is kept to the
//! [`Agent`], in order, and takes out of flash what was delivered. Both survive a power cut at any moment.
//!
//! Stored is, in the range of flash that the caller gives, from the front:
//!
//! - two pages of journal: up to which number messages may be numbered, written before the first of them is;
//! - the other pages, a ring of entries: number, kind, channel, payload.
//!
//! Each message has a number of 64 bits that no other message of the device ever has, and is published with it as the
//! user property `id`. It stands in the entry, so a message that goes again after a power cut goes under the same
//! number, and the engine drops what it has seen. An entry is written before `send` returns and taken out after its
//! PUBACK. What a power cut leaves behind is an entry that is whole or one that is skipped; one that was delivered and
//! not yet taken out goes again.
//!
//! `entry` is the format, `numbers` decides which number is next, `window` what was handed over and what became of it;
//! `store` is the driver that does what they say to the flash.

mod entry;
mod error;
mod numbers;
mod store;
mod window;

pub use error::Error;

use crate::agent::{Agent, Notice};
use crate::mqtt;
use crate::mqtt::State;
use core::ops::Range;
use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use entry::Entry;
pub(crate) use entry::{Kind, is_channel};
use numbers::Numbers;
use store::{Part, Store, Verdict, Walked};
use window::Window;

/// What happens to a message for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The oldest make room, as many as it takes, and are counted.
    DropOldest,
    /// It is refused with [`Error::Full`], and counted.
    RefuseNew,
}

/// What did not arrive or was not kept, since the outbox was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Dropped for newer ones, without having been handed to the agent.
    pub dropped: u32,
    /// Not taken because there was no room.
    pub refused: u32,
    /// Refused by the server, or too long for it or for the agent's send buffer; they are not sent again.
    pub rejected: u32,
    /// Times that the ring was in a state that could not be repaired, or full of nothing that can be read, and was erased
    /// with all that was in it.
    pub erased: u32,
}

/// Messages in flash, over a buffer of the caller's for one of them.
///
/// It belongs to one [`Agent`]: if that is made anew, open the outbox anew.
pub struct Outbox<'b, F> {
    store: Store<F>,
    buffer: &'b mut [u8],
    policy: Policy,
    numbers: Numbers,
    window: Window,
    counts: Counts,
}

impl<'b, F: MultiwriteNorFlash> Outbox<'b, F> {
    /// Opens what is in that range of the flash: at least four pages, whole ones. A range that was never used is to be
    /// erased, or is erased here if it makes no sense.
    ///
    /// `buffer` holds one entry: 11 bytes, channel and payload, and one byte less than a word of the flash.
    /// `random` is any number; it matters when the range was erased while the device's earlier numbers are still known
    /// to the engine.
    ///
    /// Dropping the future half-way leaves what was there.
    ///
    /// # Errors
    /// [`Error::Range`] if the range is none, [`Error::Buffer`] if an entry is longer than the buffer,
    /// [`Error::Flash`].
    pub async fn open(
        flash: F,
        range: Range<u32>,
        policy: Policy,
        buffer: &'b mut [u8],
        random: u32,
    ) -> Result<Self, Error<F::Error>> {
        let mut outbox = Self::new(flash, range, policy, buffer)?;
        outbox.start(random).await?;
        Ok(outbox)
    }

    /// [`Outbox::open`] without looking at the flash, for a future that has no room for moving an outbox:
    /// [`Outbox::start`] comes before all else.
    pub(crate) fn new(
        flash: F,
        range: Range<u32>,
        policy: Policy,
        buffer: &'b mut [u8],
    ) -> Result<Self, Error<F::Error>> {
        let store = Store::new(flash, range)?;
        let (window, counts) = (Window::new(), Counts::default());
        Ok(Self { store, buffer, policy, numbers: Numbers::UNKNOWN, window, counts })
    }

    /// Takes up what the flash says, once, after [`Outbox::new`].
    pub(crate) async fn start(&mut self, random: u32) -> Result<(), Error<F::Error>> {
        self.store.clear_torn().await?;
        let newest = match self.store.newest(self.buffer).await {
            Err(Error::Damaged) => {
                self.erase().await?;
                None
            }
            newest => newest?,
        };
        let journalled = match self.store.journalled().await {
            Err(Error::Damaged) => {
                self.store.erase(Part::Journal).await?;
                None
            }
            journalled => journalled?,
        };
        self.numbers = Numbers::new(journalled, newest, random);
        Ok(())
    }

    /// Keeps a reading on a channel of one or more levels. When it returns, the reading survives a power cut.
    ///
    /// Waits for the flash alone. Dropping the future half-way, like a power cut, keeps the reading or does not.
    ///
    /// # Errors
    /// [`Error::Channel`] and [`Error::TooLong`] are the caller's; [`Error::Full`] under [`Policy::RefuseNew`];
    /// [`Error::Flash`] if the flash failed, and the reading may have been kept or not.
    pub async fn send(&mut self, channel: &str, payload: &[u8]) -> Result<(), Error<F::Error>> {
        if !is_channel(channel) {
            return Err(Error::Channel);
        }
        self.keep(Kind::Telemetry, channel, payload).await
    }

    /// Keeps what the device says that it is: a JSON object, for the reported part of its twin. As [`Outbox::send`].
    ///
    /// # Errors
    /// As [`Outbox::send`].
    pub async fn report(&mut self, reported: &[u8]) -> Result<(), Error<F::Error>> {
        self.keep(Kind::Reported, "", reported).await
    }

    /// Takes note of what became of a message: to be called with every notice of the agent. It does not touch the
    /// flash; the next [`Outbox::flush`] does. `true` if the notice was about a message of the outbox.
    pub fn handle_notice(&mut self, notice: &Notice<'_>) -> bool {
        let (id, rejected) = match notice {
            Notice::Delivered { id, reason } => (*id, reason.is_failure()),
            Notice::Lost { id } => (*id, true),
            _ => return false,
        };
        let known = self.window.settle(id);
        if known && rejected {
            self.counts.rejected = self.counts.rejected.saturating_add(1);
        }
        known
    }

    /// Takes out of flash what was delivered, and hands to the agent what it has room for, oldest first. Call it when
    /// the agent has told something, and after [`Outbox::send`]. Without a connection nothing is handed over.
    ///
    /// Returns how many were handed over. Reads all entries up to the last that it handed over. Dropping the future
    /// half-way loses nothing: what was handed over is known, what was not taken out is taken out the next time.
    ///
    /// # Errors
    /// [`Error::Flash`]: what was not taken out is taken out the next time.
    pub async fn flush(&mut self, agent: &mut Agent<'_>) -> Result<usize, Error<F::Error>> {
        let online = agent.client().state() == State::Online;
        self.window.begin();
        let has_work = self.window.has_settled() || online && self.window.has_room();
        if !has_work {
            return Ok(0);
        }
        let Self { store, buffer, window, counts, .. } = self;
        let mut handed = 0_usize;
        let goes_on = |window: &Window| window.has_settled() || online && window.has_room();
        let walked = store
            .walk(Part::Ring, buffer, &mut |bytes| match Entry::read(bytes) {
                Some(entry) if window.remove(entry.number) => Verdict::remove(goes_on(window)),
                Some(entry) if window.is_handed(entry.number) || !online || !window.has_room() => {
                    Verdict::keep(goes_on(window))
                }
                Some(entry) => match hand_over(agent, &entry) {
                    Ok(Some(packet)) => {
                        window.hand(entry.number, packet);
                        handed = handed.saturating_add(1);
                        Verdict::keep(goes_on(window))
                    }
                    Err(mqtt::Error::Caller(_)) => {
                        counts.rejected = counts.rejected.saturating_add(1);
                        Verdict::remove(goes_on(window))
                    }
                    Ok(None) | Err(_) => {
                        window.close();
                        Verdict::keep(goes_on(window))
                    }
                },
                // Of another firmware, which knows more.
                None => {
                    counts.rejected = counts.rejected.saturating_add(1);
                    Verdict::remove(goes_on(window))
                }
            })
            .await;
        match walked {
            Ok(walked) => self.window.end(walked == Walked::ToTheEnd),
            Err(Error::Damaged) => self.erase().await?,
            Err(error) => return Err(error),
        }
        Ok(handed)
    }

    /// The flash, for what lies beside the outbox in it.
    #[cfg(feature = "embassy")]
    pub(crate) const fn flash(&mut self) -> &mut F {
        self.store.flash()
    }

    /// What did not arrive or was not kept, since the outbox was opened.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// How many messages are in flash. Reads all of them.
    ///
    /// # Errors
    /// [`Error::Flash`].
    pub async fn kept(&mut self) -> Result<usize, Error<F::Error>> {
        let mut count = 0_usize;
        self.store
            .walk(Part::Ring, self.buffer, &mut |_| {
                count = count.saturating_add(1);
                Verdict::Keep
            })
            .await?;
        Ok(count)
    }

    /// [`Outbox::send`] or [`Outbox::report`], as `kind` says; the channel was looked at with [`is_channel`].
    pub(crate) async fn keep(
        &mut self,
        kind: Kind,
        channel: &str,
        payload: &[u8],
    ) -> Result<(), Error<F::Error>> {
        if !Store::<F>::takes(Entry::bytes(channel, payload), self.buffer.len()) {
            return Err(Error::TooLong);
        }
        let number = self.number().await?;
        // Bounded by the entries: each round takes one out, or is the last.
        let mut last = false;
        loop {
            let entry = Entry { number, kind, channel, payload };
            let bytes = entry.write(self.buffer).ok_or(Error::TooLong)?;
            match self.store.push(bytes).await {
                Ok(()) => return Ok(()),
                Err(Error::Full) if !last => last = !self.make_room().await?,
                Err(Error::Full) => {
                    self.counts.refused = self.counts.refused.saturating_add(1);
                    return Err(Error::Full);
                }
                Err(Error::Damaged) if !last => {
                    self.erase().await?;
                    last = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The number of the next message, which no other one gets, whatever happens.
    async fn number(&mut self) -> Result<u64, Error<F::Error>> {
        if let Some(bound) = self.numbers.wanted_bound() {
            match self.store.journal(bound).await {
                Err(Error::Damaged) => {
                    self.store.erase(Part::Journal).await?;
                    self.store.journal(bound).await?;
                }
                written => written?,
            }
            self.numbers.granted(bound);
        }
        Ok(self.numbers.take())
    }

    /// Drops the oldest entry if the policy says so; clears away what is in front of it in any case. A ring that is full
    /// of nothing is erased. `false` if there is no use in doing so again.
    async fn make_room(&mut self) -> Result<bool, Error<F::Error>> {
        let Self { store, buffer, window, counts, policy, .. } = self;
        let mut seen = false;
        let walked = store
            .walk(Part::Ring, buffer, &mut |bytes| {
                seen = true;
                if *policy == Policy::RefuseNew {
                    return Verdict::Stop;
                }
                if Entry::read(bytes).is_none_or(|entry| !window.evict(entry.number)) {
                    counts.dropped = counts.dropped.saturating_add(1);
                }
                Verdict::RemoveAndStop
            })
            .await;
        match walked {
            Ok(_) if seen => return Ok(*policy == Policy::DropOldest),
            Ok(_) | Err(Error::Damaged) => self.erase().await?,
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    async fn erase(&mut self) -> Result<(), Error<F::Error>> {
        self.counts.erased = self.counts.erased.saturating_add(1);
        self.store.erase(Part::Ring).await
    }
}

fn hand_over(agent: &mut Agent<'_>, entry: &Entry<'_>) -> Result<Option<mqtt::PacketId>, mqtt::Error> {
    let id = entry::id(entry.number);
    let id = fleetfn_protocol::text(&id).unwrap_or_default();
    match entry.kind {
        Kind::Telemetry => agent.send_as(entry.channel, entry.payload, id),
        Kind::Reported => agent.report_as(entry.payload, id),
    }
}
