//! What a broker counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// How it stands with a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Connections of any kind.
    pub connections: u64,
    /// Devices with a session.
    pub devices_online: u64,
    /// Live messages that were dropped because a listener, or the router, was too slow.
    pub live_dropped: u64,
    /// Whether live listeners can be served.
    pub router_alive: bool,
}

/// Lines a second that misbehaving clients may write into the log.
const LINES_PER_S: u64 = 10;

/// Counters that sessions share.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) live_dropped: AtomicU64,
    /// Live messages on their way into the router.
    pub(crate) live_queued: AtomicU64,
    line_second: AtomicU64,
    lines: AtomicU64,
}

impl Counters {
    /// Whether a line about a client may still be written in this second.
    pub(crate) fn may_log(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if self.line_second.swap(now, Ordering::Relaxed) != now {
            self.lines.store(0, Ordering::Relaxed);
        }
        self.lines.fetch_add(1, Ordering::Relaxed) < LINES_PER_S
    }
}
