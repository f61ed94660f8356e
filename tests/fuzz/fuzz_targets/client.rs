//! See `fleetfn_fuzz::client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfn_fuzz::client::run(bytes));
