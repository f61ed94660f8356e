//! What the tests drive the binary with: a server process, its API, raw MQTT clients, a fleet that keeps books.

pub(crate) mod api;
pub(crate) mod client;
pub(crate) mod fleet;
pub(crate) mod ledger;
pub(crate) mod random;
pub(crate) mod server;
pub(crate) mod updating;
pub(crate) mod workshop;

use std::io::Write;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: far above what it takes on a slow, busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How soon to look again: what is waited for needs the processor more than whoever looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until `state` says so, or fails with `what`.
pub(crate) fn wait_until(what: &str, mut state: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !state() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Deploys the ledger function and registers `count` devices; returns their ids and tokens.
pub(crate) fn enlist(server: &server::Server, count: usize) -> Vec<(String, String)> {
    let api = api::Api::of(server);
    api.deploy(&ledger::module());
    let ids = (0..count).map(|number| format!("fleet-{number:03}"));
    ids.map(|id| {
        let token = api.add_device(&id);
        (id, token)
    })
    .collect()
}

/// Says what a long test found, past the test runner's capture.
pub(crate) fn say(line: &str) {
    // Nobody to tell is no reason to fail.
    drop(writeln!(std::io::stderr(), "{line}"));
}
