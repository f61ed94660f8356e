use super::stage::{Did, NOW_MS, Stage, made, name, origin, reading, readings, text};
use crate::deployment::Trigger;
use crate::effect::Effect;
use crate::event::{Event, EventKind};
use crate::invocation::Outcome;
use crate::partition::{REQUESTS_MAX, Release};
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::EffectId;

fn ask() -> Effect {
    Effect::Http { tag: text("weather"), request: text("GET") }
}

fn response(offset: u64, index: u64) -> Event {
    let origin = origin("f", offset, index);
    made(EventKind::Response { name: "response/weather" }, NOW_MS, Some(origin), "", b"sunny")
}

/// A function that asks on readings, and hears of responses.
fn stage() -> Stage {
    let mut stage = Stage::new(&[]);
    stage.deploy("f", vec![readings(), Trigger::Message { filter: "response/+".into() }]);
    stage
}

#[test]
fn a_response_is_handled_once_and_ends_its_request() {
    for committed in [true, false] {
        let mut stage = stage();
        stage.give(&reading(), vec![ask(), ask()]);
        stage.commit();
        let id = |index| EffectId { offset: 2, function: name("f"), index };
        assert_eq!(stage.memory.requests.keys().copied().collect::<Vec<_>>(), [id(0), id(1)]);
        assert_eq!(stage.see(&response(2, 1)).functions().len(), 1);
        if committed {
            stage.commit();
        }
        assert_eq!(stage.see(&response(2, 1)), Did::Duplicate);
        stage.commit();
        assert_eq!(stage.memory.requests.keys().copied().collect::<Vec<_>>(), [id(0)]);
        assert_eq!(stage.see(&response(9, 0)), Did::Duplicate, "nobody asked");
    }
}

#[test]
fn requests_beyond_the_bound_are_refused_until_responses_come() {
    let mut stage = stage();
    for _ in 0..REQUESTS_MAX / 100 {
        stage.give(&reading(), vec![ask(); 100]);
    }
    assert_eq!(stage.give(&reading(), vec![ask()]).failures(), ["http-full"]);
    stage.commit();
    stage.restart();
    assert_eq!(stage.give(&reading(), vec![ask()]).failures(), ["http-full"]);
    stage.see(&response(2, 0));
    assert_eq!(stage.give(&reading(), vec![ask()]).failures(), [""; 0]);
    assert_eq!(stage.give(&reading(), vec![ask()]).failures(), ["http-full"]);
}

#[test]
fn functions_of_one_event_ask_within_the_bound_together() {
    let mut stage = Stage::new(&["a", "b"]);
    assert_eq!(stage.give(&reading(), vec![ask(); REQUESTS_MAX / 2 + 1]).failures(), ["http-full"]);
    stage.commit();
    assert_eq!(stage.memory.requests.len(), REQUESTS_MAX / 2 + 1);
}

/// What a caller of the function is answered.
fn answered(ends: Result<Vec<Effect>, Outcome>, path: &str) -> Vec<(u16, Bytes)> {
    let mut stage = Stage::new(&[]);
    stage.deploy("f", vec![Trigger::Http { filter: "rooms/+".into() }]);
    let request = made(EventKind::Request { path }, NOW_MS, Some(origin("f", u64::MAX, 0)), "", b"");
    stage.play(&request, &mut |_, _| ends.clone());
    stage.commit();
    let answer = |publish: &crate::Publish| match &publish.release {
        Release::Response { status, body, .. } => (*status, body.clone()),
        other => panic!("not an answer: {other:?}"),
    };
    stage.publishes.iter().map(answer).collect()
}

#[test]
fn a_caller_is_answered_once_whatever_the_handler_does() {
    let respond = Effect::Respond { content_type: text("text/plain"), body: text("warm"), status: 201 };
    let trap = Outcome::Failed { error_type: "trap", detail: "unreachable".into() };
    let refused = Outcome::Refused { detail: "no number".into() };
    assert_eq!(answered(Ok(vec![respond.clone()]), "rooms/7"), [(201, text("warm"))]);
    assert_eq!(answered(Ok(vec![]), "rooms/7"), [(204, Bytes::new())]);
    assert_eq!(answered(Err(trap), "rooms/7"), [(500, Bytes::new())]);
    assert_eq!(answered(Err(Outcome::Rejected { code: 1 }), "rooms/7"), [(500, Bytes::new())]);
    assert_eq!(answered(Err(refused), "rooms/7"), [(422, Bytes::new())]);
    assert_eq!(answered(Ok(vec![respond]), "halls"), [(404, Bytes::new())]);
}
