//! Whole fleets in one process: each device is an [`Agent`](crate::agent::Agent) with its own small buffers, in a task of
//! its own, over streams that a [`Dial`] opens.
//!
//! What a device does is a [`Script`], a state machine without clock or socket; how good its connection is, a [`Link`].
//! Everything random follows from a seed. Time is a [`Clock`]: with [`RuntimeClock`] under a paused tokio runtime it is
//! virtual.
//!
//! A simulation gathers first: devices connect, some at once. Then it is begun, scripts are played, and by and by it is
//! drained (nothing more is done, what is under way arrives) and ended (devices say goodbye).

mod clock;
mod line;
mod player;
mod random;
mod script;
mod stage;
mod update;

pub use clock::{Clock, RuntimeClock};
pub use line::Link;
pub use random::Random;
pub use script::{Act, Cause, Happened, Message, Script};
pub use update::{Ending, Update, UpdatePlan};

use crate::dial::Dial;
use crate::mqtt::RECEIVE_MAXIMUM;
use fleetfn_protocol::DeviceId;
use player::play;
use stage::Stage;
use std::boxed::Box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::Instant;

/// Devices that connect at once: each costs the server a look into its registry.
const CONNECTING_MAX: usize = 256;

/// A device to be simulated.
#[derive(Debug)]
pub struct Member<S> {
    /// Its name.
    pub device: DeviceId,
    /// Its password.
    pub token: Box<[u8]>,
    /// What it does.
    pub script: S,
    /// How good its connection is.
    pub link: Link,
    /// Length of its receive buffer: the longest packet that it takes.
    pub receive_bytes: usize,
    /// Length of its send buffer: what waits to be acknowledged.
    pub send_bytes: usize,
}

/// What tells one simulation from another.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Of everything random.
    pub seed: u64,
    /// Begins the ids by which the engine knows messages that come again: another number in every run.
    pub number: u64,
}

/// What the devices are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Connect.
    Gathering,
    /// Do what their scripts say, which began when the clock showed this.
    Running { begin_ms: u64 },
    /// Do nothing more, but stay.
    Draining { begin_ms: u64 },
    /// Leave.
    Ended,
}

/// The devices.
#[derive(Debug)]
pub struct Simulation {
    phase: watch::Sender<Phase>,
    clock: Arc<dyn Clock>,
    gathering: Arc<Gathering>,
    /// Closed when all have left.
    left: mpsc::Receiver<()>,
}

/// How many devices are still to come.
#[derive(Debug, Default)]
struct Gathering {
    awaited: AtomicUsize,
    arrived: Notify,
}

impl Gathering {
    fn arrive(&self) {
        if self.awaited.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.arrived.notify_waiters();
        }
    }
}

impl core::fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Clock")
    }
}

impl Simulation {
    /// Lets devices connect, each in a task of the runtime that this is called in. They leave when the value is dropped.
    pub fn start<D: Dial, S: Script>(
        dialer: D,
        clock: Arc<dyn Clock>,
        run: Run,
        members: impl IntoIterator<Item = Member<S>>,
    ) -> Self {
        let (phase, phases) = watch::channel(Phase::Gathering);
        // One more than there are, until all are started.
        let gathering = Arc::new(Gathering { awaited: AtomicUsize::new(1), arrived: Notify::new() });
        let stage = Arc::new(Stage {
            dialer,
            clock: Arc::clone(&clock),
            run,
            started: Instant::now(),
            turns: Semaphore::new(CONNECTING_MAX),
            phases,
            gathering: Arc::clone(&gathering),
        });
        // Nothing is ever sent: what counts is who holds a sender.
        let (present, left) = mpsc::channel(1);
        for member in members {
            gathering.awaited.fetch_add(1, Ordering::AcqRel);
            // On the heap, since a task keeps the room of what it was given.
            tokio::spawn(play(Arc::clone(&stage), Box::new(member), present.clone()));
        }
        gathering.arrive();
        Self { phase, clock, gathering, left }
    }

    /// Resolves when every device that begins online listens, or has tried in vain. May be cancelled.
    pub async fn gathered(&self) {
        loop {
            let mut arrived = core::pin::pin!(self.gathering.arrived.notified());
            arrived.as_mut().enable();
            if self.gathering.awaited.load(Ordering::Acquire) == 0 {
                return;
            }
            arrived.await;
        }
    }

    /// Begins to play the scripts, whether all have gathered or not.
    pub fn begin(&self) {
        self.phase.send_replace(Phase::Running { begin_ms: self.clock.now_ms() });
    }

    /// Lets devices do nothing more. They stay connected, hear what comes, and have what they sent acknowledged: one that is
    /// away comes back for that.
    pub fn drain(&self) {
        self.phase.send_modify(|phase| {
            let begin_ms = match *phase {
                Phase::Running { begin_ms } => begin_ms,
                Phase::Gathering | Phase::Draining { .. } | Phase::Ended => self.clock.now_ms(),
            };
            *phase = Phase::Draining { begin_ms };
        });
    }

    /// Lets devices say goodbye, once what they sent is acknowledged or some seconds are over.
    pub fn end(&self) {
        self.phase.send_replace(Phase::Ended);
    }

    /// Resolves when all devices have left. May be cancelled.
    pub async fn left(&mut self) {
        while self.left.recv().await.is_some() {}
    }
}

/// Messages of a device that are under way: as many as the server takes at once from most clients, and then some.
const FLIGHTS_MAX: usize = RECEIVE_MAXIMUM as usize * 4;
