//! Blocks of images, from their files to the sessions of the devices that ask for them.
//!
//! Requests wait in one queue, a few for each device, and are answered by threads of their own in the order in which
//! devices asked. All blocks together leave at a bounded rate, so that telemetry goes first. What does not fit is dropped:
//! the device asks again.

use super::pace::SharedPace;
use super::undelivered::Undelivered;
use super::{payload, release_of};
use crate::admit::Waiter;
use crate::artifacts::{Artifacts, Image};
use crate::inbox::Signals;
use crate::metrics::Metrics;
use bytes::Bytes;
use fleetfn_broker::{Mailboxes, Reports};
use fleetfn_protocol::limits::BLOCK_BYTES_MAX;
use fleetfn_protocol::update::{Block, BlockRequest, Delivery};
use fleetfn_protocol::{DeviceId, EffectId};
use fleetfn_store::{Store, give_way};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Threads that read images: a read from the page cache takes microseconds, and while one hashes an image the other goes on.
const THREADS: usize = 2;

/// Devices that may wait for their turn: each is a hundred bytes or two.
const DEVICES_MAX: usize = 16_384;

/// Requests of one device that may wait: a device asks for the next window before the last one is complete.
const REQUESTS_MAX: usize = 4;

/// Bytes of blocks that are handed to a session at once, so that they leave with one write: what it sends before it looks
/// for anything else.
const PIECE_BYTES: usize = 16 << 10;

/// Whether a release may still be offered.
pub(crate) type IsOffered = Box<dyn Fn(&crate::registry::Release) -> bool + Send + Sync>;

/// What became of a request or of a block of it. A word for metrics each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// It is no request.
    Malformed,
    /// The device has no open job, or another one.
    NoJob,
    /// The image is missing or has changed, or its release is not offered any more.
    NoImage,
    /// Blocks beyond the end were asked for.
    BeyondEnd,
    /// There was no room, here or in the session.
    NoRoom,
    /// No session of the device listens to blocks.
    NoListener,
}

impl Refusal {
    /// All, in order.
    pub(crate) const ALL: [Self; 6] =
        [Self::Malformed, Self::NoJob, Self::NoImage, Self::BeyondEnd, Self::NoRoom, Self::NoListener];

    /// A word for metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NoJob => "no_job",
            Self::NoImage => "no_image",
            Self::BeyondEnd => "beyond_end",
            Self::NoRoom => "no_room",
            Self::NoListener => "no_listener",
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    turns: VecDeque<DeviceId>,
    wanted: HashMap<DeviceId, Vec<BlockRequest>>,
    is_stopping: bool,
}

/// Requests that wait.
#[derive(Debug)]
pub(crate) struct Requests {
    queue: Mutex<Queue>,
    news: Condvar,
    /// Told when it is over, for those who wait for their time; one who waits for news must not be passed over for them.
    over: Condvar,
    metrics: Arc<Metrics>,
}

impl Requests {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::default(), news: Condvar::new(), over: Condvar::new(), metrics })
    }

    fn put(&self, device: DeviceId, request: &[u8]) {
        let Ok(request) = BlockRequest::parse(request) else {
            return self.metrics.updates.refuse(Refusal::Malformed);
        };
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = queue.wanted.get_mut(&device) {
            let (job, first) = (request.job, request.first);
            // Asked again for the same window, or too much at once: the newest counts.
            waiting.retain(|known| (known.job, known.first) != (job, first));
            if waiting.len() >= REQUESTS_MAX {
                waiting.remove(0);
                self.metrics.updates.refuse(Refusal::NoRoom);
            }
            waiting.push(request);
        } else if queue.turns.len() >= DEVICES_MAX {
            self.metrics.updates.refuse(Refusal::NoRoom);
        } else {
            queue.turns.push_back(device);
            queue.wanted.insert(device, vec![request]);
            drop(queue);
            self.news.notify_one();
        }
    }

    /// Waits until blocks may leave; whether they may, and it is not over.
    fn rest(&self, wait: Duration) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = self.over.wait_timeout_while(queue, wait, |queue| !queue.is_stopping);
        !rested.unwrap_or_else(PoisonError::into_inner).0.is_stopping
    }

    /// Waits for the next device; `None` when it is over.
    fn next(&self) -> Option<(DeviceId, Vec<BlockRequest>)> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if queue.is_stopping {
                return None;
            }
            if let Some(device) = queue.turns.pop_front() {
                return Some((device, queue.wanted.remove(&device).unwrap_or_default()));
            }
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_stopping = true;
        self.news.notify_all();
        self.over.notify_all();
    }
}

/// What sessions report: news for the workers, requests for the threads here, and offers that a device cannot take.
pub(crate) struct Ears {
    pub(crate) signals: Signals,
    pub(crate) requests: Arc<Requests>,
    pub(crate) undelivered: Undelivered,
}

impl Reports for Ears {
    fn acknowledged(&self, device: DeviceId, effect: EffectId) {
        self.signals.acknowledged(device, effect);
    }

    fn listening(&self, device: DeviceId) {
        self.signals.listening(device);
    }

    fn too_long(&self, device: DeviceId, effect: EffectId) {
        self.undelivered.note(device, effect);
        self.signals.acknowledged(device, effect);
    }

    fn wanted(&self, device: DeviceId, request: &[u8]) {
        self.requests.put(device, request);
    }
}

/// What the threads are made of.
pub(crate) struct Parts {
    pub(crate) store: Store<Waiter>,
    pub(crate) artifacts: Artifacts,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) is_offered: IsOffered,
    /// How fast blocks may leave.
    pub(crate) pace: SharedPace,
}

/// The threads that answer.
pub(crate) struct Blocks {
    requests: Arc<Requests>,
    pace: SharedPace,
    threads: Vec<JoinHandle<()>>,
}

struct Server {
    parts: Parts,
}

impl Blocks {
    /// Begins to answer.
    pub(crate) fn start(parts: Parts, requests: &Arc<Requests>) -> std::io::Result<Self> {
        let pace = parts.pace.clone();
        let server = Arc::new(Server { parts });
        let thread = |number: usize| {
            let (server, requests) = (Arc::clone(&server), Arc::clone(requests));
            Builder::new().name(format!("blocks-{number}")).spawn(move || {
                give_way();
                while let Some((device, wanted)) = requests.next() {
                    wanted.iter().for_each(|request| server.answer(device, request, &requests));
                }
            })
        };
        let threads = (0..THREADS).map(thread).collect::<std::io::Result<_>>()?;
        Ok(Self { requests: Arc::clone(requests), pace, threads })
    }

    /// How fast they may leave, for what else brings updates to devices.
    pub(crate) fn pace(&self) -> &SharedPace {
        &self.pace
    }

    /// Answers no more, and returns when the threads have ended.
    pub(crate) fn stop(self) {
        self.requests.stop();
        for thread in self.threads {
            // A panic was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl Server {
    fn answer(&self, device: DeviceId, request: &BlockRequest, requests: &Requests) {
        let metrics = &self.parts.metrics.updates;
        match self.image(device, request) {
            Ok((image, delivery)) => {
                if let Err(refusal) = self.send(device, request, (&image, delivery), requests) {
                    metrics.refuse(refusal);
                }
            }
            Err(refusal) => metrics.refuse(refusal),
        }
    }

    /// The file whose blocks are asked for, and what it is of the image.
    fn image(&self, device: DeviceId, request: &BlockRequest) -> Result<(Arc<Image>, Delivery), Refusal> {
        let update = self.parts.store.view().update(device).ok().flatten();
        let job = update.and_then(|update| update.job).filter(|job| job.is_open());
        let job = job.filter(|job| job.number == request.job).ok_or(Refusal::NoJob)?;
        let (digest, size) = payload(&job).ok_or(Refusal::NoJob)?;
        let delivery = job.delivery().map_err(|_| Refusal::NoJob)?;
        let is_offered = release_of(&job).is_some_and(|release| (self.parts.is_offered)(&release));
        let image = self.parts.artifacts.image(&digest).ok().filter(|image| image.size() == size);
        image.filter(|_| is_offered).map(|image| (image, delivery)).ok_or(Refusal::NoImage)
    }

    fn send(
        &self,
        device: DeviceId,
        request: &BlockRequest,
        (image, delivery): (&Image, Delivery),
        requests: &Requests,
    ) -> Result<(), Refusal> {
        let block_bytes = u32::from(request.block_bytes.get());
        let mut piece = Vec::new();
        let mut indices = request.indices().peekable();
        while let Some(index) = indices.next() {
            let at = index.checked_mul(block_bytes).filter(|at| *at < image.size());
            let at = at.ok_or(Refusal::BeyondEnd)?;
            let len = usize::try_from(block_bytes.min(image.size() - at)).unwrap_or_default();
            piece.push(message(request.job, index, image, at, len)?);
            if indices.peek().is_none() || piece.iter().map(Bytes::len).sum::<usize>() >= PIECE_BYTES {
                self.send_piece(device, std::mem::take(&mut piece), delivery, requests)?;
            }
        }
        Ok(())
    }

    /// Sends some blocks at once, when it is their time.
    fn send_piece(
        &self,
        device: DeviceId,
        piece: Vec<Bytes>,
        delivery: Delivery,
        requests: &Requests,
    ) -> Result<(), Refusal> {
        let lens: Vec<usize> = piece.iter().map(Bytes::len).collect();
        let wait = self.parts.pace.take(lens.iter().sum());
        if !wait.is_zero() && !requests.rest(wait) {
            return Err(Refusal::NoRoom);
        }
        let (taken, refusal) = match self.parts.mailboxes.send_blocks(&device, piece) {
            Ok(()) => (lens.len(), None),
            Err((taken, fleetfn_broker::Undelivered::Full)) => (taken, Some(Refusal::NoRoom)),
            Err((taken, fleetfn_broker::Undelivered::NoListener)) => (taken, Some(Refusal::NoListener)),
        };
        let bytes = lens.iter().take(taken).map(|len| len.saturating_sub(Block::HEADER_BYTES)).sum::<usize>();
        let (taken, bytes) =
            (u64::try_from(taken).unwrap_or_default(), u64::try_from(bytes).unwrap_or_default());
        let metrics = &self.parts.metrics.updates;
        metrics.blocks.add(taken);
        metrics.block_bytes.add(bytes);
        if let Delivery::Patch { .. } = delivery {
            metrics.patch_block_bytes.add(bytes);
        }
        refusal.map_or(Ok(()), Err)
    }
}

/// One block, as it is sent.
fn message(job: u32, index: u32, image: &Image, at: u32, len: usize) -> Result<Bytes, Refusal> {
    let mut data = [0; BLOCK_BYTES_MAX as usize];
    let bytes = data.get_mut(..len).ok_or(Refusal::NoImage)?;
    image.read_at(bytes, at).map_err(|_| Refusal::NoImage)?;
    let mut message = vec![0; Block::HEADER_BYTES + len];
    let written = Block { job, index, bytes }.write(&mut message).map(<[u8]>::len);
    // The buffer was made for it.
    if written == Ok(message.len()) { Ok(Bytes::from(message)) } else { Err(Refusal::NoImage) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_the_rate_ends_when_it_is_over() {
        let requests = Requests::new(Arc::default());
        assert!(requests.rest(Duration::from_millis(1)), "its time has come");
        let waiting = Arc::clone(&requests);
        // As long as a window takes at a byte a second.
        let thread = std::thread::spawn(move || waiting.rest(Duration::from_secs(16_384)));
        requests.stop();
        assert!(!thread.join().expect("no panic"));
        assert!(!requests.rest(Duration::MAX), "nor does anybody begin to wait");
    }
}
