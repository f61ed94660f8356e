//! A device that updates itself, as small as one can be: it takes offers, asks for blocks, keeps them, checks their digest,
//! and says how far it is. It trusts whoever signed, for whoever signed is the server's business here.

use super::client::{Client, Packet, packet, text};
use fleetfn_protocol::update::{
    Block, BlockBytes, BlockRequest, Content, Delivery, Digest, Manifest, Offer, Phase, Reason, Status,
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Length of its blocks.
pub(crate) const BLOCK_BYTES: u16 = 1024;

/// How long it waits for blocks before it asks again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What survives a restart of the device.
#[derive(Debug, Default)]
pub(crate) struct Flash {
    /// The newest job that it knows.
    pub(crate) job: u32,
    /// Sequence of what runs.
    pub(crate) sequence: u32,
    /// What is being downloaded.
    pub(crate) offered: Option<Offered>,
    /// Blocks that it has, by number.
    pub(crate) blocks: BTreeMap<u32, Vec<u8>>,
}

/// What it is to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offered {
    pub(crate) sequence: u32,
    pub(crate) version: String,
    pub(crate) size: u32,
    pub(crate) digest: Digest,
    /// How it comes.
    pub(crate) delivery: Delivery,
}

impl Offered {
    /// Bytes that are fetched.
    fn payload_bytes(&self) -> u32 {
        match self.delivery {
            Delivery::Whole => self.size,
            Delivery::Patch { size, .. } => size,
        }
    }
}

/// What happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// A job that it did not know.
    Job(u32),
    /// A job that it knows, once more.
    Again(u32),
    /// Its job was withdrawn.
    Withdrawn(u32),
    /// A block that it did not have.
    Block(u32),
}

/// A connected device.
pub(crate) struct Device<'a> {
    id: String,
    client: Client,
    packet_id: u16,
    pub(crate) flash: &'a mut Flash,
}

impl<'a> Device<'a> {
    /// Connects, listens, and says what runs.
    pub(crate) fn connect(
        address: SocketAddr,
        id: &str,
        token: &str,
        flash: &'a mut Flash,
    ) -> io::Result<Self> {
        let mut client = Client::connect(address, id, token)?;
        client.subscribe(&format!("devices/{id}/update/#"))?;
        let mut device = Self { id: id.into(), client, packet_id: 1, flash };
        let phase = if device.flash.offered.is_some() { Phase::Downloading } else { Phase::Idle };
        device.say(phase, Reason::None)?;
        Ok(device)
    }

    /// Says how far it is.
    pub(crate) fn say(&mut self, phase: Phase, reason: Reason) -> io::Result<()> {
        let of = self.flash.offered.as_ref().map_or(0, Offered::payload_bytes);
        let have = self.flash.blocks.values().map(Vec::len).sum::<usize>();
        let status = Status {
            job: self.flash.job,
            sequence: self.flash.sequence,
            version: "some",
            phase,
            reason,
            have: u32::try_from(have).expect("it is small").min(of),
            of,
        };
        let mut room = [0; 64];
        let status = status.write(&mut room).expect("it fits");
        self.packet_id += 1;
        self.client.publish(&format!("devices/{}/update/status", self.id), self.packet_id, status)
    }

    /// Asks for the next blocks that are missing, with QoS 0.
    pub(crate) fn ask(&mut self) -> io::Result<()> {
        let block_bytes = BlockBytes::new(BLOCK_BYTES).expect("a length");
        let count =
            self.flash.offered.as_ref().map_or(0, |offered| block_bytes.count(offered.payload_bytes()));
        let mut missing = (0..count).filter(|index| !self.flash.blocks.contains_key(index)).peekable();
        let Some(first) = missing.peek().copied() else { return Ok(()) };
        let wanted =
            missing.take_while(|index| index - first < 32).fold(0, |bits, index| bits | 1 << (index - first));
        self.request(&BlockRequest { job: self.flash.job, block_bytes, first, wanted })
    }

    /// Asks for any blocks.
    pub(crate) fn request(&mut self, request: &BlockRequest) -> io::Result<()> {
        let mut room = [0; BlockRequest::BYTES];
        let mut body = Vec::new();
        text(&mut body, format!("devices/{}/update/request", self.id).as_bytes());
        body.extend_from_slice(request.write(&mut room).expect("it fits"));
        self.client.send(&packet(0x30, &body))
    }

    /// Takes the next message, if one comes in time.
    pub(crate) fn next(&mut self, wait: Duration) -> io::Result<Option<News>> {
        let Some(Packet::Publish { topic, packet_id, payload }) = self.client.read_within(wait)? else {
            return Ok(None);
        };
        if packet_id != 0 {
            self.client.acknowledge(packet_id)?;
        }
        if topic.ends_with("/update/block") {
            let block = Block::parse(&payload).expect("a block");
            let is_new = block.job == self.flash.job
                && self.flash.blocks.insert(block.index, block.bytes.to_vec()).is_none();
            return Ok(is_new.then_some(News::Block(block.index)));
        }
        assert!(topic.ends_with("/update/manifest"), "{topic}");
        let offer = Offer::parse(&payload).expect("an offer");
        if offer.job < self.flash.job {
            return Ok(None);
        }
        let is_known = offer.job == self.flash.job;
        self.flash.job = offer.job;
        match offer.content {
            Content::Withdrawn => {
                self.flash.offered = None;
                self.flash.blocks.clear();
                Ok(Some(News::Withdrawn(offer.job)))
            }
            Content::Update { .. } if is_known => Ok(Some(News::Again(offer.job))),
            Content::Update { envelope, delivery } => {
                let manifest = Manifest::parse(envelope.body()).expect("a manifest");
                let Manifest { sequence, size, digest, .. } = manifest;
                let version = manifest.version.to_owned();
                self.flash.offered = Some(Offered { sequence, version, size, digest, delivery });
                self.flash.blocks.clear();
                Ok(Some(News::Job(offer.job)))
            }
        }
    }

    /// Waits for a job that it did not know, or the end of the one that it knows.
    pub(crate) fn job(&mut self) -> io::Result<News> {
        loop {
            match self.next(super::PATIENCE)? {
                Some(news @ (News::Job(_) | News::Withdrawn(_))) => return Ok(news),
                Some(News::Again(_) | News::Block(_)) | None => {}
            }
        }
    }

    /// Downloads until it has everything, or so many blocks. `lose` says which of those that arrive are lost all the same.
    pub(crate) fn download(&mut self, until: usize, mut lose: impl FnMut(u32) -> bool) -> io::Result<()> {
        self.say(Phase::Downloading, Reason::None)?;
        while !self.is_complete() && self.flash.blocks.len() < until {
            self.ask()?;
            while let Some(news) = self.next(ASK_AGAIN)? {
                if let News::Block(index) = news
                    && lose(index)
                {
                    self.flash.blocks.remove(&index);
                }
                if self.is_complete() || self.flash.blocks.len() >= until {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The image, as far as it is there.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.flash.blocks.values().flatten().copied().collect()
    }

    /// Whether it has every block.
    pub(crate) fn is_complete(&self) -> bool {
        let block_bytes = BlockBytes::new(BLOCK_BYTES).expect("a length");
        let count = self.flash.offered.as_ref().map(|offered| block_bytes.count(offered.payload_bytes()));
        count.is_some_and(|count| self.flash.blocks.len() == usize::try_from(count).expect("it is small"))
    }

    /// Checks what it has, starts it, and stays with it.
    pub(crate) fn install(&mut self) -> io::Result<()> {
        let offered = self.flash.offered.clone().expect("there is something to install");
        let digest = Digest(Sha256::digest(self.image()).into());
        if digest != offered.digest {
            return self.say(Phase::Failed, Reason::Digest);
        }
        self.say(Phase::Verified, Reason::None)?;
        self.say(Phase::Armed, Reason::None)?;
        self.flash.sequence = offered.sequence;
        self.say(Phase::Trial, Reason::None)?;
        self.say(Phase::Confirmed, Reason::None)
    }
}
