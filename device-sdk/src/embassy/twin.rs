//! The desired part of the twin: the latest document for the tasks, and the copy of it in flash.
//!
//! The engine sends what is desired once. So that a device knows it after a reboot, the document is kept in a range of its
//! own, a queue of `sequential-storage` whose last entry counts, and is written before it is acknowledged. A power cut
//! leaves the old document or the new one; when it is the old one, the new one comes again. One that is longer than the buffers
//! take, or that the flash does not take, leaves the old one.
//!
//! This has nothing to do with `fleetfn_device::memory`, which keeps the twin and the commands that were done for those who drive
//! an agent themselves.

use super::error::{Error, Misuse};
use core::ops::Range;
use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::queue::{QueueConfig, QueueStorage};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What a read of the flash may need besides the document, to fill up its last word. A document that leaves no room for it is
/// too long: tasks are told only what they would be told after a reboot, too.
const WORD_BYTES_MAX: usize = 32;

/// The document that came last.
pub(super) struct Latest<'r> {
    buffer: &'r mut [u8],
    len: usize,
    is_new: bool,
    is_cut: bool,
}

impl<'r> Latest<'r> {
    pub(super) const fn new(buffer: &'r mut [u8]) -> Self {
        Self { buffer, len: 0, is_new: false, is_cut: false }
    }

    /// Whether a document can be read again from flash into the buffer.
    pub(super) const fn fits(&self, document: &[u8]) -> bool {
        document.len().saturating_add(WORD_BYTES_MAX) <= self.buffer.len()
    }

    /// Takes a document over, in the place of the one that was there.
    pub(super) fn put(&mut self, document: &[u8]) {
        self.is_cut = !self.fits(document);
        self.len = document.len().min(self.buffer.len());
        self.buffer.iter_mut().zip(document).for_each(|(to, from)| *to = *from);
        self.is_new = true;
    }

    /// The document, if it was not taken before.
    pub(super) fn take(&mut self) -> Result<Option<Document<'_>>, Error> {
        if !core::mem::take(&mut self.is_new) {
            return Ok(None);
        }
        if self.is_cut {
            return Err(Misuse::TooLong.into());
        }
        Ok(Some(Document(self.buffer.get(..self.len).unwrap_or_default())))
    }

    /// Reads what stands in flash. What cannot be read is as if it was not there: it comes again when it changes.
    pub(super) async fn recall<F: MultiwriteNorFlash>(&mut self, flash: &mut F, range: Range<u32>) {
        let Some(count) = last(flash, range.clone(), self.buffer, usize::MAX).await.map(|(count, _)| count)
        else {
            return;
        };
        if let Some((_, len)) = last(flash, range, self.buffer, count).await {
            self.len = len;
            self.is_new = count > 0;
        }
    }
}

/// How many entries there are, up to `max`, and how long the last of them is, which stands in the buffer.
async fn last<F: MultiwriteNorFlash>(
    flash: &mut F,
    range: Range<u32>,
    buffer: &mut [u8],
    max: usize,
) -> Option<(usize, usize)> {
    let config = QueueConfig::try_new(range).ok()?;
    let cache: Cache<Uncached, Uncached, Uncached> = Cache::new_uncached();
    let mut queue = QueueStorage::new(flash, config, cache);
    let mut entries = queue.iter().await.ok()?;
    let (mut count, mut len) = (0_usize, 0);
    while count < max
        && let Some(entry) = entries.next(buffer).await.ok()?
    {
        count = count.saturating_add(1);
        len = entry.len();
    }
    Some((count, len))
}

/// Writes a document to flash. One that does not fit, or a flash that fails, leaves what was there.
pub(super) async fn remember<F: MultiwriteNorFlash>(
    flash: &mut F,
    range: Range<u32>,
    document: &[u8],
) -> bool {
    let Ok(config) = QueueConfig::try_new(range) else { return false };
    let cache: Cache<Uncached, Uncached, Uncached> = Cache::new_uncached();
    let mut queue = QueueStorage::new(flash, config, cache);
    queue.push(document, true).await.is_ok()
}

/// What the engine sends: `{"version":7,"desired":{}}`.
pub(super) struct Document<'d>(&'d [u8]);

impl Document<'_> {
    pub(super) fn desired<T: DeserializeOwned>(&self) -> Result<T, Error> {
        #[derive(Deserialize)]
        struct Twin<T> {
            desired: T,
        }
        serde_json_core::from_slice::<Twin<T>>(self.0).map(|(twin, _)| twin.desired).map_err(|_| Error::Peer)
    }
}
