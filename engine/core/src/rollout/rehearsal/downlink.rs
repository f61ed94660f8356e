//! What the node sends to devices: each gets what its link takes, until the node has no more to give; then they wait.

use alloc::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Downlink {
    link_bytes_per_s: u64,
    node_bytes_per_s: u64,
    served: u64,
    peak: u64,
    /// Devices that wait, with the offers that they wait with.
    waiting: VecDeque<(usize, u32)>,
}

impl Downlink {
    pub(super) fn new(link_bytes_per_s: u32, node_bytes_per_s: u32) -> Self {
        let node_bytes_per_s = u64::from(node_bytes_per_s).max(1);
        let link_bytes_per_s = u64::from(link_bytes_per_s).clamp(1, node_bytes_per_s);
        Self { link_bytes_per_s, node_bytes_per_s, served: 0, peak: 0, waiting: VecDeque::new() }
    }

    /// Milliseconds that so many bytes take.
    pub(super) fn takes_ms(&self, bytes: u32) -> u64 {
        (u64::from(bytes) * 1_000).div_ceil(self.link_bytes_per_s)
    }

    /// A device wants to fetch.
    pub(super) fn ask(&mut self, device: usize, generation: u32) {
        self.waiting.push_back((device, generation));
    }

    /// The next one that can, if there is room.
    pub(super) fn serve(&mut self) -> Option<(usize, u32)> {
        let sent = (self.served + 1) * self.link_bytes_per_s;
        if sent > self.node_bytes_per_s {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.served += 1;
        self.peak = self.peak.max(sent);
        Some(next)
    }

    /// One has ended.
    pub(super) fn end(&mut self) {
        self.served = self.served.saturating_sub(1);
    }

    /// Most bytes that were sent in a second.
    pub(super) fn peak_bytes_per_s(&self) -> u64 {
        self.peak
    }
}
