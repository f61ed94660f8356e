//! The first serial port (CMSDK APB UART 0): the line to the modem.

use crate::register::Register;
use core::convert::Infallible;
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embedded_io_async::{ErrorType, Read, Write};

// SAFETY: the addresses are those of UART 0 (application note 385, table 3-1).
const DATA: Register = unsafe { Register::at(0x4000_4000) };
// SAFETY: as above.
const STATE: Register = unsafe { Register::at(0x4000_4004) };
// SAFETY: as above.
const CONTROL: Register = unsafe { Register::at(0x4000_4008) };
// SAFETY: as above.
const INTERRUPT: Register = unsafe { Register::at(0x4000_400c) };
// SAFETY: as above.
const DIVIDER: Register = unsafe { Register::at(0x4000_4010) };

const STATE_SEND_FULL: u32 = 1;
const STATE_RECEIVED: u32 = 1 << 1;
const CONTROL_SEND_RECEIVE: u32 = 0b11;
const CONTROL_RECEIVE_INTERRUPT: u32 = 1 << 3;
const INTERRUPT_RECEIVED: u32 = 1 << 1;
/// As fast as it goes.
const DIVIDER_MIN: u32 = 16;

/// What came and was not read: some packets, so that bytes do not wait for a task.
const RECEIVED_BYTES_MAX: usize = 512;

static RECEIVED: Pipe<CriticalSectionRawMutex, RECEIVED_BYTES_MAX> = Pipe::new();

/// The interrupt of a byte that came.
#[derive(Debug, Clone, Copy)]
struct Received;

// SAFETY: it is the number of the interrupt (application note 385, table 3-2), always the same.
unsafe impl InterruptNumber for Received {
    fn number(self) -> u16 {
        0
    }
}

/// The receiving half.
#[derive(Debug)]
pub struct Receiver(());

/// The sending half.
#[derive(Debug)]
pub struct Sender(());

/// Switches the port on. To be called once.
#[must_use]
pub fn start() -> (Receiver, Sender) {
    DIVIDER.write(DIVIDER_MIN);
    CONTROL.write(CONTROL_SEND_RECEIVE | CONTROL_RECEIVE_INTERRUPT);
    // SAFETY: no critical section relies on this interrupt being masked.
    unsafe { NVIC::unmask(Received) };
    (Receiver(()), Sender(()))
}

/// A byte came. When there is no room it stays in the port, whose interrupt is off until something was read.
fn handle_received() {
    // First, so that a byte that comes meanwhile interrupts again: the port has room for one, and nobody would ever look.
    INTERRUPT.write(INTERRUPT_RECEIVED);
    if STATE.read() & STATE_RECEIVED != 0 {
        if RECEIVED.free_capacity() == 0 {
            CONTROL.write(CONTROL_SEND_RECEIVE);
        } else {
            let [byte, ..] = DATA.read().to_le_bytes();
            // There is room, and nobody else writes.
            let _ = RECEIVED.try_write(&[byte]);
        }
    }
}

#[cortex_m_rt::exception]
unsafe fn DefaultHandler(_: i16) {
    handle_received();
}

/// The watchdog's first warning: a reset follows, and nothing is to be done.
#[cortex_m_rt::exception]
unsafe fn NonMaskableInt() -> ! {
    loop {
        cortex_m::asm::nop();
    }
}

impl ErrorType for Receiver {
    type Error = Infallible;
}

impl Read for Receiver {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let count = RECEIVED.read(buffer).await;
        CONTROL.write(CONTROL_SEND_RECEIVE | CONTROL_RECEIVE_INTERRUPT);
        if STATE.read() & STATE_RECEIVED != 0 {
            // It waited in the port, whose interrupt was off.
            NVIC::pend(Received);
        }
        Ok(count)
    }
}

impl ErrorType for Sender {
    type Error = Infallible;
}

impl Write for Sender {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for byte in bytes {
            while STATE.read() & STATE_SEND_FULL != 0 {
                // The port takes a byte in no time, unless the other side does not read.
                embassy_time::Timer::after_millis(1).await;
            }
            DATA.write(u32::from(*byte));
        }
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
