//! Time: what is due when, and what happens when nothing comes.

use crate::wire::{Seen, connack, events, packet, received, written};
use fleetfn_device::mqtt::{Client, Connect, Publish, Reason, Silence, State};

const CONNECT: Connect<'static> =
    Connect { keep_alive_s: 40, response_timeout_ms: 5_000, ..Connect::new("d1") };

/// A client that is online since 1 s, with those properties of CONNACK.
fn online<'b>(receive: &'b mut [u8], send: &'b mut [u8], properties: &[u8]) -> Client<'b> {
    let mut client = Client::new(receive, send);
    client.connect(&CONNECT, 0).expect("it fits");
    written(&mut client, 500);
    client.handle_bytes(&connack(false, properties), 1_000);
    assert_eq!(events(&mut client), [Seen::Connected { session_present: false }]);
    client
}

#[test]
fn a_server_that_does_not_answer_connect_is_given_up() {
    let mut receive = [0; 64];
    let mut client = Client::new(&mut receive, &mut []);
    assert_eq!(client.next_deadline(), None);
    client.connect(&CONNECT, 100).expect("it fits");
    assert_eq!(client.next_deadline(), Some(5_100), "whether or not CONNECT can be written");
    assert_eq!(client.handle_timeout(5_099), Ok(()));
    assert_eq!(client.handle_timeout(5_100), Err(Silence::Connack));
    assert_eq!((client.state(), client.next_deadline(), client.poll_transmit()), (State::Closed, None, None));
}

#[test]
fn a_ping_is_due_before_the_keep_alive_is_over() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    assert_eq!(client.next_deadline(), Some(30_500), "three quarters after what was written last");
    assert_eq!(client.handle_timeout(30_499), Ok(()));
    assert_eq!(client.poll_transmit(), None);
    assert_eq!(client.handle_timeout(30_500), Ok(()));
    assert_eq!(client.next_deadline(), Some(35_500));
    assert_eq!(written(&mut client, 30_600), [0xc0, 0]);
    assert_eq!(client.handle_timeout(31_000), Ok(()));
    assert_eq!(client.poll_transmit(), None, "one is enough");
    client.handle_bytes(&packet(0xd0, &[]), 31_000);
    assert_eq!(events(&mut client), []);
    assert_eq!(client.next_deadline(), Some(60_600));
}

#[test]
fn a_server_that_does_not_answer_a_ping_is_given_up() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    assert_eq!(client.handle_timeout(40_000), Ok(()));
    written(&mut client, 40_000);
    client.handle_bytes(&crate::wire::publish(0, 0, b""), 41_000);
    events(&mut client);
    assert_eq!(client.handle_timeout(44_999), Ok(()));
    assert_eq!(client.handle_timeout(45_000), Err(Silence::Pingresp));
    assert_eq!(client.state(), State::Closed);
    client.handle_closed();
    client.connect(&CONNECT, 50_000).expect("a new connection begins");
    assert_eq!(client.next_deadline(), Some(55_000));
}

#[test]
fn a_dead_link_is_noticed_though_much_is_sent() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    for now_ms in (1_000..30_000).step_by(1_000) {
        client.publish(&Publish::new("t", b"")).expect("it fits");
        written(&mut client, now_ms);
    }
    assert_eq!(client.next_deadline(), Some(31_000), "three quarters after what was heard last");
}

#[test]
fn what_is_sent_and_heard_puts_the_ping_off() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.publish(&Publish::new("t", b"")).expect("it fits");
    written(&mut client, 20_000);
    client.handle_bytes(&crate::wire::publish(0, 0, b""), 21_000);
    assert_eq!(client.next_deadline(), Some(50_000));
}

#[test]
fn the_servers_keep_alive_counts() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let client = online(&mut receive, &mut send, &[0x13, 0, 8]);
    assert_eq!(client.next_deadline(), Some(6_500));
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let client = online(&mut receive, &mut send, &[0x13, 0, 0]);
    assert_eq!(client.next_deadline(), None, "none at all");
}

#[test]
fn a_goodbye_that_cannot_be_written_is_given_up() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.disconnect(Reason::SUCCESS, 2_000);
    assert_eq!(client.next_deadline(), Some(7_000));
    assert_eq!(client.handle_timeout(7_000), Ok(()));
    assert_eq!(client.state(), State::Closed);
}

#[test]
fn what_a_violation_is_answered_with_is_given_up_if_it_cannot_be_written() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    assert!(matches!(received(&mut client, &[0, 0])[..], [Seen::Violated(_)]));
    assert_eq!(client.next_deadline(), Some(5_000), "as long after the bytes that broke the standard");
    assert_eq!(client.handle_timeout(5_000), Ok(()));
    assert_eq!(client.state(), State::Closed);
}
