//! Sessions that outlive their connections.

use crate::wire::{Seen, ack, events, message, online, packet, publish, received, reconnect, written};
use fleetfn_device::mqtt::{Publish, Qos, Subscription};

const AT_LEAST_ONCE: Publish<'static> = Publish::new("t", b"a").with_qos(Qos::AtLeastOnce);
const EXACTLY_ONCE: Publish<'static> = Publish::new("t", b"b").with_qos(Qos::ExactlyOnce);

#[test]
fn what_is_not_acknowledged_is_sent_again_in_its_order() {
    let (mut receive, mut send) = ([0; 64], [0; 256]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.publish(&AT_LEAST_ONCE).expect("it fits");
    client.publish(&EXACTLY_ONCE).expect("it fits");
    let out = written(&mut client, 0);
    assert_eq!(out, b"\x32\x07\0\x01t\0\x01\0a\x34\x07\0\x01t\0\x02\0b");
    client.handle_closed();
    client.publish(&AT_LEAST_ONCE).expect("it fits");
    reconnect(&mut client, true, &[]);
    assert_eq!(events(&mut client), []);
    let out = written(&mut client, 0);
    let expected = b"\x3a\x07\0\x01t\0\x01\0a\x3c\x07\0\x01t\0\x02\0b\x32\x07\0\x01t\0\x03\0a";
    assert_eq!(out, expected, "DUP where it may have been sent");
    assert_eq!(received(&mut client, &ack(0x40, 1)), [Seen::Acknowledged(1, 0)]);
}

#[test]
fn half_a_message_counts_as_sent() {
    let (mut receive, mut send) = ([0; 64], [0; 256]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.publish(&AT_LEAST_ONCE).expect("it fits");
    assert_eq!(client.poll_transmit().map(<[u8]>::len), Some(9));
    client.handle_transmitted(3, 0);
    assert_eq!(client.poll_transmit().map(<[u8]>::len), Some(6));
    reconnect(&mut client, true, &[]);
    assert_eq!(written(&mut client, 0), b"\x3a\x07\0\x01t\0\x01\0a");
}

#[test]
fn a_release_is_sent_again_and_its_message_is_not() {
    let (mut receive, mut send) = ([0; 64], [0; 256]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.publish(&EXACTLY_ONCE).expect("it fits");
    client.publish(&EXACTLY_ONCE).expect("it fits");
    written(&mut client, 0);
    assert_eq!(received(&mut client, &[ack(0x50, 2), ack(0x50, 1)].concat()), []);
    assert_eq!(written(&mut client, 0), [ack(0x62, 2), ack(0x62, 1)].concat(), "in the order of the PUBRECs");
    reconnect(&mut client, true, &[]);
    assert_eq!(written(&mut client, 0), [ack(0x62, 2), ack(0x62, 1)].concat());
    let forgotten = packet(0x70, &[0, 1, 0x92]);
    assert_eq!(received(&mut client, &forgotten), [Seen::Acknowledged(1, 0)], "the server had it");
    assert_eq!(received(&mut client, &ack(0x70, 2)), [Seen::Acknowledged(2, 0)]);
    reconnect(&mut client, true, &[]);
    assert_eq!(written(&mut client, 0), []);
}

#[test]
fn without_a_session_qos_1_is_new_and_qos_2_is_lost_if_it_was_sent() {
    let (mut receive, mut send) = ([0; 64], [0; 256]);
    let mut client = online(&mut receive, &mut send, &[]);
    for publish in [AT_LEAST_ONCE, EXACTLY_ONCE, EXACTLY_ONCE] {
        client.publish(&publish).expect("it fits");
    }
    written(&mut client, 0);
    received(&mut client, &ack(0x50, 2));
    written(&mut client, 0);
    client.handle_closed();
    client.publish(&EXACTLY_ONCE).expect("it fits");
    reconnect(&mut client, false, &[]);
    assert_eq!(events(&mut client), [Seen::Lost(3), Seen::Lost(2)]);
    assert_eq!(written(&mut client, 0), b"\x32\x07\0\x01t\0\x01\0a\x34\x07\0\x01t\0\x04\0b");
}

#[test]
fn a_message_of_qos_1_is_acknowledged_when_the_next_event_is_asked_for() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.handle_bytes(&publish(1, 7, b"a"), 0);
    let event = client.poll_event().expect("no violation").map(Seen::from);
    assert_eq!(event, Some(message(1, false, b"a")));
    assert_eq!(client.poll_transmit(), None, "it is being handled");
    assert_eq!(events(&mut client), []);
    assert_eq!(written(&mut client, 0), ack(0x40, 7));
}

#[test]
fn a_message_whose_handling_is_cut_off_is_not_acknowledged() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.handle_bytes(&publish(1, 7, b"a"), 0);
    assert!(client.poll_event().expect("no violation").is_some());
    reconnect(&mut client, true, &[]);
    assert_eq!(written(&mut client, 0), []);
}

#[test]
fn a_message_of_qos_2_comes_once_however_often_it_is_sent() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    assert_eq!(received(&mut client, &publish(2, 7, b"a")), [message(2, false, b"a")]);
    assert_eq!(written(&mut client, 0), ack(0x50, 7));
    reconnect(&mut client, true, &[]);
    let mut again = publish(2, 7, b"a");
    again[0] |= 8;
    assert_eq!(received(&mut client, &again), []);
    assert_eq!(written(&mut client, 0), ack(0x50, 7));
    assert_eq!(received(&mut client, &ack(0x62, 7)), []);
    assert_eq!(written(&mut client, 0), ack(0x70, 7));
    assert_eq!(received(&mut client, &ack(0x62, 7)), []);
    assert_eq!(written(&mut client, 0), [0x70, 3, 0, 7, 0x92], "once released it is forgotten");
    assert_eq!(received(&mut client, &publish(2, 7, b"b")), [message(2, false, b"b")], "a new one");
}

#[test]
fn a_new_session_of_the_server_forgets_what_it_sent() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    received(&mut client, &publish(2, 7, b"a"));
    written(&mut client, 0);
    reconnect(&mut client, false, &[]);
    assert_eq!(received(&mut client, &publish(2, 7, b"b")), [message(2, false, b"b")]);
}

#[test]
fn a_record_of_the_servers_that_the_client_does_not_have_is_told() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    assert_eq!(received(&mut client, &ack(0x50, 9)), []);
    assert_eq!(written(&mut client, 0), [0x62, 3, 0, 9, 0x92]);
    assert_eq!(received(&mut client, &packet(0x50, &[0, 9, 0x92 - 1])), [], "a failure ends it");
    assert_eq!(written(&mut client, 0), []);
}

#[test]
fn a_second_pubrec_brings_a_second_pubrel() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.publish(&EXACTLY_ONCE).expect("it fits");
    written(&mut client, 0);
    for _ in 0..2 {
        assert_eq!(received(&mut client, &ack(0x50, 1)), []);
        assert_eq!(written(&mut client, 0), ack(0x62, 1));
    }
    assert_eq!(received(&mut client, &ack(0x70, 1)), [Seen::Acknowledged(1, 0)]);
}

#[test]
fn a_subscription_that_was_not_answered_is_forgotten_with_its_connection() {
    let (mut receive, mut send) = ([0; 64], [0; 64]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.subscribe(&[Subscription::new("a", Qos::AtMostOnce)]).expect("it fits");
    written(&mut client, 0);
    reconnect(&mut client, true, &[]);
    assert_eq!(written(&mut client, 0), []);
}

#[test]
fn no_packet_identifier_is_given_twice_while_it_is_in_use() {
    let (mut receive, mut send) = ([0; 64], [0; 256]);
    let mut client = online(&mut receive, &mut send, &[]);
    let kept = client.publish(&AT_LEAST_ONCE).expect("it fits").expect("QoS 1");
    written(&mut client, 0);
    for round in 0..70_000_u32 {
        let id = client.publish(&AT_LEAST_ONCE).expect("it fits").expect("QoS 1");
        assert_ne!(id, kept, "{round}");
        written(&mut client, 0);
        assert_eq!(received(&mut client, &ack(0x40, id.get())), [Seen::Acknowledged(id.get(), 0)]);
    }
}
