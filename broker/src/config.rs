//! What a broker is started with; every bound has its reason.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bounds and addresses of a broker.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at once: each is a file, and the usual hard limit of files is 20,000 and more.
    pub connections_max: usize,
    /// Messages of a session that may wait for the disk: at 64 a client is as fast as one that never waits, if a sync
    /// takes less than 64 of its own intervals.
    pub inflight_max: u16,
    /// Messages a second of one session, averaged; a burst of one second is let through. What is faster waits.
    pub messages_per_s: u32,
    /// How long a client may take to send its CONNECT.
    pub connect_timeout: Duration,
    /// How long a client may leave its socket unread while there is something for it.
    pub write_timeout: Duration,
    /// How long an orderly end may take.
    pub shutdown_timeout: Duration,
    /// By what it is told whether a parcel has expired. Everything else goes by real time.
    pub wall_clock: WallClock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1883)),
            connections_max: 100_000,
            inflight_max: 64,
            messages_per_s: 1_000,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            wall_clock: WallClock::default(),
        }
    }
}

/// Tells milliseconds since 1970. Cheap to clone.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl WallClock {
    /// A clock that asks `now_ms`, which must not block.
    #[must_use]
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    pub(crate) fn now_ms(&self) -> u64 {
        (self.0)()
    }
}

/// The node's own.
impl Default for WallClock {
    fn default() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

/// Aliases that a client may have for its topics, on MQTT 5.
pub(crate) const TOPIC_ALIASES_MAX: u16 = 16;

/// Filters of one session: bounds what one client can make every publish cost.
pub(crate) const FILTERS_MAX: usize = 64;

/// Parcels that a session holds, queued or sent and not acknowledged: twice what the engine sends ahead.
pub(crate) const PARCELS_MAX: usize = 32;

/// Parcels in all sessions together at which the broker counts as full: some ten megabytes, and what devices that answer at
/// all acknowledge within seconds.
pub(crate) const PARCELS_WAITING_MAX: usize = 65_536;

/// Live messages on their way into the router; what comes while it is full is dropped and counted.
pub(crate) const LIVE_QUEUE_MAX: usize = 4_096;

/// Live messages that wait for one listener; what comes while it is full is dropped for that listener.
pub(crate) const LIVE_MAX: usize = 1_024;

/// Bytes of output that a session collects before it takes no more input.
pub(crate) const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// Blocks of updates that wait in one session: those of two requests. Others are asked for again.
pub(crate) const BLOCKS_MAX: usize = 64;

/// Bytes of blocks that wait in all sessions together: what 250 devices ask for at once in the longest blocks.
pub(crate) const BLOCKS_BYTES_MAX: usize = 32 << 20;

/// Bytes of output up to which blocks are put behind it: what an acknowledgement or a command has to wait for.
pub(crate) const BLOCKS_OUTPUT_MAX: usize = 16 << 10;
