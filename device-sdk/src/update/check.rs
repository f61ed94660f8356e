//! Digests over what is in flash, and the patch that becomes an image, a slice at a time.

use super::record::{Content, Record};
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
        for _ in 0..CHUNKS {
            let Some((what, at, count)) = self.next_chunk() else { return };
            if count == 0 {
                let is_good = self.has_digest();
                return self.checked(what, is_good).await;
            }
            let mut buffer = [0; CHUNK_BYTES];
            let chunk = buffer.get_mut(..count).unwrap_or_default();
            let is_read = match what {
                What::Base => self.slots.read_active(at, chunk).await,
                What::Payload | What::Image => self.slots.read(at, chunk).await,
            };
            if is_read.is_err() {
                return self.handle_fault().await;
            }
            self.add(chunk);
        }
    }

    /// Whose digest is computed, where its next chunk is, and how long that is: none at the end.
    #[inline(never)]
    fn next_chunk(&self) -> Option<(What, u32, usize)> {
        let (Stage::Check(check), Some(record)) = (&self.stage, &self.record) else { return None };
        let left = content(record, check.what).size.saturating_sub(check.at);
        let from = if check.what == What::Payload { self.payload_at(record) } else { 0 };
        let count = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        Some((check.what, from.saturating_add(check.at), count))
    }

    #[inline(never)]
    fn add(&mut self, chunk: &[u8]) {
        if let Stage::Check(check) = &mut self.stage {
            check.hash.update(chunk);
            check.at = check.at.saturating_add(u32::try_from(chunk.len()).unwrap_or_default());
        }
    }

    /// Whether all of it has the digest that it should have.
    #[inline(never)]
    fn has_digest(&mut self) -> bool {
        let (Stage::Check(check), Some(record)) = (&mut self.stage, &self.record) else { return false };
        let digest = core::mem::take(&mut check.hash).finalize();
        Digest(digest.into()) == content(record, check.what).digest
    }

    async fn checked(&mut self, what: What, is_good: bool) {
        match what {
            What::Base if is_good => {
                self.is_base_checked = true;
                self.resume().await;
            }
            What::Base => self.end(Phase::Failed, Reason::Base).await,
            _ if !is_good => self.begin_again().await,
            What::Payload if self.begin_apply() => {}
            What::Payload | What::Image => {
                self.stage = Stage::Verified;
                self.report.changed();
            }
        }
    }

    /// On its own, so that the window of the patch is on the stack here alone.
    #[inline(never)]
    fn begin_apply(&mut self) -> bool {
        let Some((record, patch)) =
            self.record.as_ref().and_then(|record| Some((record, record.patch.as_ref()?)))
        else {
            return false;
        };
        self.stage = Stage::Apply(Apply::new(patch.base.size, record.image.size));
        true
    }

    pub(super) async fn apply_slice(&mut self) {
        match self.apply_chunk().await {
            Ok(false) => {}
            Ok(true) => self.begin_check(What::Image),
            Err(Stopped::Patch) => self.end(Phase::Failed, Reason::Patch).await,
            Err(Stopped::Flash) => self.handle_fault().await,
        }
    }

    /// Goes on by a chunk of the patch; `true` when the image is whole.
    async fn apply_chunk(&mut self) -> Result<bool, Stopped> {
        let (patch_at, size) = match &self.record {
            Some(record) => (self.payload_at(record), record.payload().size),
            None => return Ok(false),
        };
        let Self { stage: Stage::Apply(apply), slots, .. } = self else { return Ok(false) };
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

fn content(record: &Record, what: What) -> &Content {
    match (what, &record.patch) {
        (What::Base, Some(patch)) => &patch.base,
        (What::Payload, Some(patch)) => &patch.patch,
        _ => &record.image,
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
