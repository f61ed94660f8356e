//! One update: an offer, the blocks that the machine asks for, and a server that sends them at once.

use crate::counted::{Counted, Work};
use crate::link::{IDENTIFIER_BYTES, Link, PUBACK_BYTES};
use ed25519_dalek::{Signer, SigningKey};
use fleetfn_device::simulation::Random;
use fleetfn_device::update::memory::{Board, Memory, Part};
use fleetfn_device::update::{Config, Firmware, Update};
use fleetfn_protocol::limits::{BLOCK_BYTES_MAX, ENVELOPE_BYTES_MAX, OFFER_BYTES_MAX, STATUS_BYTES_MAX};
use fleetfn_protocol::update::{
    Block, BlockBytes, BlockRequest, Delivery, Dependencies, Digest, Envelope, Manifest, Offer, Phase,
    Signature, UpdateKey,
};
use fleetfn_protocol::{ClassId, ProductId};
use sha2::Digest as _;
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub(crate) const SECTOR: usize = 4_096;
pub(crate) const WORD: usize = 4;
pub(crate) const BLOCK_BYTES: u16 = 1_024;

/// An active slot of 80 KB.
const SECTORS: u32 = 20;

const JOB: u32 = 1;

const MANIFEST: &str = "devices/d1/update/manifest";
const BLOCK: &str = "devices/d1/update/block";
const REQUEST: &str = "devices/d1/update/request";
const STATUS: &str = "devices/d1/update/status";

type Machine<'a> = Update<'a, Counted<Memory<SECTOR, WORD>>, Counted<Part<SECTOR, WORD>>>;

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) old: &'a [u8],
    pub(crate) new: &'a [u8],
    /// What is sent, if it is not the image.
    pub(crate) patch: Option<&'a [u8]>,
    pub(crate) rate: u64,
    pub(crate) lost_percent: u64,
    pub(crate) window: u8,
}

/// What it took from the offer until the image was verified.
pub(crate) struct Cost {
    pub(crate) verified_ms: u64,
    pub(crate) down_bytes: usize,
    pub(crate) up_bytes: usize,
    pub(crate) slot: Work,
    pub(crate) journal: Work,
}

pub(crate) fn run(case: &Case<'_>) -> Cost {
    let board = Board::new(SECTORS);
    board.active().program(case.old);
    let (slot, journal) = (Rc::new(Cell::new(Work::default())), Rc::new(Cell::new(Work::default())));
    let signer = SigningKey::from_bytes(&[1; 32]);
    let keys = [UpdateKey(signer.verifying_key().to_bytes())];
    let firmware = Firmware::new(product(), class(), 1, "1.0.0", &keys);
    let config =
        Config { window: case.window, ..Config::new(BlockBytes::new(BLOCK_BYTES).expect("a length")) };
    let slots = Counted::new(board.slots(), &slot);
    let flash = Counted::new(board.journal(), &journal);
    let range = 0..u32::try_from(2 * SECTOR).expect("short");
    let mut device = now(Update::open(firmware, config, slots, flash, range)).expect("it all fits");
    device.handle_connected(0);
    let mut air = Air {
        down: Link::new(case.rate),
        up: Link::new(case.rate),
        random: Random::new(3, "blocks", 0),
        lost_percent: case.lost_percent,
    };
    air.down.publish(0, MANIFEST, IDENTIFIER_BYTES, &offer(case, &signer));
    let verified_ms = air.download(&mut device, case.patch.unwrap_or(case.new));
    assert!(board.download().bytes().starts_with(case.new), "the image is there");
    let (slot, journal) = (slot.get(), journal.get());
    assert_eq!((slot.boots, journal.boots), (1, 0), "the boot loader was asked once, and told nothing");
    assert!(slot.read_bytes >= case.new.len(), "what was verified was read");
    Cost { verified_ms, down_bytes: air.down.bytes, up_bytes: air.up.bytes, slot, journal }
}

/// Both directions, and what becomes of blocks.
struct Air {
    down: Link,
    up: Link,
    random: Random,
    lost_percent: u64,
}

impl Air {
    /// Until the image is verified; when that is, in milliseconds.
    fn download(&mut self, device: &mut Machine<'_>, payload: &[u8]) -> u64 {
        let mut now_us = 0;
        loop {
            let now_ms = now_us / 1_000;
            while let Some((topic, message)) = self.down.arrived(now_us) {
                self.hear(device, topic, &message, now_us);
            }
            while let Some((topic, message)) = self.up.arrived(now_us) {
                self.serve(topic, &message, payload, now_us);
            }
            now(device.handle_timeout(now_ms));
            self.say(device, now_us);
            match device.status().phase {
                Phase::Verified => return now_ms,
                phase => assert!(!phase.is_end(), "{:?}", device.status()),
            }
            let due_us = device.next_deadline().map(|at_ms| now_us.max(at_ms * 1_000));
            let next = [due_us, self.down.next_us(), self.up.next_us()].into_iter().flatten().min();
            now_us = next.expect("something is on the way, or due");
        }
    }

    fn hear(&mut self, device: &mut Machine<'_>, topic: &str, message: &[u8], now_us: u64) {
        if topic == BLOCK {
            now(device.handle_block(message, now_us / 1_000));
        } else {
            now(device.handle_offer(message, now_us / 1_000));
            self.up.take(now_us, PUBACK_BYTES);
        }
    }

    fn say(&mut self, device: &mut Machine<'_>, now_us: u64) {
        let now_ms = now_us / 1_000;
        if let Some(status) = device.poll_status(now_ms) {
            let mut buffer = [0; STATUS_BYTES_MAX];
            let written = status.write(&mut buffer).expect("it is one");
            self.up.publish(now_us, STATUS, IDENTIFIER_BYTES, written);
        }
        if let Some(request) = now(device.poll_request(now_ms)) {
            let mut buffer = [0; BlockRequest::BYTES];
            let written = request.write(&mut buffer).expect("it is one");
            self.up.publish(now_us, REQUEST, 0, written);
        }
    }

    /// The server: it sends what it is asked for at once.
    fn serve(&mut self, topic: &str, message: &[u8], payload: &[u8], now_us: u64) {
        if topic == STATUS {
            self.down.take(now_us, PUBACK_BYTES);
            return;
        }
        let request = BlockRequest::parse(message).expect("the machine wrote it");
        let len = usize::from(request.block_bytes.get());
        for index in request.indices() {
            let at = usize::try_from(index).expect("few") * len;
            let bytes = &payload[at..payload.len().min(at + len)];
            let mut buffer = [0; Block::HEADER_BYTES + BLOCK_BYTES_MAX as usize];
            let written = Block { job: JOB, index, bytes }.write(&mut buffer).expect("it fits");
            self.down.publish(now_us, BLOCK, 0, written);
            if self.random.below(100) < self.lost_percent {
                self.down.lose();
            }
        }
    }
}

fn offer(case: &Case<'_>, signer: &SigningKey) -> Vec<u8> {
    let manifest = Manifest {
        product: product(),
        class: class(),
        version: "2.0.0",
        sequence: 2,
        size: size(case.new),
        digest: digest(case.new),
        not_after_s: None,
        dependencies: Dependencies::NONE,
    };
    let mut buffer = [0; ENVELOPE_BYTES_MAX];
    let body = manifest.write(&mut buffer).expect("it fits").to_vec();
    let bytes = signer.sign(&body).to_bytes();
    let key = UpdateKey(signer.verifying_key().to_bytes()).id();
    let envelope = Envelope::write(&mut buffer, &[Signature { key, bytes: &bytes }], &body);
    let delivery = case.patch.map_or(Delivery::Whole, |patch| Delivery::Patch {
        base_size: size(case.old),
        base: digest(case.old),
        size: size(patch),
        digest: digest(patch),
    });
    let mut buffer = [0; OFFER_BYTES_MAX];
    Offer::write(&mut buffer, JOB, delivery, envelope.expect("it fits")).expect("it fits").to_vec()
}

fn product() -> ProductId {
    ProductId::parse("boiler").expect("a name")
}

fn class() -> ClassId {
    ClassId::parse("rev-b").expect("a name")
}

fn digest(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("64 KB")
}

/// Runs what never waits: the flash answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the flash answers at once"),
    }
}
