//! The serial port (16550), at which the modem is.

use crate::register::Register;
use core::convert::Infallible;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embedded_io_async::{ErrorType, Read, Write};
use riscv::interrupt::Interrupt;

// SAFETY: the addresses are those of the serial port of QEMU's board, hw/riscv/virt.c.
const DATA: Register<u8> = unsafe { Register::at(0x1000_0000) };
// SAFETY: as above.
const INTERRUPTS: Register<u8> = unsafe { Register::at(0x1000_0001) };
// SAFETY: as above.
const FIFO: Register<u8> = unsafe { Register::at(0x1000_0002) };
// SAFETY: as above.
const STATE: Register<u8> = unsafe { Register::at(0x1000_0005) };
// SAFETY: the addresses are those of the interrupt controller of the board, for source 10 and the first core.
const PRIORITY: Register<u32> = unsafe { Register::at(0x0c00_0028) };
// SAFETY: as above.
const ENABLED: Register<u32> = unsafe { Register::at(0x0c00_2000) };
// SAFETY: as above.
const THRESHOLD: Register<u32> = unsafe { Register::at(0x0c20_0000) };
// SAFETY: as above.
const CLAIM: Register<u32> = unsafe { Register::at(0x0c20_0004) };

const SOURCE: u32 = 10;
const STATE_RECEIVED: u8 = 1;
const STATE_SEND_EMPTY: u8 = 1 << 5;
const INTERRUPT_RECEIVED: u8 = 1;
const FIFO_ON: u8 = 1;

/// What came and was not read: some packets, so that bytes do not wait for a task.
const RECEIVED_BYTES_MAX: usize = 512;

static RECEIVED: Pipe<CriticalSectionRawMutex, RECEIVED_BYTES_MAX> = Pipe::new();

/// The receiving half.
#[derive(Debug)]
pub(crate) struct Receiver(());

/// The sending half.
#[derive(Debug)]
pub(crate) struct Sender(());

/// Switches the port on. To be called once.
pub(crate) fn start() -> (Receiver, Sender) {
    FIFO.write(FIFO_ON);
    INTERRUPTS.write(INTERRUPT_RECEIVED);
    PRIORITY.write(1);
    ENABLED.write(1 << SOURCE);
    THRESHOLD.write(0);
    // SAFETY: the handler is there.
    unsafe { riscv::register::mie::enable(Interrupt::MachineExternal) };
    (Receiver(()), Sender(()))
}

/// Bytes came. Those for which there is no room stay in the port, whose interrupt is off until something was read.
fn handle_received() {
    while STATE.read() & STATE_RECEIVED != 0 {
        if RECEIVED.free_capacity() == 0 {
            INTERRUPTS.write(0);
            return;
        }
        // There is room, and nobody else writes.
        let _ = RECEIVED.try_write(&[DATA.read()]);
    }
}

#[riscv_rt::core_interrupt(Interrupt::MachineExternal)]
fn external() {
    let source = CLAIM.read();
    if source == SOURCE {
        handle_received();
    }
    CLAIM.write(source);
}

impl ErrorType for Receiver {
    type Error = Infallible;
}

impl Read for Receiver {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let count = RECEIVED.read(buffer).await;
        INTERRUPTS.write(INTERRUPT_RECEIVED);
        Ok(count)
    }
}

impl ErrorType for Sender {
    type Error = Infallible;
}

impl Write for Sender {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for byte in bytes {
            while STATE.read() & STATE_SEND_EMPTY == 0 {
                // The port takes a byte in no time, unless the other side does not read.
                embassy_time::Timer::after_millis(1).await;
            }
            DATA.write(*byte);
        }
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
