//! A device from one start to the next: its board, its boot loader, and whatever image runs.

use crate::image::{Behaviour, Image, class, product, public};
use crate::server::Server;
use embassy_boot::{AlignedBuffer, BootLoader, BootLoaderConfig};
use embedded_storage::nor_flash as blocking;
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};
use fleetfn_device::update::memory::{Board, Part, Power};
use fleetfn_device::update::{Config, EmbassyBoot, Firmware, Slots, Update};
use fleetfn_protocol::update::{BlockBytes, Phase, UpdateKey};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub(crate) const SECTOR: usize = 256;
pub(crate) const WORD: usize = 4;
pub(crate) const SECTORS: u32 = 4;

/// Rounds of the main loop, at most, in one life of a device: none needs a tenth.
const ROUNDS_MAX: u32 = 3_000;

/// Which boot loader the board has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loader {
    /// That of the memory board.
    Model,
    /// The real one.
    Embassy,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// The power went.
    Cut,
    /// The device reset itself, or was reset by its watchdog.
    Reset,
    /// There is nothing more to do.
    Quiet,
}

pub(crate) struct World {
    pub(crate) board: Board<SECTOR, WORD>,
    pub(crate) loader: Loader,
    pub(crate) images: Vec<Image>,
    pub(crate) server: Server,
    pub(crate) keys: Vec<UpdateKey>,
    pub(crate) threshold: u8,
    pub(crate) components: &'static [(&'static str, u32)],
    pub(crate) unix_s: Option<u64>,
    pub(crate) block_bytes: u16,
    pub(crate) needs_word: bool,
    /// Whether the server forgets that the offer was acknowledged.
    pub(crate) offers_again: bool,
    pub(crate) resets: u32,
    /// The highest floor that was seen, and the image that ran then.
    pub(crate) floors: Vec<(u32, u32)>,
    pub(crate) on_round: Option<OnRound>,
    /// Whether the board does not reset when it should.
    is_late: bool,
}

/// What the application of the device does in each round.
pub(crate) type OnRound = fn(&mut dyn App, u32);

/// What the application may do.
pub(crate) trait App {
    fn busy(&mut self, is_busy: bool);
    fn refuse(&mut self);
    fn healthy(&mut self);
    fn offer(&mut self, bytes: &[u8]);
    fn jump_ms(&mut self, ms: i64);
    fn phase(&self) -> Phase;
    fn have(&self) -> u32;
    fn now_ms(&self) -> u64;
    fn is_alive(&self) -> bool;
}

impl World {
    pub(crate) fn new(running: &Image, server: Server, images: &[Image]) -> Self {
        let board = Board::new(SECTORS);
        board.active().program(&running.0);
        let images = [std::slice::from_ref(running), images].concat();
        Self {
            board,
            loader: Loader::Model,
            images,
            server,
            keys: vec![public(1)],
            threshold: 1,
            components: &[("boot", 3)],
            unix_s: None,
            block_bytes: 128,
            needs_word: false,
            offers_again: true,
            resets: 0,
            floors: Vec::new(),
            on_round: None,
            is_late: false,
        }
    }

    /// Starts and resets the device until it is quiet; the power comes back whenever it goes. Returns how often it went.
    pub(crate) fn run(&mut self) -> u32 {
        let mut cuts = 0;
        for _ in 0..40 {
            match self.live() {
                Life::Cut => {
                    assert!(self.board.chip().restore(), "the power was gone");
                    cuts += 1;
                }
                Life::Reset => self.resets += 1,
                Life::Quiet => return cuts,
            }
        }
        unreachable!("the device resets for ever: {:?}", self.server.heard);
    }

    /// One life.
    pub(crate) fn live(&mut self) -> Life {
        let on_round = self.on_round;
        self.live_while(&mut |app, round| {
            if let Some(on_round) = on_round {
                on_round(app, round);
            }
        })
    }

    /// One life, with what the application does in each round.
    pub(crate) fn live_while(&mut self, on_round: &mut dyn FnMut(&mut dyn App, u32)) -> Life {
        let each = &mut |app: &mut dyn App, round: u32| {
            on_round(app, round);
            true
        };
        self.live_until(each).expect("it goes on until its end")
    }

    /// One life that ends, by a reset, when `goes_on` says so.
    pub(crate) fn live_until(&mut self, goes_on: &mut dyn FnMut(&mut dyn App, u32) -> bool) -> Option<Life> {
        if !self.load() {
            return Some(Life::Cut);
        }
        let image = self.running();
        if image.behaviour() == Behaviour::Hangs {
            return Some(Life::Reset);
        }
        match self.loader {
            Loader::Model => self.live_with(&image, self.board.slots(), goes_on),
            Loader::Embassy => {
                let board = self.board.clone();
                let slots = EmbassyBoot::new(board.active(), board.download(), board.state());
                self.live_with(&image, slots, goes_on)
            }
        }
    }

    /// As [`World::live_until`], on a board that does not reset when it should.
    pub(crate) fn live_with_late_board(&mut self, goes_on: &mut dyn FnMut(&mut dyn App, u32) -> bool) {
        self.is_late = true;
        assert_eq!(self.live_until(goes_on), None);
    }

    /// The boot loader; `false` if the power went.
    fn load(&self) -> bool {
        if self.loader == Loader::Model {
            return self.board.boot();
        }
        let (active, dfu, state) = (self.board.active(), self.board.download(), self.board.state());
        let config =
            BootLoaderConfig { active: Blocking(active), dfu: Blocking(dfu), state: Blocking(state) };
        let mut buffer = AlignedBuffer([0; SECTOR]);
        BootLoader::new(config).prepare_boot(&mut buffer.0).is_ok()
    }

    /// What is in the active slot: an image, whole, whatever happened before.
    pub(crate) fn running(&self) -> Image {
        let flash = self.board.active().bytes();
        let running = self.images.iter().find(|image| flash.starts_with(&image.0));
        running.expect("what would be started is an image, whole").clone()
    }

    fn live_with<S: Slots>(
        &mut self,
        image: &Image,
        slots: S,
        goes_on: &mut dyn FnMut(&mut dyn App, u32) -> bool,
    ) -> Option<Life> {
        let keys = self.keys.clone();
        let firmware = Firmware {
            threshold: self.threshold,
            components: self.components,
            ..Firmware::new(product(), class(), image.sequence(), "1.0.0", &keys)
        };
        let block_bytes = BlockBytes::new(self.block_bytes).expect("a length");
        let config = Config { needs_word: self.needs_word, ..Config::new(block_bytes) };
        let journal = self.board.journal();
        let range = 0..u32::try_from(2 * SECTOR).expect("short");
        let update = now(Update::open(firmware, config, slots, journal, range)).expect("it all fits");
        let mut life = Running { update, now_ms: 1_000, is_offered: false, is_acknowledged: false };
        if let Some(unix_s) = self.unix_s {
            life.update.handle_time(unix_s, life.now_ms);
        }
        let is_deaf = image.behaviour() == Behaviour::IsDeaf;
        if !is_deaf {
            life.update.handle_connected(life.now_ms);
        }
        for round in 0..ROUNDS_MAX {
            if !goes_on(&mut life, round) {
                return None;
            }
            if let Some(end) = self.round(&mut life, is_deaf) {
                if end != Life::Cut {
                    self.floors.push((life.update.floor(), image.signed_sequence()));
                }
                return Some(end);
            }
        }
        unreachable!("the machine is never quiet: {:?}", self.server.heard);
    }

    /// One round of the main loop.
    fn round<S: Slots>(&mut self, life: &mut Running<'_, S>, is_deaf: bool) -> Option<Life> {
        let update = &mut life.update;
        if !is_deaf && !life.is_offered && (self.offers_again || !life.is_acknowledged) {
            now(update.handle_offer(&self.server.offer, life.now_ms));
            life.is_offered = true;
            life.is_acknowledged = !self.board.chip().is_off();
        }
        now(update.handle_timeout(life.now_ms));
        let status = update.poll_status(life.now_ms);
        if self.board.chip().is_off() {
            return Some(Life::Cut);
        }
        if let Some(status) = status {
            self.server.hear(&status);
            update.handle_reported();
        }
        if update.poll_restart() {
            life.now_ms += 1_000;
            return (!self.is_late).then_some(Life::Reset);
        }
        if let Some(request) = now(update.poll_request(life.now_ms)) {
            for block in self.server.blocks(&request) {
                now(update.handle_block(&block, life.now_ms));
            }
        }
        if self.board.chip().is_off() {
            return Some(Life::Cut);
        }
        assert!(update.is_alive());
        match update.next_deadline() {
            Some(at_ms) => {
                life.now_ms = life.now_ms.max(at_ms) + 1;
                None
            }
            None if update.status().phase == Phase::Paused => {
                life.now_ms += 1_000;
                None
            }
            None if is_deaf => Some(Life::Quiet),
            // Quiet when there is nothing to say, either.
            None => {
                let status = update.poll_status(life.now_ms);
                status.iter().for_each(|status| self.server.hear(status));
                status.is_none().then_some(Life::Quiet)
            }
        }
    }
}

/// A device that runs.
struct Running<'a, S> {
    update: Update<'a, S, Part<SECTOR, WORD>>,
    now_ms: u64,
    is_offered: bool,
    is_acknowledged: bool,
}

impl<S: Slots> App for Running<'_, S> {
    fn busy(&mut self, is_busy: bool) {
        self.update.set_busy(is_busy, self.now_ms);
    }

    fn refuse(&mut self) {
        now(self.update.refuse());
    }

    fn healthy(&mut self) {
        self.update.set_healthy();
    }

    fn offer(&mut self, bytes: &[u8]) {
        now(self.update.handle_offer(bytes, self.now_ms));
    }

    fn jump_ms(&mut self, ms: i64) {
        self.now_ms = self.now_ms.saturating_add_signed(ms);
    }

    fn phase(&self) -> Phase {
        self.update.status().phase
    }

    fn have(&self) -> u32 {
        self.update.status().have
    }

    fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn is_alive(&self) -> bool {
        self.update.is_alive()
    }
}

/// Runs what never waits: the flash answers at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the flash answers at once"),
    }
}

/// A part of the flash for a boot loader that waits.
struct Blocking(Part<SECTOR, WORD>);

/// An error of the flash for it.
#[derive(Debug)]
struct Failed;

impl From<Power> for Failed {
    fn from(_: Power) -> Self {
        Self
    }
}

impl blocking::NorFlashError for Failed {
    fn kind(&self) -> blocking::NorFlashErrorKind {
        blocking::NorFlashErrorKind::Other
    }
}

impl blocking::ErrorType for Blocking {
    type Error = Failed;
}

impl blocking::ReadNorFlash for Blocking {
    const READ_SIZE: usize = 1;

    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Failed> {
        Ok(now(self.0.read(at, bytes))?)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl blocking::NorFlash for Blocking {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failed> {
        Ok(now(self.0.erase(from, to))?)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Failed> {
        Ok(now(self.0.write(at, bytes))?)
    }
}
