//! What a device has to know after a reboot: which commands it has done, and what its twin was desired to be.
//!
//! [`Memory::handle_notice`] writes it to flash before the command is acknowledged; [`Memory::restore`] gives it to the
//! agent of the next life, which then answers a command that comes again with [`Notice::Repeated`].
//!
//! The range has two halves; one of them holds entries, one behind the other: first its generation, then what was known
//! when it was begun, a word that this is whole, then what came since. An entry has a checksum; behind one that was cut off
//! nothing counts, and the half counts as full. When it is full the other half is erased and written, from its generation
//! to the word that it is whole; until that stands, the half before holds. So a cut loses what was being written, and
//! nothing else.

mod entry;
mod words;

use crate::agent::{Agent, Notice};
use core::ops::Range;
use embedded_storage_async::nor_flash::NorFlash;
use entry::{Entry, HEADER_BYTES, Kind};
use words::{get, put};

/// How many of the last commands are known after a reboot at least: a server sends again what was not acknowledged, of
/// which a client takes no more at once than [`RECEIVE_MAXIMUM`](crate::mqtt::RECEIVE_MAXIMUM).
const EFFECTS_MIN: u32 = 32;

/// What is written and read at once, in bytes: the longest word of a flash.
const CHUNK_BYTES: usize = 32;

/// Why something was not kept. `E` is the flash's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error<E> {
    /// The caller's: the range is not two halves of whole pages, or too short for the buffer.
    #[error(
        "the range is not an even number of whole pages of the flash, or they are too short for the buffer"
    )]
    Range,
    /// The twin is longer than the buffer; none is known after a reboot.
    #[error("the twin is longer than the buffer")]
    TooLong,
    /// The flash failed.
    #[error("the flash failed")]
    Flash(E),
}

/// Commands done and the last desired twin, in flash; over a buffer of the caller's for that twin.
pub struct Memory<'b, F> {
    flash: F,
    start: u32,
    half_bytes: u32,
    twin: &'b mut [u8],
    twin_bytes: usize,
    /// Where the half begins that holds, its generation, and where its next entry goes: nowhere if it is full.
    at: u32,
    generation: u32,
    next: Option<u32>,
}

impl<'b, F: NorFlash> Memory<'b, F> {
    const WORD: usize = {
        let word = if F::WRITE_SIZE > F::READ_SIZE { F::WRITE_SIZE } else { F::READ_SIZE };
        if word > 4 { word } else { 4 }
    };
    const FITS: () = assert!(
        Self::WORD <= CHUNK_BYTES && CHUNK_BYTES.is_multiple_of(Self::WORD),
        "the flash has words of a power of two, at most 32 bytes"
    );

    /// Opens what is in that range: an even number of whole pages, two of 4 KiB in most flashes, that nothing else uses.
    /// `twin` is for the longest desired twin; one that is longer is not kept.
    ///
    /// # Errors
    /// [`Error::Range`], [`Error::Flash`].
    pub async fn open(flash: F, range: Range<u32>, twin: &'b mut [u8]) -> Result<Self, Error<F::Error>> {
        let () = Self::FITS;
        let page = u32::try_from(F::ERASE_SIZE).map_err(|_| Error::Range)?;
        let half_bytes = range.end.checked_sub(range.start).ok_or(Error::Range)? >> 1;
        let inside = usize::try_from(range.end).is_ok_and(|end| end <= flash.capacity());
        let whole = range.start.is_multiple_of(page) && half_bytes.is_multiple_of(page);
        let least = Self::size(twin.len())
            .saturating_add(Self::size(8).saturating_mul(EFFECTS_MIN.saturating_add(1)))
            .saturating_add(Self::size(4).saturating_mul(2));
        if !inside || !whole || !range.end.is_multiple_of(page) || least > half_bytes {
            return Err(Error::Range);
        }
        let start = range.start;
        let mut memory =
            Self { flash, start, half_bytes, twin, twin_bytes: 0, at: start, generation: 0, next: None };
        memory.find().await?;
        memory.load_twin().await?;
        Ok(memory)
    }

    /// Gives the commands that were done to the agent. To be called before its first connection.
    ///
    /// # Errors
    /// [`Error::Flash`].
    pub async fn restore(&mut self, agent: &mut Agent<'_>) -> Result<(), Error<F::Error>> {
        if self.generation == 0 {
            return Ok(());
        }
        let mut at = self.at;
        // Bounded by the half: each entry has a length.
        while let Some(entry) = self.read(at).await? {
            if entry.kind == Kind::Effect {
                agent.remember(entry.number);
            }
            at = at.saturating_add(Self::size(entry.bytes));
        }
        Ok(())
    }

    /// The last desired twin; `None` if none is known, or it was too long.
    #[must_use]
    pub fn desired(&self) -> Option<&[u8]> {
        self.twin.get(..self.twin_bytes).filter(|twin| !twin.is_empty())
    }

    /// Keeps what a notice is about: a command that is done, a twin. Call it when the command is done and before the next
    /// notice is asked for, which acknowledges it: a power cut between doing it and this lets it be done twice. One that
    /// must not be done twice, and rather not at all, is to be kept before.
    ///
    /// # Errors
    /// [`Error::TooLong`] if the twin is, [`Error::Flash`] if the flash failed, and it may be kept or not.
    pub async fn handle_notice(&mut self, notice: &Notice<'_>) -> Result<(), Error<F::Error>> {
        match notice {
            Notice::Command(command) if !command.effect.is_empty() => {
                let hash = crate::agent::hash(command.effect.as_bytes());
                self.append(Kind::Effect, &hash.to_le_bytes()).await
            }
            Notice::Desired(desired) => self.keep_twin(desired).await,
            _ => Ok(()),
        }
    }

    async fn keep_twin(&mut self, desired: &[u8]) -> Result<(), Error<F::Error>> {
        if self.desired() == Some(desired) {
            return Ok(());
        }
        let Some(room) = self.twin.get_mut(..desired.len()) else {
            self.twin_bytes = 0;
            self.append(Kind::Twin, &[]).await?;
            return Err(Error::TooLong);
        };
        room.iter_mut().zip(desired).for_each(|(to, from)| *to = *from);
        self.twin_bytes = desired.len();
        self.append(Kind::Twin, desired).await
    }

    async fn append(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), Error<F::Error>> {
        let size = Self::size(bytes.len());
        let end = self.at.saturating_add(self.half_bytes);
        let room = self.next.filter(|next| next.saturating_add(size) <= end);
        let place = match room {
            Some(place) => place,
            None => {
                let place = self.begin_half().await?;
                // The twin is in the new half already.
                if kind == Kind::Twin {
                    return Ok(());
                }
                place
            }
        };
        self.next = None;
        self.write(place, kind, bytes).await?;
        self.next = Some(place.saturating_add(size));
        Ok(())
    }

    /// Begins the other half with what is known, and says where its next entry goes.
    async fn begin_half(&mut self) -> Result<u32, Error<F::Error>> {
        let other = self.start.saturating_add(if self.at == self.start { self.half_bytes } else { 0 });
        let end = other.saturating_add(self.half_bytes);
        self.flash.erase(other, end).await.map_err(Error::Flash)?;
        let generation = self.generation.saturating_add(1);
        let mut place = other;
        self.write(place, Kind::Generation, &generation.to_le_bytes()).await?;
        place = place.saturating_add(Self::size(4));
        place = self.copy_effects(place).await?;
        if self.twin_bytes > 0 {
            place = self.write_twin(place).await?;
        }
        self.write(place, Kind::Whole, &generation.to_le_bytes()).await?;
        place = place.saturating_add(Self::size(4));
        (self.at, self.generation, self.next) = (other, generation, Some(place));
        Ok(place)
    }

    async fn write_twin(&mut self, place: u32) -> Result<u32, Error<F::Error>> {
        let Self { flash, twin, twin_bytes, .. } = self;
        let twin = twin.get(..*twin_bytes).unwrap_or_default();
        put::<F>(flash, Self::WORD, place, Kind::Twin, twin).await?;
        Ok(place.saturating_add(Self::size(self.twin_bytes)))
    }

    /// Copies the last commands of the half that holds.
    async fn copy_effects(&mut self, mut place: u32) -> Result<u32, Error<F::Error>> {
        if self.generation == 0 {
            return Ok(place);
        }
        let (mut at, mut all) = (self.at, 0_u32);
        while let Some(entry) = self.read(at).await? {
            all = all.saturating_add((entry.kind == Kind::Effect).into());
            at = at.saturating_add(Self::size(entry.bytes));
        }
        at = self.at;
        let mut skip = all.saturating_sub(EFFECTS_MIN);
        while let Some(entry) = self.read(at).await? {
            if entry.kind == Kind::Effect && skip == 0 {
                self.write(place, Kind::Effect, &entry.number.to_le_bytes()).await?;
                place = place.saturating_add(Self::size(8));
            } else if entry.kind == Kind::Effect {
                skip = skip.saturating_sub(1);
            }
            at = at.saturating_add(Self::size(entry.bytes));
        }
        Ok(place)
    }

    /// Finds the half that holds: of two that are whole the one with the higher generation.
    async fn find(&mut self) -> Result<(), Error<F::Error>> {
        for half in [self.start, self.start.saturating_add(self.half_bytes)] {
            let (saved, generation) = (self.at, self.generation);
            self.at = half;
            let (mut at, mut found, mut is_whole) = (half, 0, false);
            while let Some(entry) = self.read(at).await? {
                let number = u32::try_from(entry.number).unwrap_or_default();
                match entry.kind {
                    Kind::Generation if at == half => found = number,
                    Kind::Whole => is_whole |= number == found && found != 0,
                    _ => {}
                }
                at = at.saturating_add(Self::size(entry.bytes));
            }
            if is_whole && found > generation {
                self.generation = found;
                // What was cut off cannot be written again.
                let room = at < half.saturating_add(self.half_bytes) && self.is_blank_from(at, half).await?;
                self.next = room.then_some(at);
            } else {
                self.at = saved;
            }
        }
        Ok(())
    }

    /// Whether nothing was written there and behind.
    async fn is_blank_from(&mut self, at: u32, half: u32) -> Result<bool, Error<F::Error>> {
        let end = half.saturating_add(self.half_bytes);
        for at in (at..end).step_by(Self::WORD) {
            let mut word = [0; CHUNK_BYTES];
            let word = word.get_mut(..Self::WORD).unwrap_or_default();
            self.flash.read(at, word).await.map_err(Error::Flash)?;
            if word.iter().any(|byte| *byte != 0xff) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn load_twin(&mut self) -> Result<(), Error<F::Error>> {
        if self.generation == 0 {
            return Ok(());
        }
        let mut at = self.at;
        while let Some(entry) = self.read(at).await? {
            if entry.kind == Kind::Twin {
                self.twin_bytes = 0;
                if let Some(room) = self.twin.get_mut(..entry.bytes) {
                    get(&mut self.flash, Self::WORD, at, room).await?;
                    self.twin_bytes = entry.bytes;
                }
            }
            at = at.saturating_add(Self::size(entry.bytes));
        }
        Ok(())
    }

    /// The entry that begins there; `None` if there is none, or it was cut off.
    async fn read(&mut self, at: u32) -> Result<Option<Entry>, Error<F::Error>> {
        let end = self.at.saturating_add(self.half_bytes);
        let mut check = entry::Check::new();
        let mut entry: Option<Entry> = None;
        let mut place = at;
        // Bounded by the entry's length, which is bounded by the half.
        while place < end {
            let mut chunk = [0; CHUNK_BYTES];
            let word = chunk.get_mut(..Self::WORD).unwrap_or_default();
            self.flash.read(place, word).await.map_err(Error::Flash)?;
            place = place.saturating_add(u32::try_from(Self::WORD).unwrap_or(u32::MAX));
            for byte in word {
                check.take(*byte);
            }
            if entry.is_none() && check.has_header() {
                entry = check.header();
                if entry.is_none_or(|entry| at.saturating_add(Self::size(entry.bytes)) > end) {
                    return Ok(None);
                }
            }
            if let Some(entry) = entry
                && at.saturating_add(Self::size(entry.bytes)) <= place
            {
                return Ok(check.finish(entry));
            }
        }
        Ok(None)
    }

    async fn write(&mut self, at: u32, kind: Kind, bytes: &[u8]) -> Result<(), Error<F::Error>> {
        put::<F>(&mut self.flash, Self::WORD, at, kind, bytes).await
    }

    /// What an entry takes, in whole words.
    fn size(bytes: usize) -> u32 {
        let size = HEADER_BYTES.saturating_add(bytes).checked_next_multiple_of(Self::WORD);
        size.and_then(|size| u32::try_from(size).ok()).unwrap_or(u32::MAX)
    }
}
