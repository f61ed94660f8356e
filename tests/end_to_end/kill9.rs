//! The process dies at any moment: what was acknowledged is handled, once, in order.

use crate::harness::fleet::Fleet;
use crate::harness::random::Random;
use crate::harness::server::Server;
use crate::harness::{enlist, say};
use std::time::Duration;

const KILLS: u64 = 30;
const DEVICES: usize = 30;
const IN_FLIGHT: usize = 4;
const PAYLOAD_BYTES: usize = 64;

/// Acknowledgements between two kills, at most.
const ACKS_MAX: u64 = 2_000;

#[test]
fn thirty_sigkills_under_load_lose_nothing_and_apply_nothing_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let mut random = Random::new("kill9");
    let mut server = Server::start(&data);
    let fleet = Fleet::start(enlist(&server, DEVICES), IN_FLIGHT, PAYLOAD_BYTES);
    for kill in 1..=KILLS {
        fleet.point_at(Some(server.mqtt));
        fleet.wait_for_acks(random.below(ACKS_MAX));
        server.kill();
        fleet.point_at(None);
        if kill % 5 == 0 {
            // One that dies while it recovers, at any moment of that.
            let mut early = Server::spawn(&data, |_| {});
            std::thread::sleep(Duration::from_micros(random.below(60_000)));
            early.kill().expect("a child can be killed");
            early.wait().expect("a killed child can be waited for");
        }
        server = Server::start(&data);
    }
    fleet.point_at(Some(server.mqtt));
    let books = fleet.settle();
    say(&format!("kill9: {KILLS} kills, {books}"));
    books.assert_balanced();
}
