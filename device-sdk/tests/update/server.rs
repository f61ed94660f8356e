//! The other end: offers a job, serves blocks, hears statuses; honest, slow or lying.

use crate::image::{Image, digest, envelope};
use fleetfn_protocol::limits::OFFER_BYTES_MAX;
use fleetfn_protocol::update::{Block, BlockRequest, Delivery, Manifest, Offer, Phase, Reason, Status};

/// How it treats what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    /// Backwards, each block twice, strange ones between, and the one that this hits is lost.
    Messy(u32),
    /// Every block is a byte short, or long.
    Wrong(i8),
    /// The first payloads are other than promised.
    Bad(u32),
    Silent,
}

/// A status, without its borrow.
pub(crate) type Heard = (u32, u32, Phase, Reason, u32, u32);

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) job: u32,
    pub(crate) offer: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) manner: Manner,
    pub(crate) heard: Vec<Heard>,
    /// Blocks that were asked for.
    pub(crate) served: u32,
    pub(crate) requests: u32,
}

impl Server {
    /// One that offers an image whole.
    pub(crate) fn offering(job: u32, image: &Image) -> Self {
        Self::with(job, &image.manifest(), &[1], image.0.clone(), Delivery::Whole)
    }

    /// One that offers a patch.
    pub(crate) fn patching(job: u32, old: &Image, new: &Image) -> Self {
        let patch = fleetfn_patch::make(&old.0, &new.0);
        let size = u32::try_from(patch.len()).expect("short");
        let (base, digest) = (digest(&old.0), digest(&patch));
        let delivery = Delivery::Patch { base_size: old.size(), base, size, digest };
        Self::with(job, &new.manifest(), &[1], patch, delivery)
    }

    pub(crate) fn with(
        job: u32,
        manifest: &Manifest<'_>,
        people: &[u8],
        payload: Vec<u8>,
        delivery: Delivery,
    ) -> Self {
        let mut buffer = [0; OFFER_BYTES_MAX];
        let offer = Offer::write(&mut buffer, job, delivery, &envelope(manifest, people)).expect("it fits");
        Self {
            job,
            offer: offer.to_vec(),
            payload,
            manner: Manner::Honest,
            heard: Vec::new(),
            served: 0,
            requests: 0,
        }
    }

    pub(crate) fn hear(&mut self, status: &Status<'_>) {
        let mut buffer = [0; 128];
        let bytes = status.write(&mut buffer).expect("it is one");
        assert_eq!(Status::parse(bytes), Ok(*status));
        self.heard.push((status.job, status.sequence, status.phase, status.reason, status.have, status.of));
    }

    /// The last word about the job.
    pub(crate) fn last(&self) -> Option<(Phase, Reason)> {
        self.heard.last().filter(|heard| heard.0 == self.job).map(|heard| (heard.2, heard.3))
    }

    pub(crate) fn has_heard(&self, phase: Phase) -> bool {
        self.heard.iter().any(|heard| heard.2 == phase)
    }

    /// What comes of a request.
    pub(crate) fn blocks(&mut self, request: &BlockRequest) -> Vec<Vec<u8>> {
        self.requests += 1;
        if request.job != self.job {
            return Vec::new();
        }
        let mut blocks: Vec<Vec<u8>> = request.indices().map(|index| self.block(request, index)).collect();
        self.served += u32::try_from(blocks.len()).expect("at most 32");
        match self.manner {
            Manner::Honest | Manner::Wrong(_) | Manner::Bad(_) => {}
            Manner::Silent => blocks.clear(),
            Manner::Messy(hit) => {
                let mut messy = Vec::new();
                for (at, block) in blocks.iter().enumerate().rev() {
                    let is_lost = (self.requests + u32::try_from(at).expect("few")).is_multiple_of(hit);
                    if !is_lost {
                        messy.extend([block.clone(), block.clone(), vec![1, 2, 3]]);
                    }
                    let mut other = block.clone();
                    other[1] ^= 0x40;
                    messy.push(other);
                    let mut far = block.clone();
                    far[8] = 0x7f;
                    messy.push(far);
                }
                blocks = messy;
            }
        }
        blocks
    }

    fn block(&self, request: &BlockRequest, index: u32) -> Vec<u8> {
        let len = usize::from(request.block_bytes.get());
        let start = index as usize * len;
        let end = (start + len).min(self.payload.len());
        let mut bytes = self.payload[start..end].to_vec();
        match self.manner {
            Manner::Wrong(-1) => drop(bytes.pop()),
            Manner::Wrong(_) => bytes.push(0),
            Manner::Bad(downloads) if index == 1 && self.served < downloads * self.count(request) => {
                bytes[0] ^= 1
            }
            _ => {}
        }
        let mut buffer = [0; 5_000];
        let block = Block { job: request.job, index, bytes: &bytes };
        block.write(&mut buffer).expect("it fits").to_vec()
    }

    fn count(&self, request: &BlockRequest) -> u32 {
        request.block_bytes.count(u32::try_from(self.payload.len()).expect("short"))
    }
}
