//! The download: blocks are asked for, come in any order, or do not come.

use super::check::{Check, What};
use super::journal::Mark;
use super::offer::sectors;
use super::record::Record;
use super::window::Window;
use super::{Fault, Slots, Stage, Update};
use embedded_storage_async::nor_flash::NorFlash;
use fleetfn_protocol::update::{Block, BlockBytes, BlockRequest};

/// How long blocks may take before they are asked for again, in milliseconds: more than a round trip over a slow radio. It
/// doubles each time that nothing comes.
const WAIT_MS: u64 = 2_000;

/// The longest wait, in milliseconds: what a server that has no time for blocks is asked for by each device.
const WAIT_MS_MAX: u64 = 60_000;

/// The longest word of a flash that a payload is written in, in bytes.
const WORD_BYTES_MAX: usize = 64;

/// A download, from the last mark on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetch {
    window: Window,
    block_bytes: BlockBytes,
    /// Units that are marked.
    marked: u32,
    /// How much of the payload's place is erased or written, in bytes.
    erased: u32,
    retry_at_ms: u64,
    wait_ms: u64,
}

impl Fetch {
    /// Goes on behind so many units.
    pub(super) fn new(record: &Record, block_bytes: BlockBytes, marked: u32, now_ms: u64) -> Self {
        let done = marked.saturating_mul(record.unit_bytes);
        // Shifts instead of divisions: all of these are powers of two.
        let shift = block_bytes.get().trailing_zeros();
        let first = done >> shift;
        let blocks = Record::units(record.payload().size, 1 << shift);
        Self {
            window: Window::new(first, blocks),
            block_bytes,
            marked,
            erased: done,
            retry_at_ms: now_ms,
            wait_ms: WAIT_MS,
        }
    }

    /// What was asked for does not come any more.
    pub(super) const fn give_up(&mut self, now_ms: u64) {
        self.window.give_up();
        self.retry_at_ms = now_ms;
        self.wait_ms = WAIT_MS;
    }

    /// When there is something to ask for, unless blocks come before.
    pub(super) const fn due_ms(&self) -> u64 {
        self.retry_at_ms
    }

    /// How many bytes of `payload` are in flash.
    pub(super) fn have(&self, payload: u32) -> u32 {
        let have = self.window.have().saturating_mul(self.block_bytes.get().into());
        have.min(payload)
    }
}

impl<S: Slots, F: NorFlash> Update<'_, S, F> {
    /// The blocks to be asked for now; for those who do not [`Update::flush`](Self::flush) to an agent. Where they go is
    /// erased when this returns.
    pub async fn poll_request(&mut self, now_ms: u64) -> Option<BlockRequest> {
        let now_ms = self.clock.tick(now_ms);
        let (request, end) = self.next_request(now_ms)?;
        // No more than the window is long, and a sector.
        while let Some(at) = self.next_erase(end) {
            if self.slots.erase(at).await.is_err() {
                self.handle_fault().await;
                return None;
            }
            if let Stage::Fetch(fetch) = &mut self.stage {
                fetch.erased = fetch.erased.saturating_add(S::SECTOR_BYTES);
            }
        }
        Some(request)
    }

    /// What is to be asked for, and up to where that reaches in the payload.
    #[inline(never)]
    fn next_request(&mut self, now_ms: u64) -> Option<(BlockRequest, u32)> {
        let (Stage::Fetch(fetch), Some(record)) = (&mut self.stage, &self.record) else { return None };
        if self.is_busy || !self.report.is_connected() {
            return None;
        }
        let is_late = now_ms >= fetch.retry_at_ms && fetch.window.awaits();
        let mut window = fetch.window;
        if is_late {
            window.give_up();
        }
        let wanted = window.wanted(self.config.window);
        if wanted == 0 {
            return None;
        }
        if is_late {
            fetch.wait_ms = fetch.wait_ms.saturating_mul(2).min(WAIT_MS_MAX);
        }
        let first = window.first();
        window.ask(wanted);
        fetch.window = window;
        fetch.retry_at_ms = now_ms.saturating_add(fetch.wait_ms);
        let end = 32_u32.saturating_sub(wanted.leading_zeros()).saturating_add(first);
        let end = end.saturating_mul(fetch.block_bytes.get().into()).min(record.payload().size);
        Some((BlockRequest { job: record.job, block_bytes: fetch.block_bytes, first, wanted }, end))
    }

    /// Which sector of the download slot is to be erased next, so that the payload has room up to `end`.
    fn next_erase(&self, end: u32) -> Option<u32> {
        let (Stage::Fetch(fetch), Some(record)) = (&self.stage, &self.record) else { return None };
        (fetch.erased < end).then(|| self.payload_at(record).saturating_add(fetch.erased))
    }

    /// A block came; for those who have no agent. One that was not asked for, or is not as long as it was asked for, is
    /// passed over.
    pub async fn handle_block(&mut self, bytes: &[u8], now_ms: u64) {
        let now_ms = self.clock.tick(now_ms);
        let Ok(block) = Block::parse(bytes) else { return };
        let Some(place) = self.place(&block) else { return };
        if self.write_block(place, block.bytes).await.is_err() {
            return self.handle_fault().await;
        }
        self.put(block.index, now_ms);
        // No more than the window is long.
        while let Some(unit) = self.next_mark() {
            if self.journal.mark(Mark::Unit(unit)).await.is_err() {
                return self.handle_fault().await;
            }
            if let Stage::Fetch(fetch) = &mut self.stage {
                fetch.marked = fetch.marked.saturating_add(1);
                self.faults = 0;
            }
        }
        if matches!(&self.stage, Stage::Fetch(fetch) if fetch.window.is_complete()) {
            self.stage = Stage::Check(Check::new(What::Payload));
        }
    }

    /// Where in the download slot a block goes, if it was asked for.
    #[inline(never)]
    fn place(&self, block: &Block<'_>) -> Option<u32> {
        let (Stage::Fetch(fetch), Some(record)) = (&self.stage, &self.record) else { return None };
        if self.is_busy || block.job != record.job || !fetch.window.accepts(block.index) {
            return None;
        }
        let block_bytes = u32::from(fetch.block_bytes.get());
        let at = block.index.saturating_mul(block_bytes);
        let expected = record.payload().size.saturating_sub(at).min(block_bytes);
        let is_whole = usize::try_from(expected) == Ok(block.bytes.len());
        is_whole.then(|| self.payload_at(record).saturating_add(at))
    }

    /// A block is in flash.
    #[inline(never)]
    fn put(&mut self, index: u32, now_ms: u64) {
        let (Stage::Fetch(fetch), Some(record)) = (&mut self.stage, &self.record) else { return };
        fetch.window.put(index);
        fetch.wait_ms = WAIT_MS;
        fetch.retry_at_ms = now_ms.saturating_add(WAIT_MS);
        self.report.progress(fetch.have(record.payload().size), record.payload().size, now_ms);
    }

    /// The next unit that is whole and not marked.
    #[inline(never)]
    fn next_mark(&self) -> Option<u32> {
        let (Stage::Fetch(fetch), Some(record)) = (&self.stage, &self.record) else { return None };
        let size = record.payload().size;
        let done = fetch.window.first().saturating_mul(fetch.block_bytes.get().into()).min(size);
        let end = fetch.marked.saturating_add(1).saturating_mul(record.unit_bytes).min(size);
        (fetch.marked < Record::units(size, record.unit_bytes) && end <= done).then_some(fetch.marked)
    }

    async fn write_block(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        let word = usize::try_from(S::WORD_BYTES).unwrap_or(WORD_BYTES_MAX);
        let tail = bytes.len() & word.wrapping_sub(1);
        let (whole, tail) = bytes.split_at_checked(bytes.len().saturating_sub(tail)).unwrap_or_default();
        self.slots.write(at, whole).await?;
        if tail.is_empty() {
            return Ok(());
        }
        let mut last = [0xff; WORD_BYTES_MAX];
        super::copy(&mut last, tail);
        let behind = u32::try_from(whole.len()).unwrap_or(u32::MAX);
        self.slots.write(at.saturating_add(behind), last.get(..word).unwrap_or_default()).await
    }

    /// Where the payload begins in the download slot.
    #[inline(never)]
    pub(super) fn payload_at(&self, record: &Record) -> u32 {
        record.patch.as_ref().map_or(0, |patch| {
            let sectors = sectors(patch.patch.size, S::SECTOR_BYTES);
            self.slots.slot_bytes().saturating_sub(sectors.unwrap_or(u32::MAX))
        })
    }
}
