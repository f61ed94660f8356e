use super::connect::ConnAck;
use super::disconnect::Goodbye;
use super::publish::{Outgoing, Qos};
use super::*;
use proptest::prelude::{any, prop_assert_eq, proptest};

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_header(&mut out, first, body.len());
    out.extend_from_slice(body);
    out
}

/// Decodes whatever stands at the start of a buffer, as a session of that version would.
fn decode_any(bytes: &[u8], version: Version) -> Result<(), Malformed> {
    let Some(frame) = frame(bytes, 1 << 20)? else { return Ok(()) };
    match frame.kind {
        Kind::Connect => connect::decode(frame.body).map(drop),
        Kind::Publish => publish::decode(&frame, version).map(drop),
        Kind::PubAck => decode_puback(frame.body, version).map(drop),
        Kind::Subscribe => subscribe::decode(frame.body, version).map(drop),
        Kind::Unsubscribe => subscribe::decode_unsubscribe(frame.body, version).map(drop),
        Kind::PingReq => Reader::new(frame.body).end(),
        Kind::Disconnect => disconnect::decode(frame.body, version).map(drop),
    }
}

/// One packet of each kind that a client sends, with properties where there are any.
fn good_packets() -> Vec<Vec<u8>> {
    vec![
        packet(0x10, b"\0\x04MQTT\x05\xce\0\x3c\x05\x11\0\0\0\0\0\x02id\x05\x02\0\0\0\x09\0\x01t\0\x02hi\0\x01u\0\x01p"),
        packet(0x32, b"\0\x03a/b\0\x07\x16\x01\x01\x02\0\0\0\x09\x23\0\x02\x26\0\x02id\0\x01x\x09\0\x01cpayload"),
        packet(0x40, b"\0\x07\0\0"),
        packet(0x82, b"\0\x07\x07\x26\0\x01k\0\x01v\0\x03a/#\x2c\0\x03b/+\x01"),
        packet(0xa2, b"\0\x07\0\0\x03a/#\0\x03b/+"),
        packet(0xc0, b""),
        packet(0xe0, b"\x04\x05\x11\0\0\0\0"),
    ]
}

#[test]
fn a_good_packet_is_taken() {
    for packet in good_packets() {
        assert_eq!(decode_any(&packet, Version::V5), Ok(()), "{packet:x?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>, kind in 0_u8..16, flags in 0_u8..16) {
        let _ = decode_any(&bytes, Version::V3);
        let framed = packet(kind << 4 | flags, &bytes);
        let _ = decode_any(&framed, Version::V3);
        let _ = decode_any(&framed, Version::V5);
        let _ = publish::forwarded(&bytes);
    }

    #[test]
    fn a_publish_survives_its_bytes(
        topic in "[a-z]{1,9}(/[a-z]{1,9}){0,4}",
        payload: Vec<u8>,
        id in any::<Option<std::num::NonZeroU16>>(),
        v5: bool,
    ) {
        let version = if v5 { Version::V5 } else { Version::V3 };
        let id = id.map(std::num::NonZero::get);
        let outgoing = Outgoing { id, topic: &topic, properties: &[], payload: &payload };
        let mut out = Vec::new();
        outgoing.put(&mut out, version);
        prop_assert_eq!(out.len(), outgoing.bytes(version));
        let frame = frame(&out, 1 << 20).expect("whole").expect("complete");
        prop_assert_eq!(frame.bytes, out.len());
        let publish = publish::decode(&frame, version).expect("decodes");
        prop_assert_eq!(publish.topic, topic.as_str());
        prop_assert_eq!(publish.payload, &payload[..]);
        prop_assert_eq!(publish.id, id.unwrap_or(0));
        prop_assert_eq!(publish.qos == Qos::AtLeastOnce, id.is_some());
        for cut in 0..out.len() {
            prop_assert_eq!(super::frame(&out[..cut], 1 << 20).expect("no error").is_none(), true);
        }
    }

    #[test]
    fn no_change_of_a_good_packet_makes_the_decoder_panic(at: proptest::sample::Index, to: u8, cut: bool) {
        for mut packet in good_packets() {
            let at = at.index(packet.len());
            packet[at] = to;
            if cut {
                packet.truncate(at);
            }
            for version in [Version::V3, Version::V5] {
                let _ = decode_any(&packet, version);
            }
        }
    }

    #[test]
    fn a_connect_is_read_as_it_was_written(
        client_id in "[a-z0-9]{0,20}",
        username in "[a-z0-9]{0,20}",
        password: Vec<u8>,
        keep_alive_s: u16,
        v5: bool,
    ) {
        let mut body = b"\0\x04MQTT".to_vec();
        body.extend([if v5 { 5 } else { 4 }, 0xc2]);
        body.extend(keep_alive_s.to_be_bytes());
        if v5 {
            body.push(0);
        }
        for field in [client_id.as_bytes(), username.as_bytes(), &password] {
            put_text(&mut body, field);
        }
        let connect = connect::decode(&body).expect("decodes");
        prop_assert_eq!(connect.version == Version::V5, v5);
        prop_assert_eq!(connect.client_id, client_id);
        prop_assert_eq!(connect.username, username);
        prop_assert_eq!(connect.password, password);
        prop_assert_eq!(connect.keep_alive_s, keep_alive_s);
    }

    #[test]
    fn a_number_takes_the_bytes_that_are_foretold(value in 0_usize..268_435_456) {
        let mut out = Vec::new();
        put_variable(&mut out, value);
        prop_assert_eq!(out.len(), variable_bytes(value));
        prop_assert_eq!(Reader::new(&out).variable(), Ok(u32::try_from(value).expect("fits")));
    }
}

#[test]
fn what_a_standard_forbids_is_refused_with_its_reason() {
    let v5 = Version::V5;
    for (bytes, reason, story) in [
        (packet(0x00, &[]), Reason::Malformed, "type 0"),
        (packet(0x20, &[0, 0]), Reason::ProtocolError, "a CONNACK from a client"),
        (packet(0x62, &[0, 1]), Reason::QosNotSupported, "a PUBREL"),
        (packet(0xf0, &[]), Reason::ProtocolError, "an AUTH"),
        (packet(0x80, &[0, 1, 0, 0, 1, b'a', 0]), Reason::Malformed, "SUBSCRIBE with wrong flags"),
        (packet(0x82, &[0, 0, 0, 0, 1, b'a', 0]), Reason::ProtocolError, "SUBSCRIBE with id 0"),
        (packet(0x82, &[0, 1, 0]), Reason::ProtocolError, "SUBSCRIBE without a filter"),
        (packet(0x82, &[0, 1, 0, 0, 1, b'a', 3]), Reason::Malformed, "SUBSCRIBE with QoS 3"),
        (vec![0x30, 0xff, 0xff, 0xff, 0xff, 1], Reason::Malformed, "a length of five bytes"),
        (vec![0x30, 0xff, 0xff, 0xff, 0x7f], Reason::PacketTooLarge, "256 MiB"),
        (packet(0x30, &[0, 0, 0]), Reason::BadTopicName, "an empty topic"),
        (packet(0x30, &[0, 1, b'#', 0]), Reason::BadTopicName, "a wildcard in a publish"),
        (packet(0x30, &[0, 1, 0xff, 0]), Reason::Malformed, "a topic that is not UTF-8"),
        (packet(0x30, &[0, 1, 0, 0]), Reason::Malformed, "a topic with U+0000"),
        (packet(0x30, &[0, 9, b'a']), Reason::Malformed, "a topic that is cut short"),
        (packet(0x32, &[0, 1, b'a', 0, 0, 0]), Reason::ProtocolError, "packet id 0"),
        (packet(0x34, &[0, 1, b'a', 0, 1, 0]), Reason::QosNotSupported, "QoS 2"),
        (packet(0x36, &[0, 1, b'a', 0, 1, 0]), Reason::Malformed, "QoS 3"),
        (packet(0x38, &[0, 1, b'a', 0]), Reason::ProtocolError, "DUP with QoS 0"),
        (packet(0x30, &[0, 1, b'a', 3, 0x23, 0, 0]), Reason::BadTopicAlias, "alias 0"),
        (packet(0x30, &[0, 1, b'a', 4, 1, 0, 1, 0]), Reason::ProtocolError, "a property that stands twice"),
        (packet(0x30, &[0, 1, b'a', 2, 1, 7]), Reason::ProtocolError, "a flag of 7"),
        (packet(0x30, &[0, 1, b'a', 3, 0x21, 0, 1]), Reason::ProtocolError, "a property of another packet"),
        (packet(0xc0, &[1]), Reason::Malformed, "PINGREQ with a body"),
        (packet(0x10, b"\0\x04MQTT\x06\0\0\0"), Reason::UnsupportedVersion, "MQTT 6"),
        (packet(0x10, b"\0\x04HTTP\x05\0\0\0"), Reason::Malformed, "not MQTT"),
        (packet(0x10, b"\0\x04MQTT\x05\x01\0\0\0\0\0"), Reason::Malformed, "the reserved CONNECT flag"),
        (packet(0x10, b"\0\x04MQTT\x05\x10\0\0\0\0\0"), Reason::Malformed, "will QoS without a will"),
    ] {
        assert_eq!(decode_any(&bytes, v5).err().map(|error| error.reason), Some(reason), "{story}");
    }
}

#[test]
fn a_long_topic_is_refused_by_its_length() {
    let mut body = vec![0xff, 0xff];
    body.extend(vec![b'a'; 65_535]);
    let error = decode_any(&packet(0x30, &body), Version::V3).expect_err("too long");
    assert_eq!(error.reason, Reason::BadTopicName);
}

#[test]
fn a_connect_of_each_version_is_read_whole() {
    let v3 = b"\0\x04MQTT\x04\xee\0\x3c\0\x02id\0\x01t\0\x02hi\0\x01u\0\x01p".to_vec();
    let connect = connect::decode(&v3).expect("decodes");
    assert_eq!((connect.version, connect.keep_alive_s, connect.clean_start), (Version::V3, 60, true));
    assert_eq!((connect.client_id.as_str(), connect.username.as_str()), ("id", "u"));
    assert_eq!(connect.password, b"p");
    let will = connect.will.expect("a will");
    assert_eq!((will.topic.as_str(), will.payload.as_slice(), will.qos), ("t", &b"hi"[..], Qos::AtLeastOnce));
    let v5 = b"\0\x04MQTT\x05\x02\0\0\x08\x21\0\x05\x27\0\0\x01\0\0\0".to_vec();
    let connect = connect::decode(&v5).expect("decodes");
    assert_eq!((connect.receive_maximum, connect.packet_bytes_max), (5, 256));
}

#[test]
fn answers_have_the_bytes_of_the_standard() {
    let mut out = Vec::new();
    put_puback(&mut out, 0x0102, Reason::Success, Version::V5);
    assert_eq!(out, [0x40, 2, 1, 2]);
    out.clear();
    put_puback(&mut out, 1, Reason::NotAuthorized, Version::V5);
    assert_eq!(out, [0x40, 3, 0, 1, 0x87]);
    out.clear();
    ConnAck::refusal(Reason::BadCredentials).put(&mut out, Version::V3);
    assert_eq!(out, [0x20, 2, 0, 4]);
    out.clear();
    ConnAck::refusal(Reason::BadCredentials).put(&mut out, Version::V5);
    assert_eq!(out, [0x20, 3, 0, 0x86, 0]);
    out.clear();
    subscribe::put_suback(&mut out, 1, &[Ok(Qos::AtLeastOnce), Err(Reason::NotAuthorized)], Version::V3);
    assert_eq!(out, [0x90, 4, 0, 1, 1, 0x80]);
    out.clear();
    disconnect::put(&mut out, Reason::SessionTakenOver, Version::V5);
    assert_eq!(out, [0xe0, 1, 0x8e]);
    assert_eq!(disconnect::decode(&[], Version::V5), Ok(Goodbye::Normal));
    assert_eq!(disconnect::decode(&[4], Version::V5), Ok(Goodbye::WithWill));
}
