//! The agent of the device SDK for firmware in C: `fleetfn_device.h` and a static library, without allocator, clock or
//! socket. `docs/reference/device-c.md` shows how it is used.
//!
//! [`ffi`] holds the functions and every line that is unsafe, [`status`] what they answer, [`notice`] what happened.
#![cfg_attr(target_os = "none", no_std)]

pub mod ffi;
pub mod notice;
pub mod status;

/// Nothing here panics; what does so beside it in the same program ends here.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
