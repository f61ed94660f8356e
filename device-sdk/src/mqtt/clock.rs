//! When something is due: the answer to CONNECT, PINGREQ and its answer, the end of a goodbye.

/// Times in milliseconds of the caller's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Between packets, 0 for never.
    pub(super) keep_alive_s: u16,
    pub(super) response_timeout_ms: u32,
    pub(super) sent_at_ms: u64,
    pub(super) received_at_ms: u64,
    /// Until when an answer must have come, or a goodbye must have been written; 0 if nothing is awaited.
    pub(super) awaited_until_ms: u64,
}

/// When nothing is due. Numbers instead of options save 100 bytes on thumbv6m.
pub(super) const NEVER_MS: u64 = u64::MAX;

impl Clock {
    /// Before there was a connection.
    pub(super) const NONE: Self = Self {
        keep_alive_s: 0,
        response_timeout_ms: 0,
        sent_at_ms: 0,
        received_at_ms: 0,
        awaited_until_ms: 0,
    };

    /// From now on something is awaited. Out of line, which saves 180 bytes on thumbv6m.
    #[inline(never)]
    pub(super) fn wait(&mut self, now_ms: u64) {
        self.awaited_until_ms = now_ms.saturating_add(u64::from(self.response_timeout_ms.max(1)));
    }

    /// When PINGREQ is due, or [`NEVER_MS`]: after three quarters of the keep alive without a packet in either direction, so
    /// that the last quarter is left for it to arrive. A silent server is asked, too, however much is sent to it: packets of
    /// QoS 0 vanish into a dead link without a sign.
    pub(super) fn ping_due_ms(&self) -> u64 {
        if self.keep_alive_s == 0 {
            return NEVER_MS;
        }
        let quiet_ms = u32::from(self.keep_alive_s).wrapping_mul(750);
        self.sent_at_ms.min(self.received_at_ms).saturating_add(u64::from(quiet_ms))
    }
}
