//! What waits in a broker for those who listen: how much, and how full that makes it.

use crate::config::{BLOCKS_BYTES_MAX, LIVE_QUEUE_MAX, PARCELS_WAITING_MAX};

/// What waits in a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queues {
    /// Bytes of blocks of updates that sessions have not written yet.
    pub block_bytes: u64,
    /// Messages to devices that wait in sessions or that the devices have not acknowledged.
    pub parcels: u64,
    /// Messages for live listeners on their way into the router.
    pub live: u64,
}

impl Queues {
    /// How full the fullest of them is, in percent of what there is room for.
    #[must_use]
    pub fn percent(&self) -> u32 {
        let shares = [
            (self.block_bytes, BLOCKS_BYTES_MAX),
            (self.parcels, PARCELS_WAITING_MAX),
            (self.live, LIVE_QUEUE_MAX),
        ];
        let percent = |(waiting, room): (u64, usize)| {
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            waiting.saturating_mul(100).checked_div(room).unwrap_or(100).min(100)
        };
        let fullest = shares.into_iter().map(percent).max().unwrap_or_default();
        u32::try_from(fullest).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_queue_says_how_full_the_broker_is() {
        assert_eq!(Queues::default().percent(), 0);
        let queues = Queues { block_bytes: 1 << 20, parcels: 46_531, live: 41 };
        assert_eq!(queues.percent(), 71);
        assert_eq!(Queues { live: u64::MAX, ..queues }.percent(), 100);
    }
}
