//! See `fleetfn_fuzz::agent`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfn_fuzz::agent::run(bytes));
