//! SIGTERM: what was taken is handled, the process ends with 0, and the next start finds everything.

use crate::harness::fleet::Fleet;
use crate::harness::server::Server;
use crate::harness::{enlist, say};

#[test]
fn sigterm_under_load_drains_and_exits_with_zero() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let mut server = Server::start(&data);
    let fleet = Fleet::start(enlist(&server, 10), 4, 64);
    for _ in 0..3 {
        fleet.point_at(Some(server.mqtt));
        fleet.wait_for_acks(500);
        let status = server.terminate();
        fleet.point_at(None);
        assert_eq!(status.code(), Some(0), "SIGTERM ends the server with 0: {status}");
        server = Server::start(&data);
    }
    fleet.point_at(Some(server.mqtt));
    let books = fleet.settle();
    say(&format!("shutdown: 3 times SIGTERM, {books}"));
    books.assert_balanced();
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data);
    let mut second = Server::spawn(&data, |_| {});
    let status = second.wait().expect("a child can be waited for");
    assert!(!status.success(), "two writers on one log would tear it");
    assert!(server.log().contains("in use"), "the log says why: {}", server.log());
    assert_eq!(server.terminate().code(), Some(0));
}
