//! Time: the core's timer (CLINT) counts, and interrupts when somebody is due.

use crate::register::Register;
use core::cell::RefCell;
use core::task::Waker;
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;
use riscv::interrupt::Interrupt;

// SAFETY: the addresses are those of the CLINT of QEMU's board, hw/riscv/virt.c.
const TIME_LOW: Register<u32> = unsafe { Register::at(0x0200_bff8) };
// SAFETY: as above.
const TIME_HIGH: Register<u32> = unsafe { Register::at(0x0200_bffc) };
// SAFETY: as above.
const ALARM_LOW: Register<u32> = unsafe { Register::at(0x0200_4000) };
// SAFETY: as above.
const ALARM_HIGH: Register<u32> = unsafe { Register::at(0x0200_4004) };

/// The timer counts ten million a second.
const COUNTS_PER_MS: u64 = 10_000;

struct Clock {
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock { queue: Mutex::new(RefCell::new(Queue::new())) });

impl Clock {
    /// Wakes whoever is due, and sets the alarm for the next.
    fn wake(&self, section: CriticalSection<'_>) {
        let next_ms = self.queue.borrow_ref_mut(section).next_expiration(self.now());
        let at = next_ms.saturating_mul(COUNTS_PER_MS);
        // In this order no alarm goes off in between.
        ALARM_HIGH.write(u32::MAX);
        ALARM_LOW.write(at as u32);
        ALARM_HIGH.write((at >> 32) as u32);
    }
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        loop {
            let (high, low) = (TIME_HIGH.read(), TIME_LOW.read());
            if high == TIME_HIGH.read() {
                return ((u64::from(high) << 32) | u64::from(low)) / COUNTS_PER_MS;
            }
        }
    }

    fn schedule_wake(&self, at_ms: u64, waker: &Waker) {
        critical_section::with(|section| {
            let is_earlier = self.queue.borrow_ref_mut(section).schedule_wake(at_ms, waker);
            if is_earlier {
                self.wake(section);
            }
        });
    }
}

/// Starts the clock. Interrupts are on afterwards.
pub(crate) fn start() {
    critical_section::with(|section| CLOCK.wake(section));
    // SAFETY: no critical section is open, and both handlers are there.
    unsafe {
        riscv::register::mie::enable(Interrupt::MachineTimer);
        riscv::register::mstatus::set_mie();
    }
}

#[riscv_rt::core_interrupt(Interrupt::MachineTimer)]
fn alarm() {
    critical_section::with(|section| CLOCK.wake(section));
}
