use super::*;
use crate::scenario::generator::Template;
use serde_json::json;

fn stream(next_ms: u64, every_ms: Option<u64>) -> Stream {
    let template = Template::parse(&json!({"$counter": {}}), "payload").expect("a payload");
    Stream {
        topic: "telemetry/t".into(),
        qos: Qos::AtLeastOnce,
        generator: Generator::new(Arc::new(template), Random::new(0, "d", 0), "d".into()),
        next_ms: Some(next_ms),
        every_ms,
        jitter_ms: 0,
        random: Random::new(0, "d", 1),
    }
}

/// What is done until a moment, by an ideal machine.
fn run(program: &mut Program, until_ms: u64) -> Vec<(u64, String)> {
    let mut done = Vec::new();
    while let Some(at_ms) = program.next_deadline().filter(|at_ms| *at_ms <= until_ms) {
        while let Some(act) = program.poll(at_ms, 0) {
            done.push((at_ms, word(&act)));
        }
    }
    done
}

fn word(act: &Act) -> String {
    match act {
        Act::Publish(message) => {
            format!("{} {}", message.topic, String::from_utf8_lossy(&message.payload))
        }
        other => format!("{other:?}"),
    }
}

fn said(done: &[(u64, &str)]) -> Vec<(u64, String)> {
    done.iter().map(|(at_ms, what)| (*at_ms, (*what).to_owned())).collect()
}

#[test]
fn messages_come_at_their_pace_and_what_comes_once_comes_once() {
    let mut program =
        Program::new(vec![stream(0, Some(10)), stream(15, None)], Vec::new(), Replies::default());
    let expected =
        said(&[(0, "telemetry/t 0"), (10, "telemetry/t 1"), (15, "telemetry/t 0"), (20, "telemetry/t 2")]);
    assert_eq!(run(&mut program, 25), expected);
    assert_eq!(program.next_deadline(), Some(30));
}

#[test]
fn a_device_that_is_away_publishes_nothing_and_comes_back() {
    let window = Window { from_ms: 10, for_ms: 15, every_ms: Some(40), is_abrupt: true };
    let mut program = Program::new(vec![stream(0, Some(10))], vec![window], Replies::default());
    let expected = said(&[
        (0, "telemetry/t 0"),
        (10, "Vanish"),
        (25, "Connect"),
        (30, "telemetry/t 3"),
        (40, "telemetry/t 4"),
        (50, "Vanish"),
        (65, "Connect"),
    ]);
    assert_eq!(run(&mut program, 65), expected);
}

#[test]
fn windows_that_overlap_are_one_absence_and_one_may_begin_at_once() {
    let window = |from_ms, for_ms| Window { from_ms, for_ms, every_ms: None, is_abrupt: false };
    let mut program =
        Program::new(Vec::new(), vec![window(0, 20), window(10, 20), window(50, 5)], Replies::default());
    assert!(!program.is_online());
    assert_eq!(run(&mut program, 100), said(&[(30, "Connect"), (50, "Disconnect"), (55, "Connect")]));
    assert!(program.is_online());
    assert_eq!(program.next_deadline(), None);
}

#[test]
fn commands_are_answered_after_their_delay_with_what_is_said_or_what_came() {
    let said_ok = Reply { after_ms: 5, payload: Some(b"ok".to_vec()) };
    let echo = Reply { after_ms: 1, payload: None };
    let replies = BTreeMap::from([("fan".to_owned(), said_ok), ("+".to_owned(), echo)]);
    let mut program = Program::new(Vec::new(), Vec::new(), Arc::new(replies));
    program.handle_command("fan", b"on", 100);
    program.handle_command("led", b"green", 101);
    let expected = said(&[(102, "commands/led/reply green"), (105, "commands/fan/reply ok")]);
    assert_eq!(run(&mut program, 200), expected);
    let mut silent = Program::new(Vec::new(), Vec::new(), Replies::default());
    silent.handle_command("fan", b"on", 0);
    assert_eq!(silent.next_deadline(), None);
}

#[test]
fn what_is_desired_is_reported_after_its_time_and_nothing_else_is() {
    let mut program = Program::new(Vec::new(), Vec::new(), Replies::default()).adopting(Some(7));
    program.handle_desired(br#"{"version":3,"desired":{"led":"on"}}"#, 100);
    program.handle_desired(b"nonsense", 101);
    program.handle_desired(br#"{"version":3}"#, 101);
    assert_eq!(run(&mut program, 200), said(&[(107, "twin/reported {\"led\":\"on\"}")]));
    let mut stubborn = Program::new(Vec::new(), Vec::new(), Replies::default());
    stubborn.handle_desired(br#"{"version":3,"desired":{"led":"on"}}"#, 100);
    assert_eq!(stubborn.next_deadline(), None);
}

#[test]
fn what_is_overdue_is_left_out_and_counted_and_the_payloads_go_on_as_if_it_were_not() {
    let mut program = Program::new(vec![stream(0, Some(10))], Vec::new(), Replies::default());
    let act = program.poll(100, 25).expect("the last two and this one are not too late");
    assert_eq!((word(&act), program.skipped()), ("telemetry/t 8".to_owned(), 8));
}

#[test]
fn a_script_begins_as_its_first_change_of_presence_wants_it() {
    let message = Message { topic: "telemetry/t".into(), payload: b"1".to_vec(), qos: Qos::AtLeastOnce };
    let script = vec![(0, Act::Connect), (5, Act::Publish(message)), (7, Act::Vanish), (9, Act::Vanish)];
    let mut program = Program::scripted(script, Replies::default());
    assert!(!program.is_online());
    assert_eq!(
        run(&mut program, 20),
        said(&[(0, "Connect"), (5, "telemetry/t 1"), (7, "Vanish")]),
        "one that is away cannot go"
    );
}
