//! A serverless engine for fleets of devices: broker, event log, function host and shared state in one binary.
fn main() {}
