//! A server that lies, stammers or sends noise.

use crate::wire::{Seen, ack, connack, events, online, packet, publish, received, written};
use fleetfn_device::mqtt::{Client, Connect, Publish, Qos, Reason, State, Subscription, Violation};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// What a server must not send to a client that is connected, has PUBLISH 1 (QoS 1), PUBLISH 2 (QoS 2) and SUBSCRIBE 3
/// (two filters) unanswered, takes 128 bytes and two messages at once.
fn violations() -> Vec<(Vec<u8>, Violation, &'static str)> {
    vec![
        (vec![0x00, 0], Violation::PacketType, "type 0"),
        (packet(0x10, b"\0\x04MQTT"), Violation::PacketType, "a CONNECT"),
        (packet(0x82, &[0, 1, 0]), Violation::PacketType, "a SUBSCRIBE"),
        (packet(0xa2, &[0, 1, 0]), Violation::PacketType, "an UNSUBSCRIBE"),
        (packet(0xc0, &[]), Violation::PacketType, "a PINGREQ"),
        (packet(0xf0, &[]), Violation::Authentication, "an AUTH"),
        (packet(0x21, &[0, 0, 0]), Violation::ReservedFlags, "a CONNACK with flags"),
        (packet(0x60, &[0, 1]), Violation::ReservedFlags, "a PUBREL without flags"),
        (packet(0xd1, &[]), Violation::ReservedFlags, "a PINGRESP with flags"),
        (vec![0x30, 0xff, 0xff, 0xff, 0xff, 1], Violation::Number, "a length of five bytes"),
        (vec![0x30, 0x85, 0], Violation::Number, "a length that is longer than it need be"),
        (vec![0x30, 0x7f], Violation::PacketTooLarge, "a header of 129 bytes, before they come"),
        (vec![0x30, 0xff, 0xff, 0xff, 0x7f], Violation::PacketTooLarge, "a header of 256 MiB"),
        (connack(false, &[]), Violation::SecondConnack, "CONNACK again"),
        (packet(0x36, b"\0\x01t\0\x01\0"), Violation::Qos, "QoS 3"),
        (packet(0x38, b"\0\x01t\0"), Violation::RepeatedQos0, "DUP with QoS 0"),
        (packet(0x30, b"\0\0\0"), Violation::TopicName, "an empty topic"),
        (packet(0x30, b"\0\x03a/#\0"), Violation::TopicName, "a topic with a wildcard"),
        (packet(0x30, b"\0\x02\xc3\x28\0"), Violation::Text, "a topic that is not UTF-8"),
        (packet(0x30, b"\0\x03\xed\xa0\x80\0"), Violation::Text, "a topic with a surrogate"),
        (packet(0x30, b"\0\x02a\0\0"), Violation::Text, "a topic with U+0000"),
        (packet(0x30, b"\0\x09t"), Violation::CutShort, "a topic that is cut short"),
        (packet(0x30, b"\0\x01t\x05\x02\0"), Violation::CutShort, "properties that are cut short"),
        (packet(0x30, b"\0\x01t\x02\x02\0"), Violation::CutShort, "a property that is cut short"),
        (packet(0x32, b"\0\x01t\0\0\0"), Violation::PacketIdZero, "packet identifier 0"),
        (packet(0x30, b"\0\x01t\x03\x23\0\x01"), Violation::TopicAlias, "a topic alias"),
        (packet(0x30, b"\0\0\x03\x23\0\x01"), Violation::TopicAlias, "a topic alias for a topic"),
        (packet(0x30, b"\0\x01t\x02\x24\x01"), Violation::PropertyMisplaced, "a property of CONNACK"),
        (packet(0x30, b"\0\x01t\x02\x7f\x01"), Violation::PropertyMisplaced, "a property that there is not"),
        (packet(0x30, b"\0\x01t\x04\x01\0\x01\0"), Violation::PropertyTwice, "a property twice"),
        (packet(0x30, b"\0\x01t\x02\x01\x02"), Violation::PropertyValue, "a flag of 2"),
        (packet(0x30, b"\0\x01t\x02\x0b\0"), Violation::SubscriptionId, "subscription identifier 0"),
        (
            packet(0x30, b"\0\x01t\x04\x08\0\x01#"),
            Violation::ResponseTopic,
            "a response topic with a wildcard",
        ),
        (packet(0x30, b"\0\x01t\x82\0"), Violation::Number, "a property length that is too long"),
        (
            [publish(2, 1, b""), publish(2, 2, b""), publish(2, 3, b"")].concat(),
            Violation::ReceiveMaximum,
            "a third message at once",
        ),
        (ack(0x40, 9), Violation::Acknowledgement, "a PUBACK for nothing"),
        (ack(0x40, 2), Violation::Acknowledgement, "a PUBACK for QoS 2"),
        (ack(0x50, 1), Violation::Acknowledgement, "a PUBREC for QoS 1"),
        (ack(0x70, 2), Violation::Acknowledgement, "a PUBCOMP without PUBREC"),
        (ack(0x70, 9), Violation::Acknowledgement, "a PUBCOMP for nothing"),
        (ack(0x40, 0), Violation::PacketIdZero, "a PUBACK for identifier 0"),
        (packet(0x40, &[0]), Violation::CutShort, "half a PUBACK"),
        (packet(0x40, &[0, 1, 0x92]), Violation::ReasonCode, "a PUBACK with the code of a PUBREL"),
        (packet(0x62, &[0, 1, 0x80]), Violation::ReasonCode, "a PUBREL that fails"),
        (packet(0x40, &[0, 1, 0, 0, 0]), Violation::TooLong, "a PUBACK that goes on"),
        (packet(0x40, &[0, 1, 0, 2, 1, 0]), Violation::PropertyMisplaced, "a PUBACK with another's property"),
        (packet(0x90, &[0, 3, 0, 1]), Violation::ReasonCount, "a SUBACK for one filter of two"),
        (packet(0x90, &[0, 3, 0, 1, 1, 1]), Violation::ReasonCount, "a SUBACK for three filters of two"),
        (packet(0x90, &[0, 3, 0, 1, 3]), Violation::ReasonCode, "a SUBACK that grants QoS 3"),
        (packet(0x90, &[0, 4, 0, 1, 1]), Violation::Acknowledgement, "a SUBACK for nothing"),
        (packet(0xb0, &[0, 3, 0, 0, 0]), Violation::Acknowledgement, "an UNSUBACK for a SUBSCRIBE"),
        (packet(0xb0, &[0, 3, 0, 1, 1]), Violation::ReasonCode, "an UNSUBACK with the code of a SUBACK"),
        (packet(0xd0, &[0]), Violation::TooLong, "a PINGRESP with a body"),
        (packet(0xe0, &[0x01]), Violation::ReasonCode, "a DISCONNECT that grants"),
        (
            packet(0xe0, &[0x8b, 5, 0x11, 0, 0, 0, 1]),
            Violation::PropertyMisplaced,
            "a server's session expiry",
        ),
    ]
}

/// What a server must not answer to CONNECT, with or without a clean start.
fn bad_greetings() -> Vec<(Vec<u8>, Violation, &'static str)> {
    vec![
        (publish(0, 0, b""), Violation::BeforeConnack, "a message first"),
        (packet(0xe0, &[0x8b]), Violation::BeforeConnack, "a goodbye first"),
        (packet(0xf0, &[0x18, 0]), Violation::Authentication, "an AUTH first"),
        (packet(0x20, &[2, 0, 0]), Violation::ConnackFlags, "reserved flags"),
        (packet(0x20, &[0, 1, 0]), Violation::ReasonCode, "a code of MQTT 3.1.1"),
        (packet(0x20, &[1, 0x87, 0]), Violation::SessionPresent, "a refusal with a session"),
        (connack(true, &[]), Violation::SessionPresent, "a session after a clean start"),
        (packet(0x20, &[0, 0]), Violation::CutShort, "no properties"),
        (packet(0x20, &[0, 0, 0, 0]), Violation::TooLong, "a byte too many"),
        (connack(false, &[0x21, 0, 0]), Violation::PropertyValue, "receive maximum 0"),
        (connack(false, &[0x27, 0, 0, 0, 0]), Violation::PropertyValue, "maximum packet size 0"),
        (connack(false, &[0x24, 2]), Violation::PropertyValue, "maximum QoS 2"),
        (connack(false, &[0x25, 2]), Violation::PropertyValue, "retain available 2"),
        (connack(false, &[0x15, 0, 1, b'x']), Violation::Authentication, "an authentication method"),
    ]
}

/// Puts the client where [`violations`] are.
fn busy(client: &mut Client<'_>) {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        client.publish(&Publish::new("t", b"").with_qos(qos)).expect("it fits");
    }
    let wanted = [Subscription::new("a/+", Qos::ExactlyOnce), Subscription::new("b/#", Qos::AtMostOnce)];
    client.subscribe(&wanted).expect("it fits");
    written(client, 0);
}

fn connect() -> Connect<'static> {
    Connect { clean_start: false, receive_maximum: 2, ..Connect::new("d1") }
}

fn greeted<'b>(receive: &'b mut [u8], send: &'b mut [u8]) -> Client<'b> {
    let mut client = Client::new(receive, send);
    client.connect(&connect(), 0).expect("it fits");
    written(&mut client, 0);
    received(&mut client, &connack(false, &[]));
    client
}

#[test]
fn a_violation_is_named_told_and_ends_the_connection() {
    for (bytes, violation, story) in violations() {
        let (mut receive, mut send) = ([0; 128], [0; 256]);
        let mut client = greeted(&mut receive, &mut send);
        busy(&mut client);
        let seen = received(&mut client, &bytes);
        assert_eq!(seen.last(), Some(&Seen::Violated(violation)), "{story}");
        let out = written(&mut client, 0);
        assert!(out.ends_with(&[0xe0, 2, violation.reason().code(), 0]), "{story}: {out:x?}");
        assert_eq!(client.state(), State::Closed, "{story}");
        assert_eq!(received(&mut client, &publish(0, 0, b"")), [], "{story}: nothing counts any more");
    }
}

#[test]
fn a_bad_greeting_is_named_and_answered_with_silence() {
    for (bytes, violation, story) in bad_greetings() {
        let (mut receive, mut send) = ([0; 128], [0; 256]);
        let mut client = Client::new(&mut receive, &mut send);
        client.connect(&Connect::new("d1"), 0).expect("it fits");
        written(&mut client, 0);
        assert_eq!(received(&mut client, &bytes), [Seen::Violated(violation)], "{story}");
        assert_eq!((client.state(), client.poll_transmit()), (State::Closed, None), "{story}");
    }
}

#[test]
fn a_violation_after_a_goodbye_is_told_once_and_in_its_place() {
    let (mut receive, mut send) = ([0; 128], [0; 256]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.disconnect(Reason::SUCCESS, 0);
    assert_eq!(client.handle_bytes(&[0, 0], 0), 2);
    assert_eq!(client.poll_event(), Err(Violation::PacketType));
    assert_eq!(client.poll_event(), Ok(None), "it was told");
    assert_eq!(written(&mut client, 0), [0xe0, 2, Violation::PacketType.reason().code(), 0]);
    assert_eq!(client.state(), State::Closed);
}

#[test]
fn every_violation_has_its_section_and_a_failure_to_tell() {
    for (_, violation, _) in violations().into_iter().chain(bad_greetings()) {
        assert!(violation.reason().is_failure());
        assert!(violation.to_string().ends_with(&format!("(MQTT 5, section {})", violation.section())));
    }
    let text = Violation::PacketTooLarge.to_string();
    assert_eq!(
        text,
        "the server sent a packet over the maximum size that it was told (MQTT 5, section 3.1.2.11.4)"
    );
}

#[test]
fn nothing_is_heard_before_connect_is_written() {
    let (mut receive, mut send) = ([0; 128], [0; 256]);
    let mut client = Client::new(&mut receive, &mut send);
    assert_eq!(client.poll_transmit(), None);
    client.connect(&Connect::new("d1"), 0).expect("it fits");
    assert_eq!(client.handle_bytes(&connack(false, &[]), 0), 0, "its room is taken by CONNECT");
    assert_eq!(events(&mut client), []);
    let connect = written(&mut client, 0);
    assert_eq!((connect[0], usize::from(connect[1])), (0x10, connect.len() - 2), "it is whole");
    assert_eq!(received(&mut client, &connack(false, &[])), [Seen::Connected { session_present: false }]);
}

#[test]
fn a_flood_of_releases_waits_for_its_answers_to_be_written() {
    let (mut receive, mut send) = ([0; 128], [0; 256]);
    let mut client = online(&mut receive, &mut send, &[]);
    let flood = ack(0x62, 7).repeat(32);
    assert_eq!(client.handle_bytes(&flood, 0), 128);
    assert_eq!(events(&mut client), []);
    assert_eq!(client.handle_bytes(&flood, 0), 8 * 4, "only what can be answered is taken off");
    let mut answers = Vec::new();
    loop {
        let out = written(&mut client, 0);
        events(&mut client);
        if out.is_empty() {
            break;
        }
        answers.extend(out);
    }
    assert_eq!(answers, [0x70, 3, 0, 7, 0x92].repeat(32 + 8));
}

/// Packets that a server may send, with some of what it may not, and whether the client gets to write after each.
fn stream() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    let good = prop_oneof![
        (0_u8..3, 1_u16..5, proptest::collection::vec(any::<u8>(), 0..9))
            .prop_map(|(qos, id, payload)| publish(qos, id, &payload)),
        (1_u16..5).prop_map(|id| ack(0x62, id)),
        Just(packet(0xd0, &[])),
        Just(ack(0x40, 1)),
        Just(ack(0x50, 2)),
        Just(ack(0x70, 2)),
        Just(packet(0x90, &[0, 3, 0, 2, 0x87])),
        Just(packet(0x30, b"\0\x01t\x0e\x26\0\x09effect-id\0\0x")),
    ];
    let bad = (0..violations().len()).prop_map(|at| violations().swap_remove(at).0);
    proptest::collection::vec((prop_oneof![12 => good, 1 => bad], any::<bool>()), 0..24)
}

/// What happens, and what is written, when a stream comes in pieces of those lengths.
fn played(stream: &[(Vec<u8>, bool)], pieces: &[usize]) -> (Vec<Seen>, Vec<u8>) {
    let (mut receive, mut send) = ([0; 128], [0; 256]);
    let mut client = greeted(&mut receive, &mut send);
    busy(&mut client);
    let (mut seen, mut out, mut pending) = (Vec::new(), Vec::new(), Vec::new());
    let mut pieces = pieces.iter().cycle();
    for (packet, writes) in stream {
        pending.extend_from_slice(packet);
        if !writes {
            continue;
        }
        while !pending.is_empty() {
            let wanted = (*pieces.next().expect("endless")).min(pending.len());
            let count = client.handle_bytes(&pending[..wanted], 0);
            pending.drain(..count);
            seen.append(&mut events(&mut client));
            if count == 0 {
                let answers = written(&mut client, 0);
                if answers.is_empty() {
                    return (seen, out);
                }
                out.extend(answers);
            }
        }
        out.extend(written(&mut client, 0));
        seen.append(&mut events(&mut client));
    }
    (seen, out)
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_events_and_answers(
        stream in stream(),
        pieces in proptest::collection::vec(1_usize..40, 1..20),
    ) {
        prop_assert_eq!(played(&stream, &pieces), played(&stream, &[1]));
    }

    #[test]
    fn no_bytes_make_the_client_panic(
        bytes: Vec<u8>,
        kind in 2_u8..15,
        flags in 0_u8..16,
        room in 0_usize..200,
        framed: bool,
    ) {
        let (mut receive, mut send) = (vec![0; 200], vec![0; room]);
        let mut client = online(&mut receive, &mut send, &[]);
        let _ = client.publish(&Publish::new("t", b"").with_qos(Qos::ExactlyOnce));
        let _ = client.subscribe(&[Subscription::new("#", Qos::AtLeastOnce)]);
        written(&mut client, 0);
        let bytes = if framed { packet(kind << 4 | flags, &bytes) } else { bytes };
        received(&mut client, &bytes);
        written(&mut client, 0);
        prop_assert!(matches!(client.state(), State::Online | State::Closed));
    }

    #[test]
    fn no_change_of_a_good_stream_makes_the_client_panic(
        stream in stream(),
        at: proptest::sample::Index,
        to: u8,
    ) {
        let mut stream = stream;
        for (packet, _) in &mut stream {
            let at = at.index(packet.len());
            packet[at] = to;
        }
        let (seen, _) = played(&stream, &[7]);
        let ends = |seen: &&Seen| matches!(seen, Seen::Violated(_) | Seen::Disconnected(_));
        prop_assert!(seen.iter().filter(ends).count() <= 1, "a connection ends once");
    }

    #[test]
    fn no_greeting_makes_the_client_panic(bytes: Vec<u8>, framed: bool) {
        let (mut receive, mut send) = ([0; 128], [0; 64]);
        let mut client = Client::new(&mut receive, &mut send);
        client.connect(&Connect::new("d1"), 0).expect("it fits");
        written(&mut client, 0);
        received(&mut client, &if framed { packet(0x20, &bytes) } else { bytes });
        client.disconnect(Reason::SUCCESS, 0);
        written(&mut client, 0);
        client.handle_closed();
        prop_assert_eq!(client.state(), State::Offline);
    }
}

#[test]
fn a_caller_that_miscounts_does_no_harm() {
    let (mut receive, mut send) = ([0; 128], [0; 256]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.handle_transmitted(100, 0);
    client.publish(&Publish::new("t", b"x")).expect("it fits");
    client.handle_transmitted(usize::MAX, 0);
    assert_eq!(client.poll_transmit(), None, "it counts as written");
    client.handle_received(usize::MAX, 0);
    assert!(matches!(events(&mut client)[..], [Seen::Violated(_)]), "zeros are no packet");
}
