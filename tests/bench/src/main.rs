//! Load generator and peers for the benchmarks.
fn main() {}
