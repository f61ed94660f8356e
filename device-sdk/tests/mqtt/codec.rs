//! Every packet, as another implementation reads and writes it.

use crate::wire::{Seen, events, online, packet, received, written};
use bytes::{Bytes, BytesMut};
use fleetfn_device::mqtt::{
    Client, Connect, Credentials, Event, Publish, Qos, Reason, Retained, State, Subscription, Will,
};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5 as theirs;

/// The packets in what was written, as rumqttc reads them.
fn read(bytes: &[u8]) -> Vec<theirs::Packet> {
    let mut stream = BytesMut::from(bytes);
    let mut packets = Vec::new();
    while !stream.is_empty() {
        packets.push(theirs::Packet::read(&mut stream, None).expect("rumqttc reads it"));
    }
    packets
}

fn write(packet: &theirs::Packet) -> BytesMut {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, None).expect("rumqttc writes it");
    bytes
}

fn qos() -> impl Strategy<Value = (Qos, QoS)> {
    prop_oneof![
        Just((Qos::AtMostOnce, QoS::AtMostOnce)),
        Just((Qos::AtLeastOnce, QoS::AtLeastOnce)),
        Just((Qos::ExactlyOnce, QoS::ExactlyOnce)),
    ]
}

fn topic() -> impl Strategy<Value = String> {
    "[a-zé]{1,9}(/[a-z]{1,9}){0,4}"
}

fn user_properties() -> impl Strategy<Value = Vec<(String, String)>> {
    proptest::collection::vec(("[a-zé]{0,9}", "[a-zé]{0,9}"), 0..4)
}

fn borrowed(user: &[(String, String)]) -> Vec<(&str, &str)> {
    user.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

proptest! {
    #[test]
    fn a_publish_is_read_as_it_was_meant(
        (ours, their_qos) in qos(),
        topic in topic(),
        payload: Vec<u8>,
        retain: bool,
        payload_is_text: bool,
        expiry_s: Option<u32>,
        content_type in any::<bool>().prop_map(|some| some.then_some("text/plain")),
        response_topic in proptest::option::of(topic()),
        correlation_data: Option<Vec<u8>>,
        user in user_properties(),
    ) {
        let (mut receive, mut send) = ([0; 64], [0; 4096]);
        let mut client = online(&mut receive, &mut send, &[]);
        let message = Publish {
            topic: &topic,
            payload: &payload,
            qos: ours,
            retain,
            payload_is_text,
            expiry_s,
            content_type,
            response_topic: response_topic.as_deref(),
            correlation_data: correlation_data.as_deref(),
            user_properties: &borrowed(&user),
        };
        let id = client.publish(&message).expect("it fits");
        prop_assert_eq!(id.is_some(), ours != Qos::AtMostOnce);
        let packets = read(&written(&mut client, 0));
        let [theirs::Packet::Publish(publish)] = packets.as_slice() else { panic!("{packets:?}") };
        prop_assert_eq!(publish.qos, their_qos);
        prop_assert_eq!((publish.dup, publish.retain), (false, retain));
        prop_assert_eq!(publish.pkid, id.map_or(0, |id| id.get()));
        prop_assert_eq!(&publish.topic[..], topic.as_bytes());
        prop_assert_eq!(&publish.payload[..], &payload[..]);
        let properties = publish.properties.clone().unwrap_or_default();
        prop_assert_eq!(properties, theirs::PublishProperties {
            payload_format_indicator: payload_is_text.then_some(1),
            message_expiry_interval: expiry_s,
            topic_alias: None,
            response_topic,
            correlation_data: correlation_data.map(Bytes::from),
            user_properties: user,
            subscription_identifiers: Vec::new(),
            content_type: content_type.map(str::to_owned),
        });
    }

    #[test]
    fn a_message_is_read_as_it_was_written(
        (ours, their_qos) in qos(),
        id in 1_u16..,
        topic in topic(),
        payload: Vec<u8>,
        retain: bool,
        dup: bool,
        payload_is_text: bool,
        expiry_s: Option<u32>,
        content_type in proptest::option::of(topic()),
        response_topic in proptest::option::of(topic()),
        correlation_data: Option<Vec<u8>>,
        user in user_properties(),
        subscription_ids in proptest::collection::vec(1_usize..268_435_456, 0..3),
    ) {
        let (mut receive, mut send) = ([0; 4096], [0; 64]);
        let mut client = online(&mut receive, &mut send, &[]);
        let dup = dup && ours != Qos::AtMostOnce;
        let publish = theirs::Publish {
            dup,
            qos: their_qos,
            retain,
            topic: topic.clone().into(),
            pkid: id,
            payload: payload.clone().into(),
            properties: Some(theirs::PublishProperties {
                payload_format_indicator: Some(u8::from(payload_is_text)),
                message_expiry_interval: expiry_s,
                topic_alias: None,
                response_topic: response_topic.clone(),
                correlation_data: correlation_data.clone().map(Bytes::from),
                user_properties: user.clone(),
                subscription_identifiers: subscription_ids,
                content_type: content_type.clone(),
            }),
        };
        let bytes = write(&theirs::Packet::Publish(publish));
        prop_assert_eq!(client.handle_bytes(&bytes, 0), bytes.len());
        let event = client.poll_event();
        let Ok(Some(Event::Message(message))) = event else { panic!("{event:?}") };
        prop_assert_eq!((message.topic, message.payload, message.qos), (topic.as_str(), &payload[..], ours));
        prop_assert_eq!((message.retain, message.duplicate), (retain, dup));
        prop_assert_eq!(message.payload_is_text(), payload_is_text);
        prop_assert_eq!(message.expiry_s(), expiry_s);
        prop_assert_eq!(message.content_type(), content_type.as_deref());
        prop_assert_eq!(message.response_topic(), response_topic.as_deref());
        prop_assert_eq!(message.correlation_data(), correlation_data.as_deref());
        prop_assert_eq!(message.user_properties().collect::<Vec<_>>(), borrowed(&user));
        let first = user.iter().find(|(name, _)| name == "a").map(|(_, value)| value.as_str());
        prop_assert_eq!(message.user_property("a"), first);
        prop_assert_eq!(events(&mut client), []);
        let expected = match ours {
            Qos::AtMostOnce => Vec::new(),
            Qos::AtLeastOnce => vec![theirs::Packet::PubAck(theirs::PubAck::new(id, None))],
            Qos::ExactlyOnce => vec![theirs::Packet::PubRec(theirs::PubRec::new(id, None))],
        };
        prop_assert_eq!(read(&written(&mut client, 0)), expected);
    }

    #[test]
    fn a_connect_is_read_as_it_was_meant(
        client_id in "[a-z0-9é]{0,30}",
        clean_start: bool,
        keep_alive_s: u16,
        session_expiry_s: u32,
        receive_maximum in 1_u16..=32,
        login in proptest::option::of(("[a-zé]{1,20}", "[a-zé]{1,20}")),
        will in proptest::option::of((topic(), any::<Vec<u8>>(), qos(), any::<bool>(), any::<u32>(), user_properties())),
        user in user_properties(),
    ) {
        let mut receive = [0; 4096];
        let mut client = Client::new(&mut receive, &mut []);
        let will_user = will.as_ref().map(|will| borrowed(&will.5)).unwrap_or_default();
        let connect = Connect {
            clean_start,
            keep_alive_s,
            session_expiry_s,
            receive_maximum,
            credentials: login.as_ref().map(|(username, password)| Credentials {
                username,
                password: password.as_bytes(),
            }),
            will: will.as_ref().map(|(topic, payload, (qos, _), retain, delay_s, _)| Will {
                message: Publish {
                    qos: *qos,
                    retain: *retain,
                    expiry_s: Some(7),
                    user_properties: &will_user,
                    ..Publish::new(topic, payload)
                },
                delay_s: *delay_s,
            }),
            user_properties: &borrowed(&user),
            ..Connect::new(&client_id)
        };
        client.connect(&connect, 0).expect("it fits");
        let packets = read(&written(&mut client, 0));
        let [theirs::Packet::Connect(connect, their_will, their_login)] = packets.as_slice() else {
            panic!("{packets:?}")
        };
        prop_assert_eq!(&connect.client_id, &client_id);
        prop_assert_eq!((connect.clean_start, connect.keep_alive), (clean_start, keep_alive_s));
        let properties = connect.properties.as_ref().expect("some");
        prop_assert_eq!(properties.session_expiry_interval.unwrap_or(0), session_expiry_s);
        prop_assert_eq!(properties.receive_maximum, Some(receive_maximum));
        prop_assert_eq!(properties.max_packet_size, Some(4096));
        prop_assert_eq!(properties.topic_alias_max, None, "none is taken");
        prop_assert_eq!(&properties.user_properties, &user);
        let expected = login.map(|(username, password)| theirs::Login { username, password });
        prop_assert_eq!(their_login, &expected);
        prop_assert_eq!(their_will.is_some(), will.is_some());
        if let (Some(theirs), Some((topic, payload, (_, qos), retain, delay_s, user))) = (their_will, will) {
            prop_assert_eq!(&theirs.topic[..], topic.as_bytes());
            prop_assert_eq!(&theirs.message[..], &payload[..]);
            prop_assert_eq!((theirs.qos, theirs.retain), (qos, retain));
            let properties = theirs.properties.as_ref().expect("some");
            prop_assert_eq!(properties.delay_interval.unwrap_or(0), delay_s);
            prop_assert_eq!(properties.message_expiry_interval, Some(7));
            prop_assert_eq!(&properties.user_properties, &user);
        }
    }

    #[test]
    fn a_subscribe_is_read_as_it_was_meant(
        filters in proptest::collection::vec((topic(), qos(), any::<bool>(), any::<bool>(), 0_u8..3), 1..5),
    ) {
        let (mut receive, mut send) = ([0; 64], [0; 1024]);
        let mut client = online(&mut receive, &mut send, &[]);
        let retained = |rule: u8| [Retained::Always, Retained::IfNew, Retained::Never][usize::from(rule)];
        let wanted: Vec<Subscription<'_>> = filters.iter().map(|(filter, (qos, _), no_local, as_published, rule)| {
            Subscription {
                filter,
                qos: *qos,
                no_local: *no_local,
                retain_as_published: *as_published,
                retained: retained(*rule),
            }
        }).collect();
        let id = client.subscribe(&wanted).expect("it fits");
        let packets = read(&written(&mut client, 0));
        let [theirs::Packet::Subscribe(subscribe)] = packets.as_slice() else { panic!("{packets:?}") };
        prop_assert_eq!(subscribe.pkid, id.get());
        prop_assert_eq!(subscribe.filters.len(), filters.len());
        for (read, (filter, (_, qos), no_local, as_published, rule)) in subscribe.filters.iter().zip(&filters) {
            prop_assert_eq!(&read.path, filter);
            prop_assert_eq!((read.qos, read.nolocal, read.preserve_retain), (*qos, *no_local, *as_published));
            prop_assert_eq!(read.retain_forward_rule.clone() as u8, *rule);
        }
        let granted = vec![theirs::SubscribeReasonCode::Success(QoS::AtLeastOnce); filters.len()];
        let suback = theirs::SubAck { pkid: id.get(), return_codes: granted, properties: None };
        let seen = received(&mut client, &write(&theirs::Packet::SubAck(suback)));
        prop_assert_eq!(seen, [Seen::Subscribed(id.get(), vec![1; filters.len()])]);

        let names: Vec<&str> = filters.iter().map(|filter| filter.0.as_str()).collect();
        let id = client.unsubscribe(&names).expect("it fits");
        let packets = read(&written(&mut client, 0));
        let [theirs::Packet::Unsubscribe(unsubscribe)] = packets.as_slice() else { panic!("{packets:?}") };
        prop_assert_eq!(&unsubscribe.filters, &names);
        let unsuback = [&id.get().to_be_bytes()[..], &[0], &vec![0x11; names.len()]].concat();
        let seen = received(&mut client, &packet(0xb0, &unsuback));
        prop_assert_eq!(seen, [Seen::Unsubscribed(id.get(), vec![0x11; names.len()])]);
    }

    #[test]
    fn a_connack_is_read_as_it_was_written(
        receive_max in 1_u16..,
        max_qos in 0_u8..2,
        retain in 0_u8..2,
        max_packet_size in 1_u32..,
        assigned in "[a-z0-9]{1,20}",
        reason in "[a-zé]{0,20}",
        wildcards in 0_u8..2,
        shared in 0_u8..2,
        keep_alive: u16,
        user in user_properties(),
    ) {
        let (mut receive, mut send) = ([0; 1024], [0; 64]);
        let mut client = Client::new(&mut receive, &mut send);
        client.connect(&Connect::new(""), 0).expect("it fits");
        written(&mut client, 0);
        let connack = theirs::ConnAck {
            session_present: false,
            code: theirs::ConnectReturnCode::Success,
            properties: Some(theirs::ConnAckProperties {
                session_expiry_interval: Some(3),
                receive_max: Some(receive_max),
                max_qos: Some(max_qos),
                retain_available: Some(retain),
                max_packet_size: Some(max_packet_size),
                assigned_client_identifier: Some(assigned.clone()),
                topic_alias_max: Some(9),
                reason_string: Some(reason.clone()),
                user_properties: user.clone(),
                wildcard_subscription_available: Some(wildcards),
                subscription_identifiers_available: Some(1),
                shared_subscription_available: Some(shared),
                server_keep_alive: Some(keep_alive),
                response_information: Some("r".into()),
                server_reference: None,
                authentication_method: None,
                authentication_data: None,
            }),
        };
        let bytes = write(&theirs::Packet::ConnAck(connack));
        client.handle_bytes(&bytes, 0);
        let event = client.poll_event();
        let Ok(Some(Event::Connected(connack))) = event else { panic!("{event:?}") };
        prop_assert_eq!(connack.assigned_client_id(), Some(assigned.as_str()));
        prop_assert_eq!(connack.reason_string(), Some(reason.as_str()));
        prop_assert_eq!(connack.server_reference(), None);
        prop_assert_eq!(connack.user_properties().collect::<Vec<_>>(), borrowed(&user));
        let limits = client.limits();
        prop_assert_eq!(limits.receive_maximum, receive_max);
        prop_assert_eq!(limits.qos_max as u8, max_qos);
        prop_assert_eq!((limits.retain, limits.wildcards, limits.shared), (retain == 1, wildcards == 1, shared == 1));
        prop_assert_eq!((limits.packet_bytes_max, limits.keep_alive_s), (max_packet_size, keep_alive));
    }
}

#[test]
fn packets_have_the_bytes_of_the_standard() {
    let (mut receive, mut send) = ([0; 256], [0; 256]);
    let mut client = Client::new(&mut receive, &mut send);
    let connect = Connect {
        clean_start: true,
        credentials: Some(Credentials { username: "u", password: b"p" }),
        ..Connect::new("d1")
    };
    client.connect(&connect, 0).expect("it fits");
    let expected = b"\x10\x1d\0\x04MQTT\x05\xc2\0\x3c\x08\x21\0\x20\x27\0\0\x01\0\0\x02d1\0\x01u\0\x01p";
    assert_eq!(written(&mut client, 0), expected);
    assert_eq!(received(&mut client, b"\x20\x03\0\0\0"), [Seen::Connected { session_present: false }]);
    client.publish(&Publish::new("t", b"hi").with_qos(Qos::AtLeastOnce)).expect("it fits");
    assert_eq!(written(&mut client, 0), b"\x32\x08\0\x01t\0\x01\0hi");
    client.subscribe(&[Subscription::new("t/#", Qos::ExactlyOnce)]).expect("it fits");
    assert_eq!(written(&mut client, 0), b"\x82\x09\0\x02\0\0\x03t/#\x02");
    client.disconnect(Reason::DISCONNECT_WITH_WILL, 0);
    assert_eq!(written(&mut client, 0), b"\xe0\x02\x04\0");
    assert_eq!(client.state(), State::Closed);
}

#[test]
fn a_goodbye_of_the_server_is_told_in_its_words() {
    let (mut receive, mut send) = ([0; 256], [0; 256]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.handle_bytes(&packet(0xe0, b"\x9c\x0f\x1f\0\x04full\x1c\0\x05other"), 0);
    let event = client.poll_event();
    let Ok(Some(Event::Disconnected(disconnect))) = event else { panic!("{event:?}") };
    assert_eq!(disconnect.reason, Reason::USE_ANOTHER_SERVER);
    assert_eq!((disconnect.reason_string(), disconnect.server_reference()), (Some("full"), Some("other")));
    assert_eq!(client.state(), State::Closed);
    assert_eq!(client.poll_transmit(), None, "nothing is written behind the server's goodbye");
}

#[test]
fn a_refusal_is_told_and_ends_the_connection() {
    let (mut receive, mut send) = ([0; 256], [0; 256]);
    let mut client = Client::new(&mut receive, &mut send);
    client.connect(&Connect::new("d1"), 0).expect("it fits");
    written(&mut client, 0);
    assert_eq!(received(&mut client, &packet(0x20, &[0, 0x87, 0])), [Seen::Refused(0x87)]);
    assert_eq!((client.state(), client.poll_transmit()), (State::Closed, None));
    client.handle_closed();
    assert_eq!(client.state(), State::Offline);
}

#[test]
fn a_password_is_not_printed() {
    let credentials = Credentials { username: "u", password: b"secret" };
    let text = format!("{credentials:?}");
    assert!(text.contains('u') && !text.contains("secret") && !text.contains("115"), "{text}");
}

#[test]
fn a_reason_says_what_the_standard_calls_it() {
    assert_eq!(Reason::NOT_AUTHORIZED.to_string(), "0x87 not authorized");
    assert_eq!(Reason::from_code(0x42).text(), "");
}
