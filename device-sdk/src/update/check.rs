//! Digests over what is in flash, and the patch that becomes an image, a slice at a time.

use super::record::Record;
use super::{Fault, Slots, Stage, Update};
use embedded_storage_async::nor_flash::NorFlash;
use fleetfn_patch::{Applier, Output};
use fleetfn_protocol::update::{Digest, Phase, Reason};
use sha2::{Digest as _, Sha256};

/// What is read at once.
const CHUNK_BYTES: usize = 128;

/// How many chunks of a digest are one slice: a kilobyte, some ten milliseconds of a slow microcontroller.
const CHUNKS: usize = 8;

/// What of a patch is one slice: at most a kilobyte and a half of image comes of it.
const PATCH_BYTES: usize = 32;

/// What is written at once: sectors and blocks are multiples of it, and it is one of words.
const WRITE_BYTES: usize = 64;

/// The bits of a position within what is read at once of the image that runs.
const OFFSET: u32 = 63;

/// Whose digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// That of the image that runs, for a patch.
    Base,
    /// That of what was downloaded.
    Payload,
    /// That of the image in the download slot.
    Image,
}

/// A digest that is being computed.
pub(super) struct Check {
    what: What,
    at: u32,
    hash: Sha256,
}

impl Check {
    pub(super) fn new(what: What) -> Self {
        Self { what, at: 0, hash: Sha256::new() }
    }

    pub(super) fn is_before_download(&self) -> bool {
        self.what == What::Base
    }
}

/// A patch that is being applied.
pub(super) struct Apply {
    applier: Applier,
    /// How much of the patch is applied.
    at: u32,
    /// Bytes of the image that are not written yet, and where they go.
    new: [u8; WRITE_BYTES],
    new_count: usize,
    new_at: u32,
    /// Bytes of the image that runs.
    old: [u8; WRITE_BYTES],
    old_at: Option<u32>,
}

impl Apply {
    fn new(old_bytes: u32, new_bytes: u32) -> Self {
        Self {
            applier: Applier::new(old_bytes, new_bytes),
            at: 0,
            new: [0xff; WRITE_BYTES],
            new_count: 0,
            new_at: 0,
            old: [0; WRITE_BYTES],
            old_at: None,
        }
    }
}

/// Why a patch goes no further.
enum Stopped {
    /// It is none, or not this one.
    Patch,
    Flash,
}

impl From<Fault> for Stopped {
    fn from(_: Fault) -> Self {
        Self::Flash
    }
}

impl From<fleetfn_patch::Error> for Stopped {
    fn from(_: fleetfn_patch::Error) -> Self {
        Self::Patch
    }
}

impl<S: Slots, F: NorFlash> Update<'_, S, F> {
    pub(super) async fn check_slice(&mut self) {
        let Some(record) = self.record else { return };
        for _ in 0..CHUNKS {
            match self.check_chunk(&record).await {
                Ok(None) => {}
                Ok(Some((what, is_good))) => return self.checked(&record, what, is_good).await,
                Err(_) => return self.handle_fault().await,
            }
        }
    }

    /// Goes on by a chunk; whether the digest is the right one, when it is there.
    async fn check_chunk(&mut self, record: &Record) -> Result<Option<(What, bool)>, Fault> {
        let payload_at = self.payload_at(record);
        let Stage::Check(check) = &mut self.stage else { return Ok(None) };
        let content = match check.what {
            What::Base => record.patch.map_or(record.image, |patch| patch.base),
            What::Payload => record.payload(),
            What::Image => record.image,
        };
        let mut buffer = [0; CHUNK_BYTES];
        let left = usize::try_from(content.size.saturating_sub(check.at)).unwrap_or(CHUNK_BYTES);
        let chunk = buffer.get_mut(..left.min(CHUNK_BYTES)).unwrap_or_default();
        if chunk.is_empty() {
            let digest = core::mem::take(&mut check.hash).finalize();
            return Ok(Some((check.what, Digest(digest.into()) == content.digest)));
        }
        match check.what {
            What::Base => self.slots.read_active(check.at, chunk).await?,
            What::Payload => self.slots.read(payload_at.saturating_add(check.at), chunk).await?,
            What::Image => self.slots.read(check.at, chunk).await?,
        }
        check.hash.update(&*chunk);
        check.at = check.at.saturating_add(u32::try_from(chunk.len()).unwrap_or_default());
        Ok(None)
    }

    async fn checked(&mut self, record: &Record, what: What, is_good: bool) {
        match (what, record.patch) {
            (What::Base, _) if is_good => {
                self.is_base_checked = true;
                self.resume().await;
            }
            (What::Base, _) => self.end(Phase::Failed, Reason::Base).await,
            _ if !is_good => self.begin_again().await,
            (What::Payload, Some(patch)) => {
                self.begin_apply(patch.base.size, record.image.size);
            }
            (What::Payload, None) | (What::Image, _) => {
                self.stage = Stage::Verified;
                self.report.changed();
            }
        }
    }

    /// On its own, so that the window of the patch is on the stack here alone.
    #[inline(never)]
    fn begin_apply(&mut self, old_bytes: u32, new_bytes: u32) {
        self.stage = Stage::Apply(Apply::new(old_bytes, new_bytes));
    }

    pub(super) async fn apply_slice(&mut self) {
        let Some(record) = self.record else { return };
        match self.apply_chunk(&record).await {
            Ok(false) => {}
            Ok(true) => self.stage = Stage::Check(Check::new(What::Image)),
            Err(Stopped::Patch) => self.end(Phase::Failed, Reason::Patch).await,
            Err(Stopped::Flash) => self.handle_fault().await,
        }
    }

    /// Goes on by a chunk of the patch; `true` when the image is whole.
    async fn apply_chunk(&mut self, record: &Record) -> Result<bool, Stopped> {
        let patch_at = self.payload_at(record);
        let Self { stage: Stage::Apply(apply), slots, .. } = self else { return Ok(false) };
        let size = record.payload().size;
        let mut buffer = [0; PATCH_BYTES];
        let left = usize::try_from(size.saturating_sub(apply.at)).unwrap_or(PATCH_BYTES);
        let chunk = buffer.get_mut(..left.min(PATCH_BYTES)).unwrap_or_default();
        if chunk.is_empty() {
            // All of the patch, and no more than the image.
            if !apply.applier.is_whole() {
                return Err(Stopped::Patch);
            }
            apply.write(slots).await?;
            return Ok(true);
        }
        slots.read(patch_at.saturating_add(apply.at), chunk).await?;
        apply.at = apply.at.saturating_add(u32::try_from(chunk.len()).unwrap_or_default());
        for byte in chunk {
            apply.applier.push(*byte)?;
            // Bounded: a byte of a patch leads to 34 of the image at most.
            while let Some(output) = apply.applier.poll_output()? {
                apply.put(slots, output).await?;
            }
        }
        Ok(false)
    }
}

impl Apply {
    async fn put<S: Slots>(&mut self, slots: &mut S, output: Output) -> Result<(), Fault> {
        let byte = match output {
            Output::Byte(byte) => byte,
            Output::Sum { at, add } => self.old(slots, at).await?.wrapping_add(add),
        };
        if let Some(slot) = self.new.get_mut(self.new_count) {
            *slot = byte;
        }
        self.new_count = self.new_count.saturating_add(1);
        if self.new_count >= WRITE_BYTES { self.write(slots).await } else { Ok(()) }
    }

    /// A byte of the image that runs.
    async fn old<S: Slots>(&mut self, slots: &mut S, at: u32) -> Result<u8, Fault> {
        let from = at & !OFFSET;
        if self.old_at != Some(from) {
            self.old_at = None;
            slots.read_active(from, &mut self.old).await?;
            self.old_at = Some(from);
        }
        let offset = usize::try_from(at & OFFSET).unwrap_or_default();
        Ok(self.old.get(offset).copied().unwrap_or_default())
    }

    /// Writes what there is, in whole words, and erases the sector before its first.
    async fn write<S: Slots>(&mut self, slots: &mut S) -> Result<(), Fault> {
        let word = usize::try_from(S::WORD_BYTES).unwrap_or(WRITE_BYTES);
        let count = self.new_count.checked_next_multiple_of(word).unwrap_or(WRITE_BYTES);
        let bytes = self.new.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        if self.new_at.is_multiple_of(S::SECTOR_BYTES) {
            slots.erase(self.new_at).await?;
        }
        slots.write(self.new_at, bytes).await?;
        self.new_at = self.new_at.saturating_add(u32::try_from(count).unwrap_or_default());
        (self.new, self.new_count) = ([0xff; WRITE_BYTES], 0);
        Ok(())
    }
}
