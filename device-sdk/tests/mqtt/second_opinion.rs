//! What another implementation says of the same bytes: valid packets of a server, and valid packets with a few bytes changed.
//!
//! What this client takes, `rumqttc` must take, and mean the same by it: its packet, written again, makes the same happen.
//! What `rumqttc` takes and this client refuses is in a table, with the reason; so are the two places where it is wrong.

use crate::wire::{Seen, connack, events, packet, written};
use bytes::BytesMut;
use fleetfn_device::mqtt::{Client, Connect, Publish, Qos, State, Subscription, Violation};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use rumqttc::v5::mqttbytes::Error;
use rumqttc::v5::mqttbytes::v5::Packet;
use std::panic::catch_unwind;

/// What rumqttc does not look at, and this client refuses.
const LENIENT: [(Violation, &str); 19] = [
    (Violation::Acknowledgement, "it is a codec, and knows no session"),
    (Violation::SessionPresent, "as above"),
    (Violation::PacketType, "it reads what a client sends, too"),
    (Violation::Authentication, "it knows methods of authentication"),
    (Violation::TopicAlias, "it knows topic aliases"),
    (Violation::ReservedFlags, "it looks at the flags of PUBLISH alone"),
    (Violation::ConnackFlags, "it looks at the lowest bit alone"),
    (Violation::RepeatedQos0, "it takes every DUP"),
    (Violation::Number, "it takes numbers that are longer than they need be"),
    (Violation::Text, "it takes U+0000, and topics and user properties of any bytes"),
    (Violation::TopicName, "it takes any text for a topic"),
    (Violation::PropertyTwice, "the last one counts"),
    (Violation::PropertyValue, "it takes a flag of 2, and 0 for what may not be 0"),
    (Violation::PropertyMisplaced, "it takes a session expiry in DISCONNECT"),
    (Violation::CutShort, "it reads over the end of a list of properties"),
    (Violation::TooLong, "it ignores the body of a PINGRESP"),
    (Violation::PacketIdZero, "it looks for 0 in a PUBLISH alone"),
    (Violation::ResponseTopic, "it takes any text for a response topic"),
    (Violation::SubscriptionId, "it takes subscription identifier 0"),
];

/// What happens to a client that is given a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ours {
    /// It waits for more bytes, or nothing is to be told.
    Quiet,
    Seen(Seen),
    Refused(Violation),
}

/// What rumqttc makes of it.
enum Theirs {
    Packet(Box<Packet>),
    Incomplete,
    Refused(Error),
    /// It ends the program.
    Panic,
}

fn ours(bytes: &[u8]) -> Ours {
    let (mut receive, mut send) = ([0; 512], [0; 256]);
    let mut client = Client::new(&mut receive, &mut send);
    client.connect(&Connect { clean_start: false, ..Connect::new("d1") }, 0).expect("it fits");
    written(&mut client, 0);
    if bytes.first().is_none_or(|first| first >> 4 != 2) {
        client.handle_bytes(&connack(false, &[]), 0);
        events(&mut client);
        busy(&mut client);
    }
    client.handle_bytes(bytes, 0);
    match events(&mut client).pop() {
        None => Ours::Quiet,
        Some(Seen::Violated(violation)) => Ours::Refused(violation),
        Some(seen) => Ours::Seen(seen),
    }
}

/// Something of each kind to be acknowledged: 1 of QoS 1, 2 of QoS 2, 3 subscribed, 4 unsubscribed.
fn busy(client: &mut Client<'_>) {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        client.publish(&Publish::new("t", b"").with_qos(qos)).expect("it fits");
    }
    client.subscribe(&[Subscription::new("a", Qos::ExactlyOnce)]).expect("it fits");
    client.unsubscribe(&["b"]).expect("it fits");
    written(client, 0);
    assert_eq!(client.state(), State::Online);
}

fn theirs(bytes: &[u8]) -> Theirs {
    let bytes = bytes.to_vec();
    match catch_unwind(move || Packet::read(&mut BytesMut::from(&bytes[..]), None)) {
        Ok(Ok(packet)) => Theirs::Packet(Box::new(packet)),
        Ok(Err(Error::InsufficientBytes(_))) => Theirs::Incomplete,
        Ok(Err(error)) => Theirs::Refused(error),
        Err(_) => Theirs::Panic,
    }
}

/// A list of properties behind its length, of those at these places of [`PROPERTIES`].
fn properties(places: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let right = proptest::sample::select(PROPERTIES[places].to_vec());
    let any = proptest::sample::select(PROPERTIES.to_vec());
    proptest::collection::vec(prop_oneof![12 => right, 1 => any], 0..4).prop_map(|list| {
        let list = list.concat();
        [&[u8::try_from(list.len()).expect("few")][..], &list].concat()
    })
}

/// Those of PUBLISH, of everything, of DISCONNECT, of CONNACK: whose lists overlap in this order.
const PROPERTIES: [&[u8]; 21] = [
    &[0x01, 1],
    &[0x02, 0, 0, 0, 9],
    b"\x03\0\x01c",
    b"\x08\0\x01r",
    b"\x09\0\x01d",
    &[0x0b, 0x80, 1],
    b"\x26\0\x01a\0\x02bc",
    b"\x1f\0\x02no",
    b"\x1c\0\x01s",
    &[0x11, 0, 0, 0, 5],
    b"\x12\0\x01i",
    &[0x13, 0, 60],
    b"\x1a\0\x01x",
    &[0x21, 0, 7],
    &[0x22, 0, 1],
    &[0x24, 1],
    &[0x25, 1],
    &[0x27, 0, 0, 1, 0],
    &[0x28, 1],
    &[0x29, 1],
    &[0x2a, 1],
];

/// A packet of a server with that first byte.
fn packet_of(first: u8) -> impl Strategy<Value = Vec<u8>> {
    let places = match first >> 4 {
        2 => 6..21,
        3 => 0..7,
        14 => 6..9,
        _ => 6..8,
    };
    let code = prop_oneof![3 => Just(0_u8), 1 => 0x80_u8..0xa3, 1 => any::<u8>()];
    (1_u8..5, code, properties(places), any::<[u8; 2]>()).prop_map(move |(id, code, properties, payload)| {
        let body = match first >> 4 {
            2 => [&[payload[0] & 1, code][..], &properties].concat(),
            3 if first & 6 == 0 => [&b"\0\x03a/b"[..], &properties, &payload].concat(),
            3 => [&b"\0\x03a/b\0"[..], &[id], &properties, &payload].concat(),
            9 | 11 => [&[0, id][..], &properties, &[code]].concat(),
            13 => Vec::new(),
            14 => [&[code][..], &properties].concat(),
            _ => [&[0, id, code][..], &properties].concat(),
        };
        packet(first, &body)
    })
}

/// A packet of a server, right or nearly so.
fn any_packet() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        9 => proptest::sample::select(
            [0x20, 0x30, 0x31, 0x32, 0x3a, 0x34, 0x40, 0x50, 0x62, 0x70, 0x90, 0xb0, 0xd0, 0xe0].to_vec()
        ),
        1 => any::<u8>(),
    ];
    let change = (any::<proptest::sample::Index>(), any::<u8>());
    (first.prop_flat_map(packet_of), proptest::collection::vec(change, 0..3)).prop_map(|(packet, changes)| {
        let mut bytes = packet;
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        first_packet(&bytes).to_vec()
    })
}

/// The first whole packet; everything if there is none.
fn first_packet(bytes: &[u8]) -> &[u8] {
    let (mut len, mut at) = (0, 1);
    while let Some(byte) = bytes.get(at) {
        len |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 || at > 4 {
            break;
        }
    }
    bytes.get(..at + len).unwrap_or(bytes)
}

/// Whether a DISCONNECT leaves out its properties, as it may (MQTT 5, section 3.14.2.2.1). rumqttc asks for more bytes.
fn is_bare_goodbye(bytes: &[u8]) -> bool {
    matches!(bytes, [0xe0, 0..=1, ..])
}

/// Whether a PUBLISH carries two subscription identifiers, as it may (MQTT 5, section 3.3.4). rumqttc counts the length of
/// the first one twice, and takes the end of the properties for payload.
fn has_two_subscriptions(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first >> 4 == 3)
        && bytes.windows(3).filter(|window| *window == [0x0b, 0x80, 1]).count() > 1
}

/// What happens to a client that is given what rumqttc understood.
fn understood(packet: &Packet) -> Ours {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, None).expect("rumqttc writes what it has read");
    ours(&bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_taken_is_taken_by_another_one_and_means_the_same(bytes in any_packet()) {
        match (ours(&bytes), theirs(&bytes)) {
            (Ours::Refused(violation), Theirs::Packet(packet)) => {
                let known = LENIENT.iter().any(|(lenient, _)| *lenient == violation);
                prop_assert!(known || has_two_subscriptions(&bytes), "{violation:?}: {packet:?}");
            }
            (Ours::Refused(_), _) => {}
            (Ours::Seen(seen), Theirs::Refused(_) | Theirs::Incomplete) => {
                prop_assert!(is_bare_goodbye(&bytes), "{seen:?}");
            }
            (taken, Theirs::Packet(packet)) if !has_two_subscriptions(&bytes) => {
                prop_assert_eq!(understood(&packet), taken, "{:?}", packet);
            }
            (_, Theirs::Packet(_)) | (Ours::Quiet, Theirs::Incomplete) => {}
            (Ours::Quiet, Theirs::Refused(error)) => prop_assert!(false, "{error}"),
            (taken, Theirs::Panic) => prop_assert!(false, "rumqttc panics over {taken:?}"),
        }
    }
}

#[test]
fn where_the_other_one_is_wrong_is_still_where_it_is() {
    for goodbye in [&[0xe0, 0][..], &[0xe0, 1, 0x8b]] {
        assert!(matches!(ours(goodbye), Ours::Seen(Seen::Disconnected(_))));
        assert!(matches!(theirs(goodbye), Theirs::Refused(_) | Theirs::Incomplete));
    }
    let twice = packet(0x30, b"\0\x01t\x08\x0b\x80\x01\x0b\x80\x01\x01\x01xy");
    let Theirs::Packet(packet) = theirs(&twice) else { panic!("rumqttc takes it") };
    assert!(has_two_subscriptions(&twice) && ours(&twice) != understood(&packet));
}
