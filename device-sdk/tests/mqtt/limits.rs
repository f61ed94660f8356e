//! What the server takes, what the buffers take, and what a caller must not ask for.

use crate::wire::{Seen, ack, connack, events, online, received, reconnect, written};
use fleetfn_device::mqtt::{
    Client, Connect, Credentials, Error, Misuse, Publish, Qos, Reason, Shortage, Subscription, Will,
};

const ONCE: Publish<'static> = Publish::new("t", b"x");
const AT_LEAST_ONCE: Publish<'static> = ONCE.with_qos(Qos::AtLeastOnce);

#[test]
fn no_more_messages_go_than_the_server_takes_at_once() {
    let (mut receive, mut send) = ([0; 64], [0; 512]);
    let mut client = online(&mut receive, &mut send, &[0x21, 0, 2]);
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::AtLeastOnce, Qos::AtLeastOnce] {
        client.publish(&Publish::new("t", b"").with_qos(qos)).expect("it fits");
    }
    client.publish(&ONCE).expect("it fits");
    client.subscribe(&[Subscription::new("a", Qos::AtMostOnce)]).expect("it fits");
    let starts: Vec<u8> = vec![0x32, 0x34, 0x30, 0x82];
    let out = written(&mut client, 0);
    assert_eq!(out.len(), 2 * 8 + 7 + 9, "two, and what does not count: {starts:x?} {out:x?}");
    assert_eq!((out[0], out[8], out[16], out[23]), (0x32, 0x34, 0x30, 0x82));
    assert_eq!(received(&mut client, &ack(0x50, 2)), []);
    assert_eq!(written(&mut client, 0), [0x62, 2, 0, 2], "PUBREC frees nothing");
    assert_eq!(received(&mut client, &ack(0x70, 2)), [Seen::Acknowledged(2, 0)]);
    assert_eq!(written(&mut client, 0), b"\x32\x06\0\x01t\0\x03\0");
    assert_eq!(received(&mut client, &ack(0x40, 1)), [Seen::Acknowledged(1, 0)]);
    assert_eq!(written(&mut client, 0), b"\x32\x06\0\x01t\0\x04\0");
}

#[test]
fn a_refused_message_frees_its_place() {
    let (mut receive, mut send) = ([0; 64], [0; 512]);
    let mut client = online(&mut receive, &mut send, &[0x21, 0, 1]);
    client.publish(&Publish::new("t", b"").with_qos(Qos::ExactlyOnce)).expect("it fits");
    client.publish(&AT_LEAST_ONCE).expect("it fits");
    written(&mut client, 0);
    assert_eq!(received(&mut client, &[0x50, 3, 0, 1, 0x97]), [Seen::Acknowledged(1, 0x97)]);
    assert_eq!(written(&mut client, 0)[0], 0x32);
    assert_eq!(received(&mut client, &[0x40, 3, 0, 2, 0x10]), [Seen::Acknowledged(2, 0x10)]);
}

#[test]
fn what_the_server_does_not_offer_is_refused_to_the_caller() {
    let (mut receive, mut send) = ([0; 64], [0; 512]);
    let properties = [0x24, 1, 0x25, 0, 0x28, 0, 0x2a, 0, 0x27, 0, 0, 0, 12];
    let mut client = online(&mut receive, &mut send, &properties);
    let publish = |publish: Publish<'_>, client: &mut Client<'_>| client.publish(&publish).err();
    let exactly = Publish::new("t", b"").with_qos(Qos::ExactlyOnce);
    assert_eq!(publish(exactly, &mut client), Some(Misuse::Qos.into()));
    let retained = Publish { retain: true, ..ONCE };
    assert_eq!(publish(retained, &mut client), Some(Misuse::Retain.into()));
    let thirteen = Publish::new("t", b"1234567");
    assert_eq!(publish(thirteen, &mut client), Some(Misuse::LongerThanServerTakes.into()));
    assert_eq!(publish(Publish::new("t", b"123456"), &mut client), None, "twelve bytes pass");
    let subscribe = |filter, client: &mut Client<'_>| {
        client.subscribe(&[Subscription::new(filter, Qos::AtMostOnce)]).err()
    };
    assert_eq!(subscribe("a/#", &mut client), Some(Misuse::Subscription.into()));
    assert_eq!(subscribe("$share/g/a", &mut client), Some(Misuse::Subscription.into()));
    assert_eq!(subscribe("a", &mut client), None);
}

#[test]
fn what_is_no_topic_filter_or_text_is_refused_to_the_caller() {
    let (mut receive, mut send) = ([0; 64], [0; 512]);
    let mut client = online(&mut receive, &mut send, &[]);
    for topic in ["", "a/+", "#"] {
        assert_eq!(client.publish(&Publish::new(topic, b"")), Err(Misuse::TopicName.into()), "{topic}");
    }
    let wild = Publish { response_topic: Some("a/#"), ..ONCE };
    assert_eq!(client.publish(&wild), Err(Misuse::TopicName.into()));
    let long = "x".repeat(65_536);
    for bad in ["a\0b", &long] {
        assert_eq!(client.publish(&Publish::new(bad, b"")), Err(Misuse::Field.into()));
        let publish = Publish { content_type: Some(bad), ..ONCE };
        assert_eq!(client.publish(&publish), Err(Misuse::Field.into()));
        let user = [("name", bad)];
        let publish = Publish { user_properties: &user, ..ONCE };
        assert_eq!(client.publish(&publish), Err(Misuse::Field.into()));
        let bad = [Subscription::new(bad, Qos::AtMostOnce)];
        assert_eq!(client.subscribe(&bad), Err(Misuse::Field.into()));
    }
    for filter in ["", "a#", "a/#/b", "+a", "$share/g", "$share//a"] {
        let subscription = [Subscription::new(filter, Qos::AtMostOnce)];
        assert_eq!(client.subscribe(&subscription), Err(Misuse::TopicFilter.into()), "{filter}");
        assert_eq!(client.unsubscribe(&[filter]), Err(Misuse::TopicFilter.into()), "{filter}");
    }
    assert_eq!(client.subscribe(&[]), Err(Misuse::TopicFilter.into()));
    assert_eq!(client.unsubscribe(&[]), Err(Misuse::TopicFilter.into()));
    let deaf = Subscription { no_local: true, ..Subscription::new("$share/g/a", Qos::AtMostOnce) };
    assert_eq!(client.subscribe(&[deaf]), Err(Misuse::Subscription.into()));
    assert_eq!(client.poll_transmit(), None, "nothing of it is sent");
}

#[test]
fn a_connect_that_cannot_be_sent_is_refused_to_the_caller() {
    let mut receive = [0; 40];
    let mut client = Client::new(&mut receive, &mut []);
    let long = "x".repeat(65_536);
    let cases = [
        (Connect { receive_maximum: 0, ..Connect::new("d1") }, Misuse::ReceiveMaximum),
        (Connect { receive_maximum: 33, ..Connect::new("d1") }, Misuse::ReceiveMaximum),
        (Connect::new("d\0"), Misuse::Field),
        (Connect::new("a client id that is longer than the buffer is"), Misuse::LongerThanBuffer),
        (
            Connect {
                credentials: Some(Credentials { username: "u", password: long.as_bytes() }),
                ..Connect::new("d1")
            },
            Misuse::Field,
        ),
        (
            Connect {
                will: Some(Will { message: Publish::new("#", b""), delay_s: 0 }),
                ..Connect::new("d1")
            },
            Misuse::TopicName,
        ),
        (
            Connect {
                will: Some(Will { message: Publish::new("t", long.as_bytes()), delay_s: 0 }),
                ..Connect::new("d1")
            },
            Misuse::Field,
        ),
    ];
    for (connect, misuse) in cases {
        assert_eq!(client.connect(&connect, 0), Err(misuse));
        assert_eq!(client.poll_transmit(), None);
    }
    client.connect(&Connect::new("d1"), 0).expect("after all of that");
    assert_eq!(client.connect(&Connect::new("d1"), 0), Err(Misuse::Connected));
}

#[test]
fn a_full_buffer_passes_and_one_that_is_too_small_does_not() {
    let (mut receive, mut send) = ([0; 64], [0; 40]);
    let mut client = online(&mut receive, &mut send, &[]);
    let too_long = Publish::new("t", &[0; 30]);
    assert_eq!(client.publish(&too_long), Err(Misuse::LongerThanBuffer.into()));
    client.publish(&AT_LEAST_ONCE).expect("it fits");
    client.publish(&AT_LEAST_ONCE).expect("it fits");
    assert_eq!(client.publish(&AT_LEAST_ONCE), Err(Error::Resource(Shortage::SendBuffer)));
    written(&mut client, 0);
    assert_eq!(
        client.publish(&AT_LEAST_ONCE),
        Err(Shortage::SendBuffer.into()),
        "it waits for its acknowledgement"
    );
    assert_eq!(received(&mut client, &ack(0x40, 1)), [Seen::Acknowledged(1, 0)]);
    client.publish(&AT_LEAST_ONCE).expect("there is room again");
}

#[test]
fn answers_go_out_though_the_buffer_is_full() {
    let (mut receive, mut send) = ([0; 64], [0; 17]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.publish(&AT_LEAST_ONCE).expect("it fits");
    written(&mut client, 0);
    received(&mut client, &crate::wire::publish(1, 7, b""));
    assert_eq!(written(&mut client, 0), ack(0x40, 7));
}

#[test]
fn without_a_connection_only_what_is_kept_can_be_handed_in() {
    let (mut receive, mut send) = ([0; 64], [0; 256]);
    let mut client = Client::new(&mut receive, &mut send);
    assert_eq!(client.publish(&ONCE), Err(Shortage::Offline.into()));
    let wanted = [Subscription::new("a", Qos::AtMostOnce)];
    assert_eq!(client.subscribe(&wanted), Err(Shortage::Offline.into()));
    assert_eq!(client.unsubscribe(&["a"]), Err(Shortage::Offline.into()));
    client.publish(&AT_LEAST_ONCE).expect("it is kept");
    client.disconnect(Reason::SUCCESS, 0);
    assert_eq!(client.poll_transmit(), None);
    client.connect(&Connect::new("d1"), 0).expect("it fits");
    assert_eq!(written(&mut client, 0)[0], 0x10);
    assert_eq!(received(&mut client, &connack(false, &[])), [Seen::Connected { session_present: false }]);
    assert_eq!(written(&mut client, 0), b"\x32\x07\0\x01t\0\x01\0x", "as new");
}

#[test]
fn what_a_new_connection_does_not_take_is_lost_and_said_so() {
    let (mut receive, mut send) = ([0; 64], [0; 512]);
    let mut client = online(&mut receive, &mut send, &[]);
    client.publish(&Publish::new("t", b"").with_qos(Qos::ExactlyOnce)).expect("it fits");
    client.publish(&Publish { retain: true, ..AT_LEAST_ONCE }).expect("it fits");
    client.publish(&Publish::new("t", &[0; 50]).with_qos(Qos::AtLeastOnce)).expect("it fits");
    client.publish(&AT_LEAST_ONCE).expect("it fits");
    written(&mut client, 0);
    reconnect(&mut client, true, &[0x24, 1, 0x25, 0, 0x27, 0, 0, 0, 50]);
    assert_eq!(events(&mut client), [Seen::Lost(1), Seen::Lost(2), Seen::Lost(3)]);
    assert_eq!(written(&mut client, 0), b"\x3a\x07\0\x01t\0\x04\0x");
}

#[test]
fn a_goodbye_goes_behind_what_can_go_before() {
    let (mut receive, mut send) = ([0; 64], [0; 256]);
    let mut client = online(&mut receive, &mut send, &[0x21, 0, 1]);
    client.publish(&ONCE).expect("it fits");
    client.publish(&AT_LEAST_ONCE).expect("it fits");
    client.publish(&AT_LEAST_ONCE).expect("it fits");
    client.disconnect(Reason::SUCCESS, 0);
    assert_eq!(client.publish(&ONCE), Err(Shortage::Offline.into()));
    let out = written(&mut client, 0);
    assert_eq!(out, b"\x30\x05\0\x01t\0x\x32\x07\0\x01t\0\x01\0x\xe0\x02\0\0");
}
