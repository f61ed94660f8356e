//! What happens at open: is the tree on disk to be trusted, and what is to be replayed.
//!
//! The tree is trusted after an orderly end (`DIR/clean` says up to where it is complete, and all its files were synced
//! before that file was written) and after a mere crash of the process on the same boot of the machine (`DIR/boot`
//! holds the boot's id), when the kernel still has what was written. It must not claim more than the log holds. In
//! every other case it is deleted and made again from the newest whole snapshot. Then the commits behind it are
//! read from the log; they are absolute, so reading some twice changes nothing.

use crate::key;
use crate::log::segment::sync_directory;
use crate::log::{Channel, PartitionLog, ReadError, Receipt};
use crate::record::decode_changes;
use crate::snapshot::Snapshots;
use crate::store::{Config, OpenError};
use crate::view::tree::{Filler, Rows, Tree};
use crate::view::{self, View, rows};
use bytes::Bytes;
use fleetfn_core::Offset;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Bytes of the log that are read at once.
const READ_BYTES: usize = 4 << 20;

/// Where Linux says which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What was found at open. Its text is for the log of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The oldest record of the log.
    pub log_start: Offset,
    /// The place after its newest record.
    pub log_end: Offset,
    /// Whether an unfinished group was cut off the log.
    pub torn: bool,
    /// Whether the tree on disk was used; it was made again otherwise.
    pub trusted: bool,
    /// Up to where the tree, or the snapshot, was complete.
    pub applied: Offset,
    /// Records that were read again.
    pub replayed: u64,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log_start, log_end, torn, trusted, applied, replayed } = self;
        let view = if *trusted { "view on disk used" } else { "view made again" };
        let cut = if *torn { ", an unfinished group was cut off" } else { "" };
        write!(
            f,
            "log {log_start}..{log_end}{cut}; {view}, complete to {applied}; {replayed} records read again"
        )
    }
}

fn boot_id() -> io::Result<String> {
    std::fs::read_to_string(BOOT_ID)
}

pub(crate) fn write_synced(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let part = dir.join(format!("{name}.part"));
    let mut file = File::create(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&part, dir.join(name))?;
    sync_directory(dir)
}

/// Notes that the tree is whole on disk; called when everything is synced.
pub(crate) fn mark_clean(dir: &Path, applied: Offset) -> io::Result<()> {
    write_synced(dir, "clean", &applied.0.to_string())
}

/// Opens the tree if it can be trusted; otherwise there is none when this returns. From then on it is bound to this
/// boot, for it may hold more than what was synced.
fn trusted(config: &Config, log_start: Offset, log_end: Offset) -> Result<Option<(Tree, Offset)>, OpenError> {
    let io = |source| OpenError::Directory { path: config.dir.clone(), source };
    let boot = boot_id().ok();
    let was = std::fs::read_to_string(config.dir.join("boot")).ok();
    let same_boot = boot.is_some() && boot == was;
    let clean = std::fs::read_to_string(config.dir.join("clean")).ok();
    let clean: Option<u64> = clean.and_then(|text| text.parse().ok());
    let view = config.dir.join("view");
    let keep = same_boot || clean.is_some();
    if !keep {
        view::tree::remove(&view)?;
    }
    match std::fs::remove_file(config.dir.join("clean")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    write_synced(&config.dir, "boot", &boot.unwrap_or_default()).map_err(io)?;
    if !keep {
        return Ok(None);
    }
    let Ok(tree) = Tree::open(view, config.cache_bytes) else { return Ok(None) };
    let Ok(Some(applied)) = tree.applied() else { return Ok(None) };
    // A tree ahead of the log belongs to another log, or the log has lost what it had acknowledged.
    let fits = (log_start..=log_end).contains(&applied) && clean.is_none_or(|clean| clean == applied.0);
    Ok(fits.then_some((tree, applied)))
}

/// Fills a new tree from the newest snapshot that is whole; where it is complete to.
pub(crate) fn fill_from_snapshot(
    snapshots: &Snapshots,
    log_start: Offset,
    log_end: Offset,
    filler: &mut dyn FnMut(&Rows, Offset) -> Result<(), view::Error>,
) -> Result<Offset, view::Error> {
    let database = |error: io::Error| view::Error::Database(error.to_string());
    for (applied, path) in snapshots.list().map_err(database)? {
        if !(log_start..=log_end).contains(&applied) {
            tracing::warn!(path = %path.display(), "a snapshot is of another log: trying an older one");
            continue;
        }
        let mut all = Rows::new();
        match Snapshots::read(&path, |key, value| drop(all.insert(key, Some(value)))) {
            Ok(applied) => {
                filler(&all, applied)?;
                return Ok(applied);
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a snapshot is damaged: trying an older one")
            }
        }
    }
    if log_start > Offset(0) {
        return Err(view::Error::Database(format!(
            "no whole snapshot, and the log begins at offset {log_start} only: restore the data directory from a copy"
        )));
    }
    filler(&Rows::new(), Offset(0))?;
    Ok(Offset(0))
}

/// Reads the commits from `from` on and hands on the rows that they change; how many records were read.
pub(crate) fn replay<R: Receipt>(
    log: &dyn PartitionLog<R>,
    from: Offset,
    until: Offset,
    mut apply: impl FnMut(Offset, &crate::Stored) -> Result<(), OpenError>,
) -> Result<u64, OpenError> {
    let (mut next, mut count) = (from, 0);
    while next < until {
        let records = log.read(next, READ_BYTES)?;
        let Some(last) = records.last() else { break };
        let after = last.offset.next();
        for stored in records.iter().take_while(|stored| stored.offset < until) {
            apply(stored.offset, stored)?;
            count += 1;
        }
        next = after;
    }
    Ok(count)
}

/// Makes a failed tree again, from the newest snapshot and the log up to `until`.
pub(crate) fn fill_again<R: Receipt>(
    log: &dyn PartitionLog<R>,
    snapshots: &Snapshots,
    until: Offset,
    filler: &Filler<'_>,
) -> Result<(), view::Error> {
    let from = fill_from_snapshot(snapshots, log.start(), log.durable_end(), &mut |all, applied| {
        filler.write(all.iter(), applied)
    })?;
    let mut pending = Rows::new();
    let mut bytes = 0;
    let database = |error: OpenError| view::Error::Database(error.to_string());
    replay(log, from, until, |offset, stored| {
        each_row(stored, |row| {
            bytes += row.key.len() + row.value.as_ref().map_or(0, Bytes::len);
            pending.insert(row.key, row.value.as_deref().map(Bytes::copy_from_slice));
        })?;
        if bytes > READ_BYTES {
            filler.write(pending.iter(), offset.next())?;
            pending.clear();
            bytes = 0;
        }
        Ok(())
    })
    .map_err(database)?;
    filler.write(pending.iter(), until)
}

/// The rows that a record changes, if it is one that changes rows.
fn each_row(stored: &crate::Stored, mut put: impl FnMut(view::overlay::Row)) -> Result<(), OpenError> {
    match stored.channel {
        Channel::Events => {}
        Channel::Leases => put(rows::of_lease(stored.partition, &stored.record)),
        Channel::Commits => {
            let commit = decode_changes(&stored.record)
                .map_err(|source| OpenError::Commit { offset: stored.offset, source })?;
            rows::of_commit(&commit, stored.offset, put);
        }
    }
    Ok(())
}

/// Opens the view of a log that is open already.
pub(crate) fn open_view<R: Receipt>(
    config: &Config,
    log: &dyn PartitionLog<R>,
    snapshots: &Snapshots,
    torn: bool,
) -> Result<(View, Recovery), OpenError> {
    let log_end = log.durable_end();
    let kept = trusted(config, log.start(), log_end)?;
    let trusted = kept.is_some();
    let (tree, applied) = match kept {
        Some(kept) => kept,
        None => {
            let tree = Tree::create(config.dir.join("view"), config.cache_bytes)?;
            let applied = fill_from_snapshot(snapshots, log.start(), log_end, &mut |all, applied| {
                tree.write(all.iter(), applied)
            })?;
            (tree, applied)
        }
    };
    let view = View::new(config.partitions, tree);
    load_kept(&view, config.partitions)?;
    let replayed = replay(log, applied, log_end, |offset, stored| {
        if stored.channel == Channel::Commits {
            view.lane(stored.partition)?.lock().last_commit = Some(offset);
        }
        let mut taken = Vec::new();
        each_row(stored, |row| taken.push(row))?;
        for row in taken {
            // A slice would keep all that was read with it in memory.
            let value = row.value.as_deref().map(Bytes::copy_from_slice);
            // The tree may hold the key already: it must be deleted there, too.
            view.apply(stored.partition, view::overlay::Row { key: row.key, value, once: false })?;
        }
        if view.dirty_bytes() > config.overlay_bytes_max / 2 {
            view.flush(offset.next(), || Ok(()))?;
        }
        Ok(())
    })?;
    load_lanes(&view, config.partitions)?;
    view.flush(log_end, || Ok(()))?;
    let log_start = log.start();
    Ok((view, Recovery { log_start, log_end, torn, trusted, applied, replayed }))
}

/// Takes note of rows of which only the newest are kept, and deletes the others.
pub(crate) fn load_kept(view: &View, partitions: u16) -> Result<(), view::Error> {
    for partition in (0..partitions).map(fleetfn_core::PartitionId) {
        for prefix in [key::dead_letter::prefix(partition), key::difference::prefix_all(partition)] {
            for key in view.keys(partition, &prefix, usize::MAX)? {
                let surplus = view.lane(partition)?.lock().kept.handle_put(&key);
                if let Some(key) = surplus {
                    view.apply(partition, view::overlay::Row { key, value: None, once: false })?;
                }
            }
        }
    }
    Ok(())
}

fn load_lanes(view: &View, partitions: u16) -> Result<(), OpenError> {
    let all = (0..partitions).map(fleetfn_core::PartitionId).chain([fleetfn_core::PartitionId::CONTROL]);
    for partition in all {
        let (cursor, epoch) = (view.cursor(partition)?, view.epoch(partition)?);
        let mut content = view.lane(partition)?.lock();
        content.cursor = cursor;
        content.epoch = epoch;
    }
    Ok(())
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        Self::Log(error)
    }
}
