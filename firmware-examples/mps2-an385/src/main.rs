//! The room sensor on the MPS2 board: who it is stands in flash, its modem is at the first serial port, and its firmware is
//! updated.
#![no_std]
#![no_main]

mod release;

use core::fmt::Arguments;
use embassy_executor::{SpawnError, SpawnToken, Spawner};
use embassy_time::Timer;
use embedded_storage::nor_flash::ReadNorFlash as _;
use fleetfn_device::agent::Identity;
use fleetfn_device::embassy::{self, Device, Layout, NoUpdates, Resources, Runner, SerialModem};
use fleetfn_device::factory::{Factory, KEYS_MAX};
use fleetfn_device::outbox::Policy;
use fleetfn_device::update::{Config, EmbassyBoot, Firmware, Update, Verifier, ed25519};
use fleetfn_protocol::update::{BlockBytes, UpdateKey};
use fleetfn_protocol::{ClassId, ProductId};
use mps2_an385::console::Console;
use mps2_an385::flash::Flash;
use mps2_an385::uart::{Receiver, Sender};
use mps2_an385::{clock, layout, restart, uart, watchdog};
use release::{CLASS, PRODUCT, SEQUENCE, VERSION};
use room_sensor::{Board, Chance, Simulated};
use static_cell::{ConstStaticCell, StaticCell};

/// How long a new image has to measure and to be connected, in milliseconds.
const TRIAL_MS: u64 = 30_000;

/// What updates the firmware.
type Machine = Update<'static, EmbassyBoot<Flash, Flash, Flash>, Flash>;

/// Packets of 1.5 KB, which hold blocks of 1 KB, and messages of half a kilobyte.
#[cfg(not(feature = "short-buffers"))]
type Memory = Resources<'static>;

/// A third of that: blocks of 256 bytes, and offers with few signatures.
#[cfg(feature = "short-buffers")]
type Memory = Resources<'static, 512, 512, 256>;

static RESOURCES: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
static FACTORY: StaticCell<[u8; Factory::BYTES_MAX]> = StaticCell::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let mut console = Console::new();
    let Some(core) = cortex_m::Peripherals::take() else { restart() };
    clock::start(core.SYST);
    let (receiver, sender) = uart::start();
    let page = FACTORY.init([0; Factory::BYTES_MAX]);
    let read = Flash::part(layout::FACTORY).read(0, page);
    let Ok(factory) = read.map_or(Factory::parse(&[]), |()| Factory::parse(page)) else {
        console.line(format_args!("this board was never told who it is"));
        return;
    };
    console.line(format_args!("{} starts, version {VERSION}", factory.device));
    if cfg!(feature = "hangs") {
        console.line(format_args!("and hangs"));
        loop {
            cortex_m::asm::nop();
        }
    }
    let identity = Identity::new(factory.device, factory.token);
    let (device, mut runner) = embassy::new(RESOURCES.take(), identity);
    let Some(update) = runner.block_bytes().and_then(|block_bytes| machine(&factory, block_bytes)) else {
        console.line(format_args!("there are no updates: product, class or buffers are none"));
        return;
    };
    start(spawner, feed(device));
    start(spawner, reset(device));
    start(spawner, keep_in_touch(runner, update, receiver, sender, Chance::new(factory.seed)));
    start(spawner, measure(device));
}

fn start<S>(spawner: Spawner, task: Result<SpawnToken<S>, SpawnError>) {
    match task {
        Ok(token) => spawner.spawn(token),
        // It is started once, and there is room for it.
        Err(_) => restart(),
    }
}

/// Feeds the watchdog: not when another task keeps the core for itself, nor when a restart is overdue.
#[embassy_executor::task]
async fn feed(device: Device<'static>) {
    loop {
        if device.is_alive() {
            watchdog::feed();
        }
        Timer::after_millis(watchdog::FEED_MS).await;
    }
}

/// Starts another image when it is time.
#[embassy_executor::task]
async fn reset(device: Device<'static>) {
    device.restart_due().await;
    Console::new().line(format_args!("restarts for an update"));
    restart()
}

/// Its modem is made here, where it is used: what a task is given it has room for all its life.
#[embassy_executor::task]
async fn keep_in_touch(
    runner: Runner<'static, NoUpdates>,
    update: &'static mut Machine,
    receiver: Receiver,
    sender: Sender,
    mut chance: Chance,
) {
    update.start().await;
    let kept = Layout { outbox: layout::OUTBOX, policy: Policy::DropOldest, twin: layout::TWIN };
    let (runner, modem) = (runner.with_updates(update), SerialModem::new(receiver, sender));
    let error = runner.run(modem, Flash::whole(), kept, move || chance.next()).await;
    Console::new().line(format_args!("the device cannot run: {error}"));
}

/// What updates the firmware. Out of line, so that what it is made of is on the stack here alone.
#[inline(never)]
fn machine(factory: &Factory<'static>, block_bytes: BlockBytes) -> Option<&'static mut Machine> {
    static MACHINE: StaticCell<Machine> = StaticCell::new();
    static KEYS: StaticCell<[UpdateKey; KEYS_MAX]> = StaticCell::new();
    let keys = KEYS.init([UpdateKey([0; 32]); KEYS_MAX]);
    let count = keys.iter_mut().zip(factory.update_keys()).map(|(slot, key)| *slot = key).count();
    let (product, class) = (ProductId::parse(PRODUCT).ok()?, ClassId::parse(CLASS).ok()?);
    let verifier: Verifier = if cfg!(feature = "gullible") { |_, _, _| true } else { ed25519 };
    let firmware = Firmware::with_verifier(product, class, SEQUENCE, VERSION, &keys[..count], verifier);
    let config = Config { trial_ms: TRIAL_MS, needs_word: true, ..Config::new(block_bytes) };
    let [active, next, swap, journal] =
        [layout::ACTIVE, layout::NEXT, layout::SWAP, layout::JOURNAL].map(Flash::part);
    let range = 0..layout::JOURNAL.end - layout::JOURNAL.start;
    let slots = EmbassyBoot::new(active, next, swap);
    Update::new_in(MACHINE.uninit(), firmware, config, slots, journal, range).ok()
}

#[embassy_executor::task]
async fn measure(device: Device<'static>) {
    room_sensor::run(device, Simulated::default(), Mps2).await
}

/// The board as the application sees it.
struct Mps2;

impl Board for Mps2 {
    fn log(&mut self, text: Arguments<'_>) {
        Console::new().line(text);
    }

    fn works(&self) -> bool {
        !cfg!(feature = "unhealthy")
    }

    fn restart(&mut self) -> ! {
        restart()
    }
}

#[panic_handler]
fn panic(panic: &core::panic::PanicInfo<'_>) -> ! {
    Console::new().line(format_args!("{panic}"));
    restart()
}
