//! The room sensor on a Raspberry Pi Pico, with a modem at its first serial port: who it is stands in flash.
#![no_std]
#![no_main]

use core::fmt::Arguments;
use embassy_executor::{SpawnError, SpawnToken, Spawner};
use embassy_rp::clocks::RoscRng;
use embassy_rp::flash::{Async, Flash};
use embassy_rp::peripherals::{DMA_CH0, FLASH, UART0};
use embassy_rp::uart::{BufferedInterruptHandler, BufferedUart, BufferedUartRx, BufferedUartTx, Config};
use embassy_rp::{bind_interrupts, dma};
use fleetfn_device::agent::Identity;
use fleetfn_device::embassy::{self, Device, Layout, NoUpdates, Resources, Runner, SerialModem};
use fleetfn_device::factory::Factory;
use fleetfn_device::outbox::Policy;
use room_sensor::{Board, Simulated};
use static_cell::{ConstStaticCell, StaticCell};

bind_interrupts!(struct Interrupts {
    UART0_IRQ => BufferedInterruptHandler<UART0>;
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>;
});

/// The chip of the Pico.
const FLASH_BYTES: usize = 2 << 20;

/// Where what is kept, behind the program (memory.x).
const OUTBOX: core::ops::Range<u32> = 0x1e_0000..0x1f_0000;
const TWIN: core::ops::Range<u32> = 0x1f_0000..0x1f_2000;
const FACTORY: u32 = 0x1f_f000;

type Chip = Flash<'static, FLASH, Async, FLASH_BYTES>;
type Modem = SerialModem<BufferedUartRx, BufferedUartTx>;

static RESOURCES: ConstStaticCell<Resources<'static>> = ConstStaticCell::new(Resources::new());
static PAGE: StaticCell<[u8; Factory::BYTES_MAX]> = StaticCell::new();
static SENT: StaticCell<[u8; 256]> = StaticCell::new();
static RECEIVED: StaticCell<[u8; 512]> = StaticCell::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let board = embassy_rp::init(embassy_rp::config::Config::default());
    let mut flash: Chip = Flash::new(board.FLASH, board.DMA_CH0, Interrupts);
    let page = PAGE.init([0; Factory::BYTES_MAX]);
    let read = flash.blocking_read(FACTORY, page);
    let Ok(Factory { device, token, .. }) = read.map_or(Factory::parse(&[]), |()| Factory::parse(page))
    else {
        return;
    };
    let (sent, received) = (SENT.init([0; 256]), RECEIVED.init([0; 512]));
    let uart = BufferedUart::new(
        board.UART0,
        board.PIN_0,
        board.PIN_1,
        Interrupts,
        sent,
        received,
        Config::default(),
    );
    let (sender, receiver) = uart.split();
    let (device, runner) = embassy::new(RESOURCES.take(), Identity::new(device, token));
    start(spawner, keep_in_touch(runner, SerialModem::new(receiver, sender), flash));
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
async fn keep_in_touch(runner: Runner<'static, NoUpdates>, modem: Modem, flash: Chip) {
    let layout = Layout { outbox: OUTBOX, policy: Policy::DropOldest, twin: TWIN };
    // Without its flash the device is of no use.
    let _ = runner.run(modem, flash, layout, || RoscRng.next_u32()).await;
    restart()
}

#[embassy_executor::task]
async fn measure(device: Device<'static>) {
    room_sensor::run(device, Simulated::default(), Pico).await
}

/// The board as the application sees it.
struct Pico;

impl Board for Pico {
    fn log(&mut self, _: Arguments<'_>) {
        // Nobody stands beside it.
    }

    fn restart(&mut self) -> ! {
        restart()
    }
}

fn restart() -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    restart()
}
