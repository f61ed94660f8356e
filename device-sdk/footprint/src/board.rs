//! A board that is none: a register instead of a serial port and a timer, and nothing to do in a panic.

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};
use fleetfn_device::mqtt::Client;

/// What would be a serial port and a timer.
static REGISTER: AtomicU32 = AtomicU32::new(0);

pub(crate) fn read() -> u32 {
    black_box(&REGISTER).load(Ordering::Relaxed)
}

pub(crate) fn write(value: u32) {
    black_box(&REGISTER).store(value, Ordering::Relaxed);
}

pub(crate) fn now_ms() -> u64 {
    (u64::from(read()) << 32) | u64::from(read())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        write(u32::MAX);
    }
}

/// Moves bytes in both directions.
pub(crate) fn transfer(client: &mut Client<'_>) {
    while let Some(bytes) = client.poll_transmit() {
        let count = bytes.len();
        bytes.iter().for_each(|byte| write(u32::from(*byte)));
        client.handle_transmitted(count, now_ms());
    }
    let mut count = 0;
    for slot in client.receive_space() {
        let [byte, there, ..] = read().to_le_bytes();
        if there == 0 {
            break;
        }
        *slot = byte;
        count += 1;
    }
    client.handle_received(count, now_ms());
    if let Some(deadline_ms) = client.next_deadline() {
        write(black_box(deadline_ms) as u32);
    }
}
