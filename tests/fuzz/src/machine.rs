//! The update machine on a board in memory: its server sends whatever it likes, its application does whatever it likes, and
//! the power goes whenever it likes.
//!
//! Whatever happens, what is started is the image of the factory or one that a trusted key has signed, whole; the floor
//! never goes down; no call does more than it may; and left alone the device comes to rest.

use crate::counted::{Counted, Work};
use crate::release::{Image, KEYS, RELEASES, digest, envelope, product, size};
use crate::script::Script;
use fleetfn_device::update::memory::{Board, Memory, Part, Torn};
use fleetfn_device::update::{Config, Firmware, Update};
use fleetfn_protocol::limits::{OFFER_BYTES_MAX, STATUS_BYTES_MAX};
use fleetfn_protocol::update::{Block, BlockBytes, BlockRequest, Delivery, Offer, Status};
use fleetfn_protocol::{ClassId, ProductId};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

const SECTOR: usize = 256;
const WORD: usize = 4;
const SECTORS: u32 = 4;
const JOURNAL_BYTES: u32 = 2 * 256;

/// What one call may do at most: a slice of a patch reads 64 bytes of the old image for each of the 34 that each of 32 bytes
/// leads to, and writes those; a request erases its window of 32 blocks and the sector that it ends in; a job begins by
/// reading the journal a few times.
const READ_BYTES_MAX: usize = 32 * 34 * 64 + 4_096;
const WRITTEN_BYTES_MAX: usize = 32 * 34 + 512;
const BOOTS_MAX: usize = 3;

/// Resets until a device that is left alone comes to rest: three trials with the way back, and one more for each stage.
const RESETS_MAX: u32 = 12;

/// Rounds of its main loop in one life until then.
const ROUNDS_MAX: u32 = 500;

type Machine = Update<'static, Counted<Memory<SECTOR, WORD>>, Counted<Part<SECTOR, WORD>>>;

/// The first bytes are what the firmware asks for, the others what happens.
pub fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let block_bytes = [64, 128, 256][script.below(3)];
    let mut config = Config::new(BlockBytes::new(block_bytes).expect("a length"));
    config.window = script.byte();
    config.needs_word = script.byte() & 1 != 0;
    let board = Board::new(SECTORS);
    let images: Vec<Image> = RELEASES.iter().map(|(image, _)| image.clone()).collect();
    board.active().program(&images[0].0);
    let work = Rc::new(Cell::new(Work::default()));
    let mut world = World {
        update: open(&board, config, &images[0], &work),
        board,
        config,
        work,
        images,
        payloads: BTreeMap::new(),
        job: 0,
        floor: 0,
        now_ms: 1_000,
    };
    while !script.is_over() {
        world.step(&mut script);
        world.check();
    }
    world.come_to_rest();
}

struct World {
    board: Board<SECTOR, WORD>,
    update: Machine,
    config: Config,
    work: Rc<Cell<Work>>,
    /// What may be started: a trusted key has signed it.
    images: Vec<Image>,
    /// What the server sends for a job.
    payloads: BTreeMap<u32, Vec<u8>>,
    /// The job that was offered last.
    job: u32,
    floor: u32,
    now_ms: u64,
}

impl World {
    fn step(&mut self, script: &mut Script<'_>) {
        let now_ms = self.now_ms;
        match script.below(20) {
            0 => self.offer_release(script),
            1 => self.offer_patch(script),
            2 => self.offer_anything_signed(script),
            3 => self.offer(script.bytes()),
            4 => self.withdraw(script),
            5 => self.update.handle_connected(now_ms),
            6 => self.update.handle_disconnected(),
            7 => self.tick(script.byte()),
            8 => self.jump(script),
            9 => self.serve(script),
            10 => self.block(script),
            11 => self.say(script.byte()),
            12 => self.update.set_busy(script.byte() & 1 != 0, now_ms),
            13 => self.call(async |update| update.refuse().await),
            14 => self.update.set_healthy(),
            15 => self.update.handle_time(u64::from(script.byte()) << (script.byte() % 64), now_ms),
            16 => self.cut(script),
            17 => self.fail(script),
            18 => self.start(),
            _ => (0..script.byte() % 64).for_each(|_| self.round()),
        }
    }

    /// One round of a main loop with an honest server.
    fn round(&mut self) {
        self.tick(1);
        self.say(1);
        self.serve_all();
        if self.update.poll_restart() {
            self.start();
        }
        self.check();
    }

    /// Calls the machine, and looks at what it did.
    fn call<T>(&mut self, act: impl AsyncFnOnce(&mut Machine) -> T) -> T {
        self.work.set(Work::default());
        let done = now(act(&mut self.update));
        check_work(&self.work, &self.config);
        done
    }

    /// A new job, or an old one.
    fn next_job(&mut self, script: &mut Script<'_>) -> u32 {
        let ahead = script.byte();
        let job = if ahead < 200 { self.job.saturating_add(1) } else { self.job.wrapping_sub(ahead.into()) };
        self.job = job.max(1);
        self.job
    }

    fn offer(&mut self, bytes: &[u8]) {
        let now_ms = self.now_ms;
        self.call(async |update| update.handle_offer(bytes, now_ms).await);
    }

    /// Offers what is in an envelope, perhaps with a bit of the offer changed.
    fn offer_with(&mut self, script: &mut Script<'_>, delivery: Delivery, envelope: &[u8], payload: Vec<u8>) {
        let job = self.next_job(script);
        let mut buffer = [0; OFFER_BYTES_MAX];
        let offer = Offer::write(&mut buffer, job, delivery, envelope).expect("it fits");
        let mut offer = offer.to_vec();
        let damage = script.byte();
        if damage >= 128 {
            let at = script.below(256) * offer.len() / 256;
            offer[at] ^= damage & 0x7f;
        }
        self.payloads.insert(job, payload);
        self.offer(&offer);
    }

    fn offer_release(&mut self, script: &mut Script<'_>) {
        let (image, envelope) = &RELEASES[script.below(RELEASES.len())];
        self.offer_with(script, Delivery::Whole, envelope, image.0.clone());
    }

    /// As a patch on what runs, or on what it likes, or as whatever it says is one.
    fn offer_patch(&mut self, script: &mut Script<'_>) {
        let (image, envelope) = &RELEASES[script.below(RELEASES.len())];
        let base = &RELEASES[script.below(RELEASES.len())].0.0;
        let said = script.bytes();
        let patch = if said.is_empty() { fleetfn_patch::make(base, &image.0) } else { [&[1], said].concat() };
        let delivery = Delivery::Patch {
            base_size: size(base),
            base: digest(base),
            size: size(&patch),
            digest: digest(&patch),
        };
        self.offer_with(script, delivery, envelope, patch);
    }

    /// A manifest with other fields, signed by a trusted key or by another.
    fn offer_anything_signed(&mut self, script: &mut Script<'_>) {
        let sequence = u32::from(script.byte()) << (script.byte() % 32);
        let image = Image::with(sequence, script.bytes());
        let mut manifest = image.manifest();
        match script.below(8) {
            0 => manifest.product = ProductId::parse("other").expect("a name"),
            1 => manifest.class = ClassId::parse("other").expect("a name"),
            2 => manifest.size = u32::from(script.byte()) << (script.byte() % 32),
            3 => manifest.not_after_s = Some(script.byte().into()),
            4 => manifest.digest = digest(&image.0[1..]),
            _ => {}
        }
        let signer = 1 + script.byte() / 200;
        let Some(envelope) = envelope(&manifest, signer) else { return };
        let is_for_us = manifest.product == product() && manifest.class == RELEASES[0].0.manifest().class;
        let is_itself = manifest.size == size(&image.0) && manifest.digest == digest(&image.0);
        if signer == 1 && is_for_us && is_itself {
            self.images.push(image.clone());
        }
        self.offer_with(script, Delivery::Whole, &envelope, image.0);
    }

    fn withdraw(&mut self, script: &mut Script<'_>) {
        let job = self.job.wrapping_add(script.byte().into()).max(1);
        let mut buffer = [0; OFFER_BYTES_MAX];
        let offer = Offer::write_withdrawn(&mut buffer, job).expect("it fits").to_vec();
        self.offer(&offer);
    }

    /// Goes to what is due next so many times.
    fn tick(&mut self, times: u8) {
        for _ in 0..times % 16 {
            if let Some(at_ms) = self.update.next_deadline() {
                self.now_ms = self.now_ms.max(at_ms);
            }
            let now_ms = self.now_ms;
            self.call(async |update| update.handle_timeout(now_ms).await);
            // Of the time that it was told: of a clock that has jumped since it knows nothing.
            let is_near = |at_ms: u64| at_ms <= now_ms.saturating_add(60_000);
            assert!(self.update.next_deadline().is_none_or(is_near), "at most a minute ahead");
        }
    }

    /// The clock goes on, or back.
    fn jump(&mut self, script: &mut Script<'_>) {
        let ms = u64::from(script.byte()) << (script.byte() % 64);
        let is_back = script.byte() & 1 != 0;
        self.now_ms = if is_back { self.now_ms.saturating_sub(ms) } else { self.now_ms.saturating_add(ms) };
    }

    fn request(&mut self) -> Option<BlockRequest> {
        let now_ms = self.now_ms;
        let request = self.call(async |update| update.poll_request(now_ms).await)?;
        let count = request.indices().count();
        assert!((1..=usize::from(self.config.window.clamp(1, 32))).contains(&count), "{count} blocks");
        let mut buffer = [0; BlockRequest::BYTES];
        let written = request.write(&mut buffer).expect("it is one");
        assert_eq!(BlockRequest::parse(written), Ok(request));
        Some(request)
    }

    /// Answers what is asked for with some of the blocks, perhaps damaged.
    fn serve(&mut self, script: &mut Script<'_>) {
        let Some(request) = self.request() else { return };
        for index in request.indices() {
            let how = script.byte();
            if how & 3 != 3 {
                self.send_block(&request, index, how >> 2);
            }
        }
    }

    fn serve_all(&mut self) {
        if let Some(request) = self.request() {
            request.indices().for_each(|index| self.send_block(&request, index, 0));
        }
    }

    fn send_block(&mut self, request: &BlockRequest, index: u32, damage: u8) {
        let Some(payload) = self.payloads.get(&request.job) else { return };
        let len = usize::from(request.block_bytes.get());
        let Some(rest) = payload.get(index as usize * len..) else { return };
        let mut bytes = rest[..rest.len().min(len)].to_vec();
        bytes.iter_mut().take(1).for_each(|byte| *byte ^= damage);
        self.send(request.job, index, &bytes);
    }

    fn send(&mut self, job: u32, index: u32, bytes: &[u8]) {
        let mut buffer = vec![0; Block::HEADER_BYTES + bytes.len()];
        let Ok(block) = Block { job, index, bytes }.write(&mut buffer) else { return };
        let now_ms = self.now_ms;
        self.call(async |update| update.handle_block(block, now_ms).await);
    }

    /// One that nobody asked for, or no block at all.
    fn block(&mut self, script: &mut Script<'_>) {
        let index = script.byte();
        if index < 250 {
            self.send(self.job, index.into(), script.bytes());
        } else {
            let (bytes, now_ms) = (script.bytes(), self.now_ms);
            self.call(async |update| update.handle_block(bytes, now_ms).await);
        }
    }

    /// Hears what it says, and perhaps says so.
    fn say(&mut self, answer: u8) {
        if let Some(status) = self.update.poll_status(self.now_ms) {
            let mut buffer = [0; STATUS_BYTES_MAX];
            let written = status.write(&mut buffer).expect("it is one");
            assert_eq!(Status::parse(written), Ok(status));
            assert!(status.have <= status.of, "no more than there is");
        }
        if answer & 1 != 0 {
            self.update.handle_reported();
        }
    }

    /// The power is going to go.
    fn cut(&mut self, script: &mut Script<'_>) {
        let steps = 1 + u32::from(script.byte());
        let torn = [Torn::Front, Torn::Programmed, Torn::Untouched][script.below(3)];
        self.board.chip().cut_after(steps, torn, script.byte().into());
    }

    fn fail(&mut self, script: &mut Script<'_>) {
        let count = u32::from(script.byte() % 8);
        if script.byte() & 1 == 0 {
            self.board.chip().fail_writes(count);
        } else {
            self.board.chip().fail_erases(count);
        }
    }

    /// A reset: the boot loader, then the image. The power comes back when it has gone.
    fn start(&mut self) {
        // Bounded: the power that came back does not go again.
        while !self.board.boot() {
            self.board.chip().restore();
        }
        let flash = self.board.active().bytes();
        let started = self.images.iter().filter(|image| flash.starts_with(&image.0));
        let image = started.max_by_key(|image| image.0.len()).expect("an image that was signed, whole");
        assert!(image.sequence() >= self.floor, "nothing older than what was confirmed");
        self.work.set(Work::default());
        self.update = open(&self.board, self.config, image, &self.work);
        check_work(&self.work, &self.config);
    }

    /// What holds between any two calls.
    fn check(&mut self) {
        let is_alive = self.update.is_alive();
        assert!(is_alive || self.update.poll_restart(), "the watchdog is for a reset that did not come");
        if self.board.chip().is_off() {
            self.board.chip().restore();
            self.start();
        } else if !is_alive {
            self.start();
        }
        // The machine has not read its journal if the power went meanwhile.
        if !self.board.chip().is_off() {
            let floor = self.update.floor();
            assert!(floor >= self.floor, "the floor went from {} to {floor}", self.floor);
            self.floor = floor;
        }
    }

    /// No server, no application, no more cuts: it ends with nothing to do, and does not restart for ever.
    fn come_to_rest(&mut self) {
        self.board.chip().restore();
        self.board.chip().fail_writes(0);
        self.board.chip().fail_erases(0);
        // A reset sets the clock of a board back. At the end of all time nothing would be due any more.
        self.now_ms = 1_000;
        self.start();
        for _ in 0..RESETS_MAX {
            if self.is_quiet() {
                return;
            }
            self.start();
            self.check();
        }
        unreachable!("the device restarts for ever: {:?}", self.update.status());
    }

    /// One life: `false` if it ends with a reset.
    fn is_quiet(&mut self) -> bool {
        for _ in 0..ROUNDS_MAX {
            if self.update.poll_restart() {
                return false;
            }
            if self.update.next_deadline().is_none() {
                return true;
            }
            self.tick(1);
            self.now_ms = self.now_ms.saturating_add(1);
        }
        unreachable!("the machine is never quiet: {:?}", self.update.status());
    }
}

/// An image starts the machine.
fn open(board: &Board<SECTOR, WORD>, config: Config, image: &Image, work: &Rc<Cell<Work>>) -> Machine {
    let class = RELEASES[0].0.manifest().class;
    let firmware = Firmware::new(product(), class, image.said_sequence(), "1.0.0", &*KEYS);
    let (slots, journal) = (Counted::new(board.slots(), work), Counted::new(board.journal(), work));
    now(Update::open(firmware, config, slots, journal, 0..JOURNAL_BYTES)).expect("it all fits")
}

fn check_work(work: &Cell<Work>, config: &Config) {
    let work = work.get();
    let erased_bytes_max = 32 * usize::from(config.block_bytes.get()) + 2 * SECTOR;
    let is_bounded = work.read_bytes <= READ_BYTES_MAX
        && work.written_bytes <= WRITTEN_BYTES_MAX
        && work.erased_bytes <= erased_bytes_max
        && work.boots <= BOOTS_MAX;
    assert!(is_bounded, "one call did {work:?}");
}

/// Runs what never waits: the flash answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the flash answers at once"),
    }
}
