//! The room sensor on the MPS2 board: who it is stands in flash, its modem is at the first serial port.
#![no_std]
#![no_main]

use climate::{Board, Chance, Simulated};
use core::fmt::Arguments;
use embassy_executor::{SpawnError, SpawnToken, Spawner};
use embassy_time::Timer;
use embedded_storage::nor_flash::ReadNorFlash as _;
use fleetfn_device::agent::Identity;
use fleetfn_device::embassy::{self, Device, Layout, Resources, Runner, SerialModem};
use fleetfn_device::factory::Factory;
use fleetfn_device::outbox::Policy;
use mps2_an385::console::Console;
use mps2_an385::flash::Flash;
use mps2_an385::uart::{Receiver, Sender};
use mps2_an385::{clock, layout, restart, uart, watchdog};
use static_cell::{ConstStaticCell, StaticCell};

static RESOURCES: ConstStaticCell<Resources<'static>> = ConstStaticCell::new(Resources::new());
static FACTORY: StaticCell<[u8; Factory::BYTES_MAX]> = StaticCell::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let mut console = Console::new();
    let Some(core) = cortex_m::Peripherals::take() else { restart() };
    clock::start(core.SYST);
    let (receiver, sender) = uart::start();
    let page = FACTORY.init([0; Factory::BYTES_MAX]);
    let read = Flash::part(layout::FACTORY).read(0, page);
    let Ok(Factory { device, token, seed, .. }) = read.map_or(Factory::parse(&[]), |()| Factory::parse(page))
    else {
        console.line(format_args!("this board was never told who it is"));
        return;
    };
    console.line(format_args!("{device} starts"));
    let (device, runner) = embassy::new(RESOURCES.take(), Identity::new(device, token));
    start(spawner, feed());
    start(spawner, keep_in_touch(runner, SerialModem::new(receiver, sender), seed));
    start(spawner, measure(device));
}

fn start<S>(spawner: Spawner, task: Result<SpawnToken<S>, SpawnError>) {
    match task {
        Ok(token) => spawner.spawn(token),
        // It is started once, and there is room for it.
        Err(_) => restart(),
    }
}

#[embassy_executor::task]
async fn feed() {
    loop {
        watchdog::feed();
        Timer::after_millis(watchdog::FEED_MS).await;
    }
}

#[embassy_executor::task]
async fn keep_in_touch(runner: Runner<'static>, modem: SerialModem<Receiver, Sender>, seed: u32) {
    let layout = Layout { outbox: layout::OUTBOX, policy: Policy::DropOldest, twin: layout::TWIN };
    let mut chance = Chance::new(seed);
    let error = runner.run(modem, Flash::whole(), layout, move || chance.next()).await;
    Console::new().line(format_args!("the device cannot run: {error}"));
}

#[embassy_executor::task]
async fn measure(device: Device<'static>) {
    climate::run(device, Simulated::default(), Mps2).await
}

/// The board as the application sees it.
struct Mps2;

impl Board for Mps2 {
    fn log(&mut self, text: Arguments<'_>) {
        Console::new().line(text);
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
