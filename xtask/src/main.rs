//! House rules, benchmarks and footprints.
fn main() {}
