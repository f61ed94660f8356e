//! Patches between images of releases: made once, in the background, and kept beside the images.
//!
//! A patch is an artifact like an image, under its own digest. Which pair of images it is for stands in `DIR/patches`, one
//! file for each pair: `BASE-TARGET`, with `DIGEST SIZE` in it, or `-` if a patch would not be worth it. The file is written
//! after the artifact, so that a crash leaves an artifact that nobody names, which goes with the next start, and the patch is
//! made again. What is for an image that no release names goes with the next start as well.
//!
//! A patch is worth it if it saves a quarter of the image, and only what was seen to make the image out of the other one is
//! ever offered. One thread makes one patch at a time: of 8 MiB that takes some seconds and 80 MB.

mod book;
mod maker;

pub(crate) use book::{Made, Pair};

use crate::artifacts::Artifacts;
use crate::metrics::{Metrics, PatchOutcome, UpdateCounters};
use book::Book;
use fleetfn_protocol::update::Digest;
use fleetfn_store::give_way;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Pairs that may wait: for each of some releases the versions that are in the field.
const QUEUE_MAX: usize = 64;

/// Pairs that are known. A patch is at most three quarters of an image.
const PAIRS_MAX: usize = 1_024;

#[derive(Debug, Default)]
struct Known {
    made: BTreeMap<Pair, Made>,
    queue: VecDeque<Pair>,
    under_way: Option<Pair>,
    /// Pairs that could not be made since the start: an image is missing, or the disk is full.
    failed: BTreeSet<Pair>,
    is_stopping: bool,
}

impl Known {
    fn is_coming(&self, pair: &Pair) -> bool {
        self.under_way == Some(*pair) || self.queue.contains(pair)
    }
}

#[derive(Debug)]
struct Shop {
    known: Mutex<Known>,
    news: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shop {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The patches of a node. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Patches(Arc<Shop>);

impl Patches {
    /// Reads what is there, but for what is for images that are not among `images`, and begins to make what is asked for.
    pub(crate) fn start(
        data: &Path,
        artifacts: &Artifacts,
        images: &BTreeSet<Digest>,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let book = Book::open(data)?;
        let made = book.read(images)?;
        let known = Known { made, ..Known::default() };
        let patches =
            Self(Arc::new(Shop { known: Mutex::new(known), news: Condvar::new(), thread: Mutex::default() }));
        let (worker, artifacts, metrics) = (patches.clone(), artifacts.clone(), Arc::clone(metrics));
        let thread = Builder::new().name("patches".into()).spawn(move || {
            give_way();
            worker.work(&book, &artifacts, &metrics.updates);
        })?;
        patches.0.thread.lock().unwrap_or_else(PoisonError::into_inner).replace(thread);
        Ok(patches)
    }

    /// Makes no more, and returns when the one that is being made is done.
    pub(crate) fn stop(&self) {
        self.0.known().is_stopping = true;
        self.0.news.notify_all();
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A panic was reported by the thread itself.
        drop(thread.map(JoinHandle::join));
    }

    /// Digests of the patches.
    pub(crate) fn digests(&self) -> BTreeSet<Digest> {
        let digest = |made: &Made| match made {
            Made::Patch { digest, .. } => Some(*digest),
            Made::NotWorthIt => None,
        };
        self.0.known().made.values().filter_map(digest).collect()
    }

    /// Asks for a patch, unless it is known or there is no room: it will be asked for again.
    pub(crate) fn want(&self, pair: Pair) {
        let mut known = self.0.known();
        let is_new = pair.base != pair.target
            && !known.made.contains_key(&pair)
            && !known.failed.contains(&pair)
            && !known.is_coming(&pair);
        if is_new && known.queue.len() < QUEUE_MAX && known.made.len() < PAIRS_MAX {
            known.queue.push_back(pair);
            drop(known);
            self.0.news.notify_all();
        }
    }

    /// The patches that make an image, by the image that they are made from.
    pub(crate) fn to(&self, target: Digest) -> Vec<(Digest, Made)> {
        let known = self.0.known();
        let made = known.made.iter().filter(|(pair, _)| pair.target == target);
        made.map(|(pair, made)| (pair.base, *made)).collect()
    }

    /// What was made of a pair. Waits for it if it is coming, but not for long: call it where that does not matter.
    pub(crate) fn find(&self, pair: &Pair, wait: Duration) -> Option<Made> {
        let end = Instant::now() + wait;
        let mut known = self.0.known();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if let Some(made) = known.made.get(pair) {
                return Some(*made);
            }
            if !known.is_coming(pair) || left.is_zero() {
                return None;
            }
            known = self.0.news.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn work(&self, book: &Book, artifacts: &Artifacts, counters: &UpdateCounters) {
        while let Some(pair) = self.next() {
            let made = maker::make(artifacts, &pair).and_then(|made| {
                book.write(&pair, made)?;
                Ok(made)
            });
            let mut known = self.0.known();
            known.under_way = None;
            match made {
                Ok(made) => {
                    tracing::info!(base = %pair.base, target = %pair.target, ?made, "made a patch");
                    counters.patch(match made {
                        Made::Patch { size, .. } => {
                            counters.patch_bytes.add(size.into());
                            PatchOutcome::Made
                        }
                        Made::NotWorthIt => PatchOutcome::NotWorthIt,
                    });
                    known.made.insert(pair, made);
                }
                Err(error) => {
                    tracing::warn!(base = %pair.base, target = %pair.target, %error, "no patch was made");
                    counters.patch(PatchOutcome::Failed);
                    known.failed.insert(pair);
                }
            }
            drop(known);
            self.0.news.notify_all();
        }
    }

    /// Waits for the next pair; `None` when it is over.
    fn next(&self) -> Option<Pair> {
        let mut known = self.0.known();
        loop {
            if known.is_stopping {
                return None;
            }
            if let Some(pair) = known.queue.pop_front() {
                known.under_way = Some(pair);
                return Some(pair);
            }
            known = self.0.news.wait(known).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests;
