//! A board that is none for clients that are written as `async` over a stream: a register instead of a serial port and a
//! timer, and nothing to do in a panic.

use core::convert::Infallible;
use core::hint::black_box;
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Waker};
use embedded_io_async::{ErrorType, Read, Write};

/// What would be a serial port and a timer.
static REGISTER: AtomicU32 = AtomicU32::new(0);

pub(crate) fn read() -> u32 {
    black_box(&REGISTER).load(Ordering::Relaxed)
}

pub(crate) fn write(value: u32) {
    black_box(&REGISTER).store(value, Ordering::Relaxed);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        write(u32::MAX);
    }
}

/// Runs a future that never ends.
pub(crate) fn run(future: impl Future<Output = Infallible>) -> ! {
    let mut future = pin!(future);
    loop {
        // It is never ready.
        let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// The stream.
pub(crate) struct Port;

impl ErrorType for Port {
    type Error = Infallible;
}

impl Read for Port {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        for slot in bytes {
            let [byte, there, ..] = read().to_le_bytes();
            if there == 0 {
                break;
            }
            *slot = byte;
            count += 1;
        }
        Ok(count)
    }
}

impl Write for Port {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        bytes.iter().for_each(|byte| write(u32::from(*byte)));
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
