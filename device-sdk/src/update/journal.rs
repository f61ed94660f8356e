//! What the flash remembers of updates.
//!
//! The range has two halves; one of them holds:
//!
//! - a record of the job, with a checksum;
//! - four words for how it ended, one that says that its image was started, three for its trials, one for each unit of
//!   the payload that is in flash whole, all in words of the flash.
//!
//! A word is blank until what it stands for is done, and is then written once. One that was cut off while it was written is
//! not blank and counts, since what it stands for was done before; one for the end counts if it makes sense, the next is
//! used else. A job begins by erasing the other half and writing its record there: until the last word of that stands, the
//! half before holds. So a cut at any word leaves the job before or the job after.

use super::firmware::Error;
use super::record::Record;
use super::slots::Fault;
use core::ops::Range;
use embedded_storage_async::nor_flash::NorFlash;
use fleetfn_protocol::update::{Phase, Reason};

/// The longest word of a flash, in bytes.
const WORD_BYTES_MAX: usize = 32;

/// Words for the end: each cut spoils one at most, and the next start tries again.
const ENDS: u32 = 4;

/// How often an image is started on trial.
pub(super) const TRIALS_MAX: u8 = 3;

/// What a word stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    End(u32),
    Started,
    Trial(u8),
    Unit(u32),
}

impl Mark {
    const BEFORE_UNITS: u32 = ENDS + 1 + TRIALS_MAX as u32;

    fn index(self) -> u32 {
        match self {
            Self::End(index) => index,
            Self::Started => ENDS,
            Self::Trial(index) => ENDS.saturating_add(1).saturating_add(index.into()),
            Self::Unit(index) => Self::BEFORE_UNITS.saturating_add(index),
        }
    }
}

/// What is marked of a job.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) ended: Option<(Phase, Reason)>,
    pub(super) was_started: bool,
    pub(super) trials: u8,
}

pub(super) struct Journal<F> {
    flash: F,
    start: u32,
    half_bytes: u32,
    /// Where the half begins that holds.
    at: u32,
}

impl<F: NorFlash> Journal<F> {
    const WORD: usize = {
        let word = if F::WRITE_SIZE > F::READ_SIZE { F::WRITE_SIZE } else { F::READ_SIZE };
        if word > 4 { word } else { 4 }
    };
    const FITS: () = assert!(
        Self::WORD <= WORD_BYTES_MAX && Self::WORD.is_power_of_two(),
        "the journal's flash has words of a power of two, at most 32 bytes"
    );
    #[expect(clippy::cast_possible_truncation, reason = "32 at most")]
    const WORD_BYTES: u32 = Self::WORD as u32;
    #[expect(clippy::cast_possible_truncation, reason = "a record has some hundred bytes")]
    const RECORD_BYTES: u32 = Record::BYTES.next_multiple_of(Self::WORD) as u32;

    pub(super) fn new(flash: F, range: &Range<u32>) -> Result<Self, Error> {
        let () = Self::FITS;
        let page = u32::try_from(F::ERASE_SIZE).map_err(|_| Error::Range)?;
        let half_bytes = range.end.checked_sub(range.start).ok_or(Error::Range)? >> 1;
        let inside = usize::try_from(range.end).is_ok_and(|end| end <= flash.capacity());
        let whole = range.start.is_multiple_of(page) && half_bytes.is_multiple_of(page);
        let exact = range.end.is_multiple_of(page);
        let journal = Self { flash, start: range.start, half_bytes, at: range.start };
        if !inside || !whole || !exact || journal.units_max() == 0 {
            return Err(Error::Range);
        }
        Ok(journal)
    }

    /// For how many units there are words.
    pub(super) const fn units_max(&self) -> u32 {
        let words = self.half_bytes.saturating_sub(Self::RECORD_BYTES).checked_div(Self::WORD_BYTES);
        match words {
            Some(words) => words.saturating_sub(Mark::BEFORE_UNITS),
            None => 0,
        }
    }

    /// Reads the record that holds into its place, which is empty. What is returned would be moved, at every step.
    pub(super) async fn load(&mut self, place: &mut Option<Record>) -> Result<(), Fault> {
        for at in [self.start, self.start.saturating_add(self.half_bytes)] {
            let mut bytes = [0; Record::BYTES];
            for (at, chunk) in (at..).step_by(Self::WORD).zip(bytes.chunks_mut(Self::WORD)) {
                let mut word = [0; WORD_BYTES_MAX];
                self.read(at, &mut word).await?;
                super::copy(chunk, &word);
            }
            if put_newer(place, &bytes) {
                self.at = at;
            }
        }
        Ok(())
    }

    /// A job begins, or begins anew: from now on its record holds, which is given as it was written. It is not kept here as a
    /// value, too: a future has room for all that it knows while it waits.
    pub(super) async fn begin(&mut self, record: &[u8; Record::BYTES]) -> Result<(), Fault> {
        let other = self.start.saturating_add(if self.at == self.start { self.half_bytes } else { 0 });
        let end = other.saturating_add(self.half_bytes);
        self.flash.erase(other, end).await.map_err(Fault::flash)?;
        for at in (other..end).step_by(Self::WORD) {
            if !self.is_blank(at).await? {
                return Err(Fault::Worn);
            }
        }
        for (at, chunk) in (other..end).step_by(Self::WORD).zip(record.chunks(Self::WORD)) {
            let mut word = [0xff; WORD_BYTES_MAX];
            super::copy(&mut word, chunk);
            self.write(at, &word).await?;
        }
        for (at, chunk) in (other..end).step_by(Self::WORD).zip(record.chunks(Self::WORD)) {
            let mut word = [0; WORD_BYTES_MAX];
            self.read(at, &mut word).await?;
            if !word.starts_with(chunk) {
                return Err(Fault::Worn);
            }
        }
        self.at = other;
        Ok(())
    }

    pub(super) async fn marks(&mut self) -> Result<Marks, Fault> {
        let mut marks = Marks { was_started: self.is_marked(Mark::Started).await?, ..Marks::default() };
        for trial in 0..TRIALS_MAX {
            if self.is_marked(Mark::Trial(trial)).await? {
                marks.trials = trial.saturating_add(1);
            }
        }
        for index in (0..ENDS).rev() {
            let mut word = [0; WORD_BYTES_MAX];
            self.read(self.place(Mark::End(index)), &mut word).await?;
            marks.ended = end_of(&word).or(marks.ended);
        }
        Ok(marks)
    }

    /// How many units from the front are in flash.
    pub(super) async fn units(&mut self, all: u32) -> Result<u32, Fault> {
        for unit in 0..all {
            if !self.is_marked(Mark::Unit(unit)).await? {
                return Ok(unit);
            }
        }
        Ok(all)
    }

    /// What the mark stands for is done. It counts only if the flash keeps it.
    pub(super) async fn mark(&mut self, mark: Mark) -> Result<(), Fault> {
        if self.is_marked(mark).await? {
            return Ok(());
        }
        self.write(self.place(mark), &[0; WORD_BYTES_MAX]).await?;
        if self.is_marked(mark).await? { Ok(()) } else { Err(Fault::Worn) }
    }

    /// The job has ended.
    pub(super) async fn end(&mut self, phase: Phase, reason: Reason) -> Result<(), Fault> {
        let (phase_byte, reason_byte) = (phase.byte(), reason.byte());
        let mut word = [0; WORD_BYTES_MAX];
        if let Some(start) = word.first_chunk_mut() {
            *start = [phase_byte, reason_byte, !phase_byte, !reason_byte];
        }
        for index in 0..ENDS {
            if !self.is_marked(Mark::End(index)).await? {
                return self.write(self.place(Mark::End(index)), &word).await;
            }
        }
        Err(Fault::Worn)
    }

    fn place(&self, mark: Mark) -> u32 {
        let words = mark.index().saturating_mul(Self::WORD_BYTES);
        self.at.saturating_add(Self::RECORD_BYTES).saturating_add(words)
    }

    async fn is_marked(&mut self, mark: Mark) -> Result<bool, Fault> {
        Ok(!self.is_blank(self.place(mark)).await?)
    }

    async fn is_blank(&mut self, at: u32) -> Result<bool, Fault> {
        let mut word = [0; WORD_BYTES_MAX];
        self.read(at, &mut word).await?;
        Ok(word.iter().take(Self::WORD).all(|byte| *byte == 0xff))
    }

    async fn read(&mut self, at: u32, word: &mut [u8; WORD_BYTES_MAX]) -> Result<(), Fault> {
        let word = word.get_mut(..Self::WORD).unwrap_or_default();
        self.flash.read(at, word).await.map_err(Fault::flash)
    }

    async fn write(&mut self, at: u32, word: &[u8; WORD_BYTES_MAX]) -> Result<(), Fault> {
        let word = word.get(..Self::WORD).unwrap_or_default();
        self.flash.write(at, word).await.map_err(Fault::flash)
    }
}

/// Puts a record that was read there, if it is one and newer than what is there.
#[inline(never)]
fn put_newer(place: &mut Option<Record>, bytes: &[u8; Record::BYTES]) -> bool {
    let Some(record) = Record::read(bytes) else { return false };
    let is_newer = place.as_ref().is_none_or(|newest| record.generation > newest.generation);
    if is_newer {
        *place = Some(record);
    }
    is_newer
}

/// How a job ended, if a word says so.
fn end_of(word: &[u8]) -> Option<(Phase, Reason)> {
    let &[phase, reason, not_phase, not_reason] = word.first_chunk()?;
    if phase != !not_phase || reason != !not_reason {
        return None;
    }
    let phase = Phase::ALL.iter().find(|known| known.byte() == phase && known.is_end())?;
    let reason = Reason::ALL.iter().find(|known| known.byte() == reason)?;
    Some((*phase, *reason))
}
