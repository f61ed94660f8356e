//! Bytes of a server, taken in whole and one by one: the same must happen.

use fleetfn_device::mqtt::{Client, Connect, Event, Message, Publish, Qos, Subscription, UserProperties};

const CONNECT: Connect<'static> = Connect { clean_start: false, receive_maximum: 3, ..Connect::new("d1") };

/// The first byte says whether the server has accepted before, the others are the server's.
pub fn run(bytes: &[u8]) {
    let Some((accepted, bytes)) = bytes.split_first() else { return };
    let accepted = accepted & 1 == 1;
    let (whole, by_bytes) = (played(bytes, accepted, bytes.len().max(1)), played(bytes, accepted, 1));
    assert_eq!(whole, by_bytes, "how bytes are cut does not matter");
}

/// What happens, and what is written, in pieces of that length.
fn played(bytes: &[u8], accepted: bool, piece_bytes: usize) -> (Vec<String>, Vec<u8>) {
    let (mut receive, mut send) = ([0; 128], [0; 256]);
    let mut client = Client::new(&mut receive, &mut send);
    let (mut seen, mut out) = (Vec::new(), Vec::new());
    client.connect(&CONNECT, 0).expect("it fits");
    write(&mut client, &mut out);
    if accepted {
        client.handle_bytes(&[0x20, 3, 0, 0, 0], 0);
        look(&mut client, &mut seen);
        busy(&mut client);
        write(&mut client, &mut out);
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = client.handle_bytes(&rest[..piece_bytes.min(rest.len())], 0);
        rest = &rest[count..];
        look(&mut client, &mut seen);
        if count == 0 {
            let before = out.len();
            write(&mut client, &mut out);
            if out.len() == before {
                break;
            }
            look(&mut client, &mut seen);
        }
    }
    write(&mut client, &mut out);
    look(&mut client, &mut seen);
    write(&mut client, &mut out);
    (seen, out)
}

/// Something of each kind to be acknowledged.
fn busy(client: &mut Client<'_>) {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        client.publish(&Publish::new("t", b"").with_qos(qos)).expect("it fits");
    }
    let wanted = [Subscription::new("a/+", Qos::ExactlyOnce), Subscription::new("b/#", Qos::AtMostOnce)];
    client.subscribe(&wanted).expect("it fits");
    client.unsubscribe(&["c"]).expect("it fits");
}

fn write(client: &mut Client<'_>, out: &mut Vec<u8>) {
    while let Some(bytes) = client.poll_transmit() {
        assert!(!bytes.is_empty(), "there is something to write");
        out.extend_from_slice(bytes);
        let count = bytes.len();
        client.handle_transmitted(count, 0);
    }
}

fn look(client: &mut Client<'_>, seen: &mut Vec<String>) {
    loop {
        match client.poll_event() {
            Ok(None) => return,
            Ok(Some(event)) => {
                read(&event);
                seen.push(format!("{event:?}"));
            }
            Err(violation) => seen.push(violation.to_string()),
        }
    }
}

/// Asks an event for everything that it can be asked for.
pub(crate) fn read(event: &Event<'_>) {
    match event {
        Event::Connected(connack) | Event::Refused(connack) => {
            let texts = [connack.assigned_client_id(), connack.reason_string(), connack.server_reference()];
            are_texts(&texts, connack.user_properties());
        }
        Event::Disconnected(disconnect) => {
            are_texts(
                &[disconnect.reason_string(), disconnect.server_reference()],
                disconnect.user_properties(),
            );
        }
        Event::Message(message) => read_message(message),
        Event::Subscribed { grants, .. } | Event::Unsubscribed { grants, .. } => {
            assert_eq!(grants.all_granted(), grants.iter().all(|reason| reason.code() < 0x80));
        }
        Event::Acknowledged { .. } | Event::Lost { .. } => {}
    }
}

/// Asks a message for everything that it can be asked for.
pub(crate) fn read_message(message: &Message<'_>) {
    assert!(!message.topic.is_empty() && !message.topic.contains(['+', '#']));
    are_texts(
        &[
            Some(message.topic),
            message.content_type(),
            message.response_topic(),
            message.user_property("effect-id"),
        ],
        message.user_properties(),
    );
    let _ = (message.correlation_data(), message.expiry_s(), message.payload_is_text());
}

fn are_texts(texts: &[Option<&str>], user: UserProperties<'_>) {
    let user = user.flat_map(|(name, value)| [name, value]);
    for text in texts.iter().flatten().copied().chain(user) {
        assert!(!text.contains('\0'), "no text holds U+0000");
    }
}
