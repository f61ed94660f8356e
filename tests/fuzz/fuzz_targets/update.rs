//! See `fleetfn_fuzz::update`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfn_fuzz::update::run(bytes));
