//! The flash: two queues of `sequential-storage`, the journal in the first two pages and the ring in the others.
//!
//! Nothing is cached: each call reads what it needs, so that a call that was dropped half-way leaves nothing stale.

use super::entry::Entry;
use super::error::Error;
use core::ops::Range;
use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::queue::{QueueConfig, QueueStorage};

/// Pages of the journal: one may be erased while the other holds the newest record.
const JOURNAL_PAGES: usize = 2;

/// Pages of the ring, at least: one may be erased while another is written.
const RING_PAGES_MIN: usize = 2;

/// What is read of the journal or of a blank page at once: a record is 8 bytes, and a flash is written in 32 at most.
const BUFFER_BYTES: usize = 32;

/// Cleared bits in what is read first of a page that mark it as used, as `sequential-storage` counts them.
const MARK_BITS: u32 = 4;

type Queue<'f, F> = QueueStorage<&'f mut F, Cache<Uncached, Uncached, Uncached>>;

/// What is to happen to an entry, and whether to go on to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    Stop,
    Remove,
    RemoveAndStop,
}

impl Verdict {
    /// Keeps the entry, and goes on if there is a reason to.
    pub(super) const fn keep(goes_on: bool) -> Self {
        if goes_on { Self::Keep } else { Self::Stop }
    }

    /// Takes the entry out, and goes on if there is a reason to.
    pub(super) const fn remove(goes_on: bool) -> Self {
        if goes_on { Self::Remove } else { Self::RemoveAndStop }
    }
}

/// A part of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Journal,
    Ring,
}

/// How far a walk went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walked {
    ToTheEnd,
    Stopped,
}

/// Journal and ring.
pub(super) struct Store<F> {
    flash: F,
    journal: Range<u32>,
    ring: Range<u32>,
}

impl<F: MultiwriteNorFlash> Store<F> {
    const WORD_BYTES: usize = if F::WRITE_SIZE > F::READ_SIZE { F::WRITE_SIZE } else { F::READ_SIZE };

    /// What a page holds besides its two marks and the header of an entry.
    const ENTRY_BYTES_MAX: usize = {
        let header = 8_usize.next_multiple_of(Self::WORD_BYTES);
        F::ERASE_SIZE.saturating_sub(header.saturating_add(Self::WORD_BYTES.saturating_mul(2)))
    };

    /// Whether an entry of so many bytes fits into a page, and into a buffer of so many: it is written and read in whole
    /// words.
    pub(super) fn takes(entry_bytes: usize, buffer_bytes: usize) -> bool {
        let padded = entry_bytes.saturating_add(Self::WORD_BYTES.saturating_sub(1));
        padded <= buffer_bytes.min(Self::ENTRY_BYTES_MAX)
    }

    pub(super) fn new(flash: F, range: Range<u32>) -> Result<Self, Error<F::Error>> {
        let page = u32::try_from(F::ERASE_SIZE).map_err(|_| Error::Range)?;
        let bytes = range.end.checked_sub(range.start).ok_or(Error::Range)?;
        let pages = bytes.checked_div(page).ok_or(Error::Range)?;
        let journal_bytes = page.checked_mul(2).ok_or(Error::Range)?;
        let whole =
            range.start.is_multiple_of(page) && range.end.is_multiple_of(page) && page.is_multiple_of(32);
        let enough = usize::try_from(pages).is_ok_and(|pages| pages >= JOURNAL_PAGES + RING_PAGES_MIN);
        let inside = usize::try_from(range.end).is_ok_and(|end| end <= flash.capacity());
        if !whole || !enough || !inside {
            return Err(Error::Range);
        }
        let middle = range.start.saturating_add(journal_bytes);
        Ok(Self { flash, journal: range.start..middle, ring: middle..range.end })
    }

    #[cfg(feature = "embassy")]
    pub(super) const fn flash(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Erases the pages that look erased and are not: a power cut may end an erase when the marks are gone and the rest is
    /// not, and what is written there later would not be what is read.
    pub(super) async fn clear_torn(&mut self) -> Result<(), Error<F::Error>> {
        let page_bytes = self.journal.end.saturating_sub(self.journal.start) >> 1;
        for page in (self.journal.start..self.ring.end).step_by(F::ERASE_SIZE) {
            let end = page.saturating_add(page_bytes);
            let mut torn = false;
            for at in (page..end).step_by(BUFFER_BYTES) {
                let mut buffer = [0; BUFFER_BYTES];
                self.flash.read(at, &mut buffer).await.map_err(Error::Flash)?;
                let mark = buffer.get(..F::READ_SIZE).unwrap_or_default();
                if at == page && mark.iter().map(|byte| byte.count_zeros()).sum::<u32>() >= MARK_BITS {
                    break;
                }
                torn |= buffer != [0xff; BUFFER_BYTES];
            }
            if torn {
                self.flash.erase(page, end).await.map_err(Error::Flash)?;
            }
        }
        Ok(())
    }

    /// The bound that was journalled last.
    pub(super) async fn journalled(&mut self) -> Result<Option<u64>, Error<F::Error>> {
        let mut bound = None;
        let mut buffer = [0; BUFFER_BYTES];
        self.walk(Part::Journal, &mut buffer, &mut |record| {
            // Ascending as they were written; a record that is none is passed over.
            bound = bound.max(record.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)));
            Verdict::Keep
        })
        .await?;
        Ok(bound)
    }

    /// Journals a bound, twice: one record may rot.
    pub(super) async fn journal(&mut self, bound: u64) -> Result<(), Error<F::Error>> {
        for _ in 0..2 {
            self.push_to(Part::Journal, &bound.to_le_bytes()).await?;
        }
        Ok(())
    }

    pub(super) async fn erase(&mut self, part: Part) -> Result<(), Error<F::Error>> {
        let Range { start, end } = self.range(part);
        self.flash.erase(start, end).await.map_err(Error::Flash)
    }

    /// Appends an entry to the ring, if there is room.
    pub(super) async fn push(&mut self, entry: &[u8]) -> Result<(), Error<F::Error>> {
        self.push_to(Part::Ring, entry).await
    }

    /// The oldest records make room in the journal, where they are worth nothing, and not in the ring.
    async fn push_to(&mut self, part: Part, bytes: &[u8]) -> Result<(), Error<F::Error>> {
        self.queue(part)?.push(bytes, part == Part::Journal).await.map_err(error)
    }

    /// The highest number in the ring.
    pub(super) async fn newest(&mut self, buffer: &mut [u8]) -> Result<Option<u64>, Error<F::Error>> {
        let mut newest = None;
        self.walk(Part::Ring, buffer, &mut |bytes| {
            newest = newest.max(Entry::read(bytes).map(|entry| entry.number));
            Verdict::Keep
        })
        .await?;
        Ok(newest)
    }

    /// Shows the entries of a part to `judge`, oldest first, and does to each what it says. Pages without an entry are
    /// erased on the way. One function for all walks, which saves kilobytes.
    pub(super) async fn walk(
        &mut self,
        part: Part,
        buffer: &mut [u8],
        judge: &mut dyn FnMut(&[u8]) -> Verdict,
    ) -> Result<Walked, Error<F::Error>> {
        let mut queue = self.queue(part)?;
        let mut entries = queue.iter().await.map_err(error)?;
        while let Some(entry) = entries.next(buffer).await.map_err(error)? {
            let verdict = judge(&entry);
            if matches!(verdict, Verdict::Remove | Verdict::RemoveAndStop) {
                entry.pop().await.map_err(error)?;
            }
            if matches!(verdict, Verdict::Stop | Verdict::RemoveAndStop) {
                return Ok(Walked::Stopped);
            }
        }
        Ok(Walked::ToTheEnd)
    }
    fn range(&self, part: Part) -> Range<u32> {
        match part {
            Part::Journal => self.journal.clone(),
            Part::Ring => self.ring.clone(),
        }
    }

    fn queue(&mut self, part: Part) -> Result<Queue<'_, F>, Error<F::Error>> {
        let config = QueueConfig::try_new(self.range(part)).map_err(|_| Error::Range)?;
        Ok(QueueStorage::new(&mut self.flash, config, Cache::new_uncached()))
    }
}

/// What the library says, in our words. It has repaired what it can before it says that something is corrupted.
fn error<E>(error: sequential_storage::Error<E>) -> Error<E> {
    match error {
        sequential_storage::Error::Storage { value, .. } => Error::Flash(value),
        sequential_storage::Error::FullStorage => Error::Full,
        sequential_storage::Error::ItemTooBig => Error::TooLong,
        sequential_storage::Error::BufferTooSmall(needed) => Error::Buffer(needed),
        _ => Error::Damaged,
    }
}
