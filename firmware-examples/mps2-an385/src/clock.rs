//! Time: the core's own timer ticks a hundred times a second and wakes who waits.

use core::cell::{Cell, RefCell};
use core::task::Waker;
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

/// Cycles of the core in a second.
const CLOCK_HZ: u32 = 25_000_000;

/// Milliseconds between two ticks. An emulator spends its time on ticks, and nothing here is that urgent.
const TICK_MS: u32 = 10;

struct Clock {
    now_ms: Mutex<Cell<u64>>,
    /// When the next one is to be woken.
    due_ms: Mutex<Cell<u64>>,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    now_ms: Mutex::new(Cell::new(0)),
    due_ms: Mutex::new(Cell::new(u64::MAX)),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

impl Clock {
    /// Wakes whoever is due.
    fn wake(&self, section: CriticalSection<'_>, now_ms: u64) {
        let next_ms = self.queue.borrow_ref_mut(section).next_expiration(now_ms);
        self.due_ms.borrow(section).set(next_ms);
    }
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|section| self.now_ms.borrow(section).get())
    }

    fn schedule_wake(&self, at_ms: u64, waker: &Waker) {
        critical_section::with(|section| {
            let is_earlier = self.queue.borrow_ref_mut(section).schedule_wake(at_ms, waker);
            if is_earlier {
                self.wake(section, self.now_ms.borrow(section).get());
            }
        });
    }
}

/// Starts the clock.
pub fn start(mut timer: cortex_m::peripheral::SYST) {
    timer.set_reload(CLOCK_HZ / 1_000 * TICK_MS - 1);
    timer.clear_current();
    timer.set_clock_source(cortex_m::peripheral::syst::SystClkSource::Core);
    timer.enable_counter();
    timer.enable_interrupt();
}

#[cortex_m_rt::exception]
fn SysTick() {
    critical_section::with(|section| {
        let now_ms = CLOCK.now_ms.borrow(section).get() + u64::from(TICK_MS);
        CLOCK.now_ms.borrow(section).set(now_ms);
        if CLOCK.due_ms.borrow(section).get() <= now_ms {
            CLOCK.wake(section, now_ms);
        }
    });
}
