//! See `fleetfn_fuzz::patch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfn_fuzz::patch::run(bytes));
