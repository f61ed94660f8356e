//! The agent in virtual time: when it dials, what it says first, what it makes of what it hears.

use fleetfn_device::agent::{Agent, Identity, Notice};
use fleetfn_device::mqtt::{Error, Misuse, Reason, Shortage, Silence};
use fleetfn_protocol::DeviceId;
use proptest::prelude::{prop_assert, proptest};

fn identity() -> Identity<'static> {
    Identity::new(DeviceId::parse("d1").expect("a name"), b"token")
}

fn written(agent: &mut Agent<'_>, now_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(bytes) = agent.client().poll_transmit() {
        let count = bytes.len();
        out.extend_from_slice(bytes);
        agent.client().handle_transmitted(count, now_ms);
    }
    out
}

fn heard(agent: &mut Agent<'_>, bytes: &[u8]) {
    assert_eq!(agent.client().handle_bytes(bytes, 0), bytes.len());
}

/// Brings an agent to where it listens.
fn listen(agent: &mut Agent<'_>, now_ms: u64) {
    assert!(agent.poll_dial(now_ms));
    agent.handle_opened(now_ms).expect("it may connect");
    assert!(!agent.poll_dial(now_ms));
    assert_eq!(written(agent, now_ms)[0], 0x10);
    heard(agent, b"\x20\x03\0\0\0");
    assert_eq!(agent.poll_notice(), Ok(Some(Notice::Connected)));
    assert_eq!(agent.poll_notice(), Ok(None));
    let subscribe = written(agent, now_ms);
    assert_eq!(subscribe[0], 0x82);
    heard(agent, &[0x90, 5, subscribe[2], subscribe[3], 0, 1, 1]);
    assert_eq!(agent.poll_notice(), Ok(Some(Notice::Listening)));
}

/// PUBLISH of QoS 0 with an effect id.
fn message(topic: &str, effect: &str) -> Vec<u8> {
    let short = |len: usize| u8::try_from(len).expect("short");
    let mut body = vec![0, short(topic.len())];
    body.extend(topic.bytes());
    body.extend([short(14 + effect.len()), 0x26, 0, 9]);
    body.extend(b"effect-id");
    body.extend([0, short(effect.len())]);
    body.extend(effect.bytes());
    body.extend(b"x");
    [&[0x30, short(body.len())], body.as_slice()].concat()
}

#[test]
fn each_failure_doubles_the_wait_and_listening_begins_anew() {
    let (mut receive, mut send) = ([0; 256], [0; 256]);
    let mut agent = Agent::new(identity(), &mut receive, &mut send);
    assert_eq!((agent.next_deadline(), agent.poll_dial(0)), (Some(0), true));
    agent.handle_closed(100, 0);
    assert_eq!((agent.next_deadline(), agent.poll_dial(599), agent.poll_dial(600)), (Some(600), false, true));
    agent.handle_closed(600, 0);
    assert_eq!(agent.next_deadline(), Some(1_600));
    agent.handle_closed(1_600, u32::MAX);
    assert_eq!(agent.next_deadline(), Some(5_599));
    listen(&mut agent, 6_000);
    agent.handle_closed(7_000, 0);
    assert_eq!(agent.next_deadline(), Some(7_500));
}

#[test]
fn a_connection_that_is_accepted_and_lost_at_once_does_not_begin_anew() {
    let (mut receive, mut send) = ([0; 256], [0; 256]);
    let mut agent = Agent::new(identity(), &mut receive, &mut send);
    agent.handle_closed(0, 0);
    agent.handle_opened(500).expect("it may connect");
    written(&mut agent, 500);
    heard(&mut agent, b"\x20\x03\0\0\0");
    assert_eq!(agent.poll_notice(), Ok(Some(Notice::Connected)));
    agent.handle_closed(500, 0);
    assert_eq!(agent.next_deadline(), Some(1_500));
}

#[test]
fn it_says_who_it_is_and_asks_for_what_is_its_own() {
    let (mut receive, mut send) = ([0; 256], [0; 256]);
    let mut agent = Agent::new(identity(), &mut receive, &mut send);
    agent.handle_opened(0).expect("it may connect");
    let connect = written(&mut agent, 0);
    assert!(connect.ends_with(b"\0\x02d1\0\x02d1\0\x05token"), "client id, user name, token: {connect:x?}");
    heard(&mut agent, b"\x20\x03\0\0\0");
    assert_eq!(agent.poll_notice(), Ok(Some(Notice::Connected)));
    assert_eq!(agent.poll_notice(), Ok(None));
    let expected = b"\x82\x35\0\x01\0\0\x15devices/d1/commands/+\x01\0\x17devices/d1/twin/desired\x01";
    assert_eq!(written(&mut agent, 0), expected.as_slice());
    heard(&mut agent, &[0x90, 5, 0, 1, 0, 1, 0x87]);
    assert_eq!(agent.poll_notice(), Ok(Some(Notice::Refused(Reason::NOT_AUTHORIZED))));
}

#[test]
fn subscribing_waits_for_room() {
    let (mut receive, mut send) = ([0; 256], [0; 64]);
    let mut agent = Agent::new(identity(), &mut receive, &mut send);
    agent.send("t", b"1").expect("it is kept");
    agent.handle_opened(0).expect("it may connect");
    written(&mut agent, 0);
    heard(&mut agent, b"\x20\x03\0\0\0");
    assert_eq!(agent.poll_notice(), Ok(Some(Notice::Connected)));
    assert_eq!(agent.poll_notice(), Ok(None));
    assert_eq!(written(&mut agent, 0)[0], 0x32);
    heard(&mut agent, b"\x40\x02\0\x01");
    assert!(matches!(agent.poll_notice(), Ok(Some(Notice::Delivered { .. }))));
    assert_eq!(agent.poll_notice(), Ok(None));
    assert_eq!(written(&mut agent, 0)[0], 0x82);
}

#[test]
fn an_effect_is_told_once_and_what_is_not_its_own_is_told_as_such() {
    let (mut receive, mut send) = ([0; 256], [0; 256]);
    let mut agent = Agent::new(identity(), &mut receive, &mut send);
    listen(&mut agent, 0);
    let stories = [
        ("devices/d1/commands/blink", "1.0.f", "command"),
        ("devices/d1/commands/blink", "1.0.f", "repeated"),
        ("devices/d1/commands/blink", "1.1.f", "command"),
        ("devices/d1/twin/desired", "1.1.f", "repeated"),
        ("devices/d1/twin/desired", "2.0.f", "desired"),
        ("devices/d1/commands/a/b", "3.0.f", "other"),
        ("devices/d2/commands/blink", "4.0.f", "other"),
        ("devices/d1", "5.0.f", "other"),
        ("elsewhere", "6.0.f", "other"),
        ("devices/d1/commands/blink", "", "command"),
        ("devices/d1/commands/blink", "", "command"),
    ];
    for (topic, effect, story) in stories {
        heard(&mut agent, &message(topic, effect));
        let told = match agent.poll_notice() {
            Ok(Some(Notice::Command(command))) => {
                assert_eq!((command.name, command.payload, command.effect), ("blink", &b"x"[..], effect));
                "command"
            }
            Ok(Some(Notice::Repeated { effect: again })) => {
                assert_eq!(again, effect);
                "repeated"
            }
            Ok(Some(Notice::Desired(b"x"))) => "desired",
            Ok(Some(Notice::Other(message))) if message.topic == topic => "other",
            other => unreachable!("{topic} {effect}: {other:?}"),
        };
        assert_eq!(told, story, "{topic} {effect}");
    }
}

#[test]
fn what_cannot_be_sent_is_refused_to_the_caller() {
    let (mut receive, mut send) = ([0; 256], [0; 64]);
    let mut agent = Agent::new(identity(), &mut receive, &mut send);
    let long = "x".repeat(129);
    for bad in ["", "a/+", "#", "a\u{7f}", "\n", "\u{85}", &long] {
        assert_eq!(agent.send(bad, b""), Err(Misuse::TopicName.into()), "{bad}");
        assert_eq!(agent.reply(bad, b""), Err(Misuse::TopicName.into()), "{bad}");
    }
    agent.send("t", &[0; 20]).expect("it is kept");
    assert_eq!(agent.report(b"{}"), Err(Error::Resource(Shortage::SendBuffer)));
}

#[test]
fn a_buffer_that_is_too_small_to_connect_is_the_callers() {
    let mut receive = [0; 32];
    let mut agent = Agent::new(identity(), &mut receive, &mut []);
    assert_eq!(agent.handle_opened(0), Err(Misuse::LongerThanBuffer));
}

#[test]
fn a_silent_server_is_given_up() {
    let (mut receive, mut send) = ([0; 256], [0; 64]);
    let mut agent = Agent::new(identity(), &mut receive, &mut send);
    agent.handle_opened(0).expect("it may connect");
    assert_eq!(agent.next_deadline(), Some(10_000));
    assert_eq!(agent.handle_timeout(10_000), Err(Silence::Connack));
    assert!(agent.is_closed());
    agent.handle_closed(10_000, 0);
    assert_eq!((agent.is_closed(), agent.next_deadline()), (false, Some(10_500)));
}

#[test]
fn a_token_is_not_printed() {
    let text = format!("{:?}", identity());
    assert!(text.contains("d1") && !text.contains("token") && !text.contains("116"), "{text}");
}

proptest! {
    #[test]
    fn nothing_that_a_server_sends_makes_the_agent_panic(
        bytes: Vec<u8>,
        topic in "(devices/d1/)?(commands/|twin/desired|[a-z/]{0,9}){0,3}",
        effect in "[0-9a-z.]{0,20}",
        framed: bool,
    ) {
        let (mut receive, mut send) = ([0; 256], [0; 256]);
        let mut agent = Agent::new(identity(), &mut receive, &mut send);
        listen(&mut agent, 0);
        let input = if framed { message(&topic, &effect) } else { bytes };
        let mut rest = input.as_slice();
        // Bounded by the bytes: each round takes some, or the connection ends.
        while !rest.is_empty() {
            let count = agent.client().handle_bytes(rest, 0);
            rest = &rest[count..];
            while let Ok(Some(_)) = agent.poll_notice() {}
            if count == 0 && written(&mut agent, 0).is_empty() {
                break;
            }
        }
        written(&mut agent, 0);
        agent.handle_closed(0, 0);
        prop_assert!(agent.poll_dial(1_000));
    }
}
