//! The room sensor on QEMU's own RISC-V board: who it is stands in flash, its modem is at the serial port.
#![no_std]
#![no_main]

mod clock;
mod console;
mod flash;
mod register;
mod uart;

use core::fmt::Arguments;
use embassy_executor::{SpawnError, SpawnToken, Spawner};
use flash::Flash;
use fleetfn_device::agent::Identity;
use fleetfn_device::embassy::{self, Device, Layout, NoUpdates, Resources, Runner, SerialModem};
use fleetfn_device::factory::Factory;
use fleetfn_device::outbox::Policy;
use register::Register;
use room_sensor::{Board, Chance, Simulated};
use static_cell::{ConstStaticCell, StaticCell};
use uart::{Receiver, Sender};

static RESOURCES: ConstStaticCell<Resources<'static>> = ConstStaticCell::new(Resources::new());
static FACTORY: StaticCell<[u8; Factory::BYTES_MAX]> = StaticCell::new();

#[embassy_executor::main(entry = "riscv_rt::entry")]
async fn main(spawner: Spawner) {
    clock::start();
    let (receiver, sender) = uart::start();
    let mut flash = Flash::new();
    let page = FACTORY.init([0; Factory::BYTES_MAX]);
    let read = flash.read_now(flash::FACTORY, page);
    let Ok(Factory { device, token, seed, .. }) = read.map_or(Factory::parse(&[]), |()| Factory::parse(page))
    else {
        console::line(format_args!("this board was never told who it is"));
        return;
    };
    console::line(format_args!("{device} starts"));
    let (device, runner) = embassy::new(RESOURCES.take(), Identity::new(device, token));
    start(spawner, keep_in_touch(runner, SerialModem::new(receiver, sender), flash, Chance::new(seed)));
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
async fn keep_in_touch(
    runner: Runner<'static, NoUpdates>,
    modem: SerialModem<Receiver, Sender>,
    flash: Flash,
    mut chance: Chance,
) {
    let layout = Layout { outbox: flash::OUTBOX, policy: Policy::DropOldest, twin: flash::TWIN };
    let error = runner.run(modem, flash, layout, move || chance.next()).await;
    console::line(format_args!("the device cannot run: {error}"));
}

#[embassy_executor::task]
async fn measure(device: Device<'static>) {
    room_sensor::run(device, Simulated::default(), Virt).await
}

/// The board as the application sees it.
struct Virt;

impl Board for Virt {
    fn log(&mut self, text: Arguments<'_>) {
        console::line(text);
    }

    fn restart(&mut self) -> ! {
        restart()
    }
}

/// Asks the board for a reset.
fn restart() -> ! {
    // SAFETY: the address is that of the board's power switch, hw/misc/sifive_test.c.
    let switch = unsafe { Register::<u32>::at(0x0010_0000) };
    switch.write(0x7777);
    loop {
        riscv::asm::wfi();
    }
}

#[panic_handler]
fn panic(panic: &core::panic::PanicInfo<'_>) -> ! {
    console::line(format_args!("{panic}"));
    restart()
}
