//! See `fleetfn_fuzz::packets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfn_fuzz::packets::run(bytes));
