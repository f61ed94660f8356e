//! The thread that moves the overlay into the tree, takes snapshots and lets the log be trimmed.

use crate::log::segments::free_bytes;
use crate::log::{PartitionLog, Receipt};
use crate::recovery;
use crate::snapshot::Snapshots;
use crate::store::{Config, Room};
use crate::view::overlay::{Generation, Row};
use crate::view::{self, View};
use fleetfn_core::{Offset, PartitionId};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often the overlay is written out: a hot key is written once in this time.
const EVERY: Duration = Duration::from_millis(250);

/// What the database may write by itself, beyond a flush.
const RESERVE_BYTES: u64 = 8 << 20;

/// How long to wait before a database that failed is made again.
const RETRY: Duration = Duration::from_millis(500);

/// Rows of dark versions that are deleted at once: about 3 MB in the overlay. The rest goes with the next flushes.
const SHADOW_ROWS_MAX: usize = 16_384;

impl View {
    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.0.dirty_bytes.load(Ordering::Relaxed)
    }

    /// Takes a row of a partition into its overlay.
    pub(crate) fn apply(&self, partition: PartitionId, row: Row) -> Result<(), view::Error> {
        let mut content = self.lane(partition)?.lock();
        self.apply_to(&mut content, row);
        Ok(())
    }

    pub(crate) fn apply_to(&self, content: &mut view::overlay::Content, row: Row) {
        let surplus = match row.value {
            Some(_) => content.kept.handle_put(&row.key),
            None => {
                content.kept.handle_delete(&row.key);
                None
            }
        };
        let mut change = content.apply(row);
        if let Some(key) = surplus {
            change += content.apply(Row { key, value: None, once: false });
        }
        // Wraps around for a negative change, as two's complement does.
        self.0.dirty_bytes.fetch_add(change.cast_unsigned(), Ordering::Relaxed);
    }

    /// Moves what the overlays hold into the tree, which is then complete up to `applied`. `durable` is called in
    /// between: it must not return before all that the overlays held is durable in the log.
    pub(crate) fn flush(
        &self,
        applied: Offset,
        durable: impl FnOnce() -> Result<(), view::Error>,
    ) -> Result<(), view::Error> {
        let generations = self.begin_flush();
        durable()?;
        self.write(&generations, applied)
    }

    fn begin_flush(&self) -> Vec<Generation> {
        let mut generations = Vec::new();
        for lane in &self.0.lanes {
            let mut content = lane.lock();
            let (generation, bytes) = content.begin_flush();
            self.0.dirty_bytes.fetch_sub(bytes, Ordering::Relaxed);
            generations.push(generation);
        }
        generations
    }

    fn write(&self, generations: &[Generation], applied: Offset) -> Result<(), view::Error> {
        self.0.tree.write(generations.iter().flat_map(|generation| generation.iter()), applied)
    }
}

pub(crate) struct Flusher<R: Receipt> {
    pub(crate) config: Config,
    pub(crate) log: Arc<dyn PartitionLog<R>>,
    pub(crate) view: View,
    pub(crate) snapshots: Snapshots,
    pub(crate) room: Arc<Room>,
    pub(crate) handled: Arc<Vec<AtomicU64>>,
    pub(crate) snapshot_log_bytes: u64,
    /// Whether dark versions that run no more may have left rows behind.
    pub(crate) shadows_left: bool,
}

impl<R: Receipt> Flusher<R> {
    /// Runs until the store is closed; then everything accepted is in the tree, unless it says why not.
    pub(crate) fn run(mut self) -> Result<(), view::Error> {
        let mut applied = self.log.durable_end();
        loop {
            let closing = self.room.wait_for_work(EVERY);
            applied = self.flush_once(applied).inspect_err(|error| {
                tracing::error!(%error, "the state cannot be brought up to the log");
            })?;
            if closing {
                return Ok(());
            }
            if let Err(error) = self.tidy(applied) {
                tracing::warn!(%error, "no snapshot could be taken, the log is not trimmed; trying again later");
            }
        }
    }

    /// Moves the overlay into the tree; up to where the tree is complete then.
    fn flush_once(&mut self, before: Offset) -> Result<Offset, view::Error> {
        // Every commit below was applied, or is being applied under the lock of its lane.
        let applied = self.log.accepted_end();
        if applied == before && self.view.dirty_bytes() == 0 && !self.view.0.tree.has_failed() {
            return Ok(before);
        }
        let generations = self.view.begin_flush();
        self.room.signal();
        let accepted = self.log.accepted_end();
        if accepted > self.log.durable_end()
            && let Some(last) = accepted.0.checked_sub(1)
        {
            let lost = |failure: crate::Failure| view::Error::Database(failure.to_string());
            self.log.wait_durable(Offset(last)).map_err(lost)?;
        }
        self.wait_for_disk(&generations);
        let mut told = false;
        loop {
            if !self.view.0.tree.has_failed() && self.view.write(&generations, applied).is_ok() {
                if told {
                    // The log does not know what was pruned.
                    recovery::load_kept(&self.view, self.config.partitions)?;
                    self.shadows_left = true;
                }
                return Ok(applied);
            }
            if !told {
                tracing::error!("the database of the state has failed: making it again from the log");
                told = true;
            }
            if let Err(error) = self.make_again() {
                if self.room.is_closing() {
                    return Err(error);
                }
                tracing::warn!(%error, "not yet");
                std::thread::sleep(RETRY);
            }
        }
    }

    /// Makes the database again. It is filled with all that is durable, for earlier generations may have held commits
    /// beyond the offset that was noted with them.
    fn make_again(&self) -> Result<(), view::Error> {
        let until = self.log.durable_end();
        self.view
            .0
            .tree
            .begin_again(|filler| recovery::fill_again(self.log.as_ref(), &self.snapshots, until, filler))?;
        tracing::info!(%until, "the database of the state was made again");
        Ok(())
    }

    /// Waits while the disk has less room than a flush may take: a database that finds it full has failed for good.
    fn wait_for_disk(&self, generations: &[Generation]) {
        let rows = generations.iter().flat_map(|generation| generation.iter());
        let bytes: usize =
            rows.map(|(key, value)| key.len() + value.as_ref().map_or(0, bytes::Bytes::len)).sum();
        // Twice: pages are written whole, beside those that they replace.
        let wanted = RESERVE_BYTES.saturating_add(2 * bytes as u64);
        let mut told = false;
        while free_bytes(&self.config.dir).is_ok_and(|free| free < wanted) && !self.room.is_closing() {
            if !told {
                tracing::error!("the disk is full: the state waits in memory");
                told = true;
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Takes a snapshot when the log has grown enough, and trims the log behind the older one.
    fn tidy(&mut self, applied: Offset) -> io::Result<()> {
        let snapshot_due =
            self.room.log_bytes() >= self.snapshot_log_bytes.saturating_add(self.config.snapshot_log_bytes);
        if snapshot_due {
            self.snapshot_log_bytes = self.room.log_bytes();
            let tree = &self.view.0.tree;
            self.snapshots
                .write(applied, |put| tree.each(put).map_err(|error| io::Error::other(error.to_string())))?;
            tracing::info!(%applied, "snapshot taken");
        }
        let handled = self.handled.iter().map(|below| below.load(Ordering::Acquire)).min();
        let handled = Offset(handled.unwrap_or_default());
        // The rows go with the next flush.
        let failed = |error: view::Error| io::Error::other(error.to_string());
        if snapshot_due {
            self.view.prune_history(handled).map_err(failed)?;
            self.shadows_left = true;
        }
        if self.shadows_left {
            self.shadows_left = self.view.prune_shadows(SHADOW_ROWS_MAX).map_err(failed)?;
        }
        let below = self
            .snapshots
            .covered()?
            .min(handled)
            .min(self.log.retained_from(self.config.retention_bytes, self.config.retention));
        if below > self.log.start() {
            self.log.trim(below).map_err(|error| io::Error::other(error.to_string()))?;
        }
        Ok(())
    }
}
