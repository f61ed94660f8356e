use super::stage::{Did, NOW_MS, Stage, made, name, origin, reading, reading_at, readings, text, version};
use crate::backlog::BACKLOG_MAX;
use crate::commit::{Setting, Spent};
use crate::deployment::{Backfill, Deployment, Trigger};
use crate::effect::Effect;
use crate::event::{Event, EventKind};
use crate::invocation::StateReader;
use crate::partition::{BACKFILL, WAITED};
use crate::position::Offset;
use crate::settings::{BUDGET_KEY, SHARE_FUEL_PER_S};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::FunctionName;

/// The trail of the readings that a function has handled: each appends its payload.
fn trail(stage: &mut Stage, event: &Event) -> Did {
    let payload = match event.redriven().expect("an event") {
        Some(first) => first.payload(),
        None => event.payload(),
    };
    stage.play(event, &mut |_, state| {
        let before = state.get(b"trail").expect("it can be read").unwrap_or_default();
        let value = Bytes::from([&before[..], &payload[..]].concat());
        Ok(vec![Effect::StatePut { key: text("trail"), value, ttl_s: 0 }])
    })
}

fn trail_of(stage: &mut Stage, function: &str) -> String {
    stage.commit();
    let key = (text("dd"), name(function), text("trail"));
    let value = stage.memory.state.get(&key).map(|value| value.bytes.clone()).unwrap_or_default();
    String::from_utf8(value.to_vec()).expect("it is text")
}

/// A reading with a payload.
fn letter(payload: &str) -> Event {
    letter_at(payload, NOW_MS)
}

fn letter_at(payload: &str, at_ms: u64) -> Event {
    made(EventKind::Telemetry { channel: "t" }, at_ms, None, "", payload.as_bytes())
}

fn pause(stage: &mut Stage, function: &str, paused: bool) {
    let paused = paused.then(|| "for now".to_string());
    let live = Some(version(function, 1, vec![readings()]));
    stage.deploy_line(function, &Deployment { live, paused, ..Deployment::default() });
}

/// What is put into the log for functions that may go on.
fn drain(stage: &mut Stage, now_ms: u64) -> Vec<Event> {
    let mut events = vec![];
    loop {
        let Stage { partition, routes, settings, .. } = stage;
        let Some(drain) = partition.poll_drain(Offset(stage.next), now_ms, routes, settings) else {
            return events;
        };
        stage.commit();
        let wanted = |(function, row): &&(FunctionName, Offset)| {
            *function == drain.function && drain.after.is_none_or(|after| *row > after)
        };
        let rows: Vec<_> = stage.memory.backlog.keys().filter(wanted).take(drain.limit).copied().collect();
        for key in &rows {
            let record = stage.memory.backlog.get(key).cloned().expect("it is there");
            let origin = origin(key.0.as_str(), key.1.0, WAITED);
            events.push(made(EventKind::Redrive, now_ms, Some(origin), "", &record));
        }
        let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
        stage.partition.handle_drained(drain.function, &rows);
        if rows.is_empty() {
            return events;
        }
    }
}

#[test]
fn the_events_of_a_paused_function_wait_in_order_and_nothing_else_waits() {
    for committed in [true, false] {
        let mut stage = Stage::new(&["f", "g"]);
        pause(&mut stage, "f", true);
        for payload in ["a", "b", "c"] {
            assert_eq!(trail(&mut stage, &letter(payload)).functions().len(), 1, "g alone");
        }
        assert_eq!(drain(&mut stage, NOW_MS), [], "it is paused");
        if committed {
            stage.commit();
            stage.restart();
        }
        pause(&mut stage, "f", false);
        trail(&mut stage, &letter("d"));
        let waited = drain(&mut stage, NOW_MS);
        trail(&mut stage, &letter("e"));
        for event in &waited {
            trail(&mut stage, event);
        }
        for event in drain(&mut stage, NOW_MS) {
            trail(&mut stage, &event);
        }
        assert_eq!(stage.partition.behind(), []);
        trail(&mut stage, &letter("f"));
        assert_eq!([trail_of(&mut stage, "f"), trail_of(&mut stage, "g")], ["abcdef", "abcdef"]);
        assert!(stage.memory.backlog.is_empty());
    }
}

#[test]
fn only_the_event_of_the_oldest_row_counts() {
    let mut stage = Stage::new(&["f"]);
    pause(&mut stage, "f", true);
    trail(&mut stage, &letter("a"));
    trail(&mut stage, &letter("b"));
    pause(&mut stage, "f", false);
    let waited = drain(&mut stage, NOW_MS);
    assert_eq!(trail(&mut stage, &waited[1]), Did::Duplicate);
    trail(&mut stage, &waited[0]);
    assert_eq!(trail(&mut stage, &waited[0]), Did::Duplicate);
    for event in drain(&mut stage, NOW_MS) {
        trail(&mut stage, &event);
    }
    assert_eq!(trail_of(&mut stage, "f"), "ab");
}

#[test]
fn an_event_that_a_restart_puts_into_the_log_twice_is_handled_once() {
    for committed in [true, false] {
        let mut stage = Stage::new(&["f"]);
        pause(&mut stage, "f", true);
        trail(&mut stage, &letter("a"));
        pause(&mut stage, "f", false);
        let first = drain(&mut stage, NOW_MS);
        stage.restart();
        let second = drain(&mut stage, NOW_MS);
        assert_eq!((first.len(), second.len()), (1, 1));
        trail(&mut stage, &first[0]);
        if committed {
            stage.commit();
        }
        assert_eq!(trail(&mut stage, &second[0]), Did::Duplicate);
        assert_eq!(trail_of(&mut stage, "f"), "a");
    }
}

#[test]
fn events_that_come_while_a_function_is_paused_again_wait_on() {
    let mut stage = Stage::new(&["f"]);
    pause(&mut stage, "f", true);
    trail(&mut stage, &letter("a"));
    pause(&mut stage, "f", false);
    let waited = drain(&mut stage, NOW_MS);
    pause(&mut stage, "f", true);
    assert_eq!(trail(&mut stage, &waited[0]), Did::Duplicate);
    pause(&mut stage, "f", false);
    for event in drain(&mut stage, NOW_MS) {
        trail(&mut stage, &event);
    }
    assert_eq!(trail_of(&mut stage, "f"), "a");
}

#[test]
fn a_repeated_message_that_waits_waits_once() {
    let mut stage = Stage::new(&["f"]);
    pause(&mut stage, "f", true);
    let sent = made(EventKind::Telemetry { channel: "t" }, NOW_MS, None, "m-1", b"a");
    trail(&mut stage, &sent);
    assert_eq!(trail(&mut stage, &sent), Did::Duplicate);
    stage.commit();
    stage.restart();
    assert_eq!(trail(&mut stage, &sent), Did::Duplicate);
    assert_eq!(stage.memory.backlog.len(), 1);
}

#[test]
fn an_event_that_waits_is_committed_at_once() {
    let mut stage = Stage::new(&["f"]);
    pause(&mut stage, "f", true);
    trail(&mut stage, &letter("a"));
    assert!(stage.partition.poll_turn(NOW_MS).is_some());
}

#[test]
fn an_event_that_waited_and_fails_is_a_dead_letter_of_its_first_offset() {
    let mut stage = Stage::new(&["f"]);
    pause(&mut stage, "f", true);
    trail(&mut stage, &letter("a"));
    let waits_at = stage.next - 1;
    pause(&mut stage, "f", false);
    let waited = drain(&mut stage, NOW_MS);
    assert_eq!(stage.fail(&waited[0]).failures(), ["trap"]);
    stage.commit();
    assert_eq!(stage.memory.letters.keys().collect::<Vec<_>>(), [&(Offset(waits_at), name("f"))]);
    assert!(stage.memory.backlog.is_empty());
}

#[test]
fn what_waits_for_a_function_that_is_gone_goes_as_well() {
    let mut stage = Stage::new(&["f"]);
    pause(&mut stage, "f", true);
    trail(&mut stage, &letter("a"));
    stage.routes.handle_deployment(Offset(stage.next), name("f"), None);
    stage.next += 1;
    for event in drain(&mut stage, NOW_MS) {
        assert_eq!(trail(&mut stage, &event).functions(), []);
    }
    stage.commit();
    assert!(stage.memory.backlog.is_empty());
}

#[test]
fn a_backlog_is_bounded_and_what_comes_on_top_is_a_dead_letter() {
    let mut stage = Stage::new(&["f"]);
    pause(&mut stage, "f", true);
    for _ in 0..BACKLOG_MAX + 2 {
        trail(&mut stage, &letter("a"));
        if stage.partition.is_full() {
            stage.commit();
        }
    }
    stage.commit();
    assert_eq!((stage.memory.backlog.len(), stage.memory.letters.len()), (BACKLOG_MAX, 2));
    assert!(stage.memory.letters.values().all(|letter| letter.error_type == "backlog-full"));
}

#[test]
fn the_bytes_of_what_waits_end_a_turn() {
    let mut stage = Stage::new(&["f"]);
    pause(&mut stage, "f", true);
    let large = "x".repeat(crate::partition::TURN_BYTES_MAX);
    trail(&mut stage, &letter(&large));
    assert!(stage.partition.is_full());
}

/// One function that burns 10 fuel an event, with so much of it for a second.
fn with_budget(fuel: u64) -> Stage {
    let mut stage = Stage::new(&["team.f", "other"]);
    stage.settings.handle_setting(Offset(stage.next), name("team"), BUDGET_KEY, Some(&Setting::Budget(fuel)));
    stage.next += 1;
    stage
}

#[test]
fn events_beyond_a_budget_wait_until_burnt_fuel_has_leaked_away() {
    for committed in [true, false] {
        let mut stage = with_budget(20);
        for (payload, count) in [("a", 2), ("b", 2), ("c", 1)] {
            assert_eq!(trail(&mut stage, &letter(payload)).functions().len(), count);
            if committed {
                stage.commit();
                stage.restart();
            }
        }
        assert_eq!(drain(&mut stage, NOW_MS), []);
        for event in drain(&mut stage, NOW_MS + 1_000) {
            trail(&mut stage, &event);
        }
        trail(&mut stage, &letter_at("d", NOW_MS + 1_000));
        assert_eq!([trail_of(&mut stage, "team.f"), trail_of(&mut stage, "other")], ["abcd", "abcd"]);
        let spent = Spent { at_ms: NOW_MS + 1_000, fuel: 20 };
        assert_eq!(stage.memory.spent.get(&name("team")), Some(&spent));
    }
}

#[test]
fn a_second_without_events_leaves_a_new_budget() {
    let mut stage = with_budget(10);
    for seconds in 0..4 {
        let did = stage.see(&reading_at(NOW_MS + seconds * 1_000));
        assert_eq!(did.functions().len(), 2);
    }
    assert_eq!(stage.partition.behind(), []);
}

/// A redrive of an event from before a deployment.
fn old(payload: &str, offset: u64) -> Event {
    let origin = origin("f", offset, BACKFILL);
    made(EventKind::Redrive, NOW_MS, Some(origin), "", letter(payload).bytes())
}

fn backfill(stage: &mut Stage, until: Option<u64>) {
    let backfill = until.map(|until| Backfill { from: Offset(0), until: Offset(until) });
    let live = Some(version("f", 1, vec![readings()]));
    stage.deploy_line("f", &Deployment { live, backfill, ..Deployment::default() });
}

#[test]
fn a_backfill_runs_each_old_event_once_and_before_the_new_ones() {
    for (committed, restarted) in [(false, false), (true, false), (true, true)] {
        let mut stage = Stage::new(&[]);
        stage.next = 10;
        backfill(&mut stage, Some(10));
        for event in
            [old("a", 0), letter("x"), old("a", 0), old("b", 5), old("a", 0), old("b", 5), letter("y")]
        {
            trail(&mut stage, &event);
            if committed {
                stage.commit();
            }
            if restarted {
                stage.restart();
            }
        }
        assert_eq!(trail_of(&mut stage, "f"), "ab");
        backfill(&mut stage, None);
        assert_eq!(trail(&mut stage, &old("c", 7)), Did::Duplicate, "it is over");
        for event in drain(&mut stage, NOW_MS) {
            trail(&mut stage, &event);
        }
        assert_eq!(trail_of(&mut stage, "f"), "abxy");
    }
}

#[test]
fn an_event_of_a_backfill_that_was_handled_commits_the_cursor_that_the_backfill_waits_for() {
    let mut stage = Stage::new(&[]);
    stage.next = 10;
    backfill(&mut stage, Some(10));
    trail(&mut stage, &old("a", 0));
    stage.commit();
    stage.restart();
    let at = Offset(stage.next);
    assert_eq!(trail(&mut stage, &old("a", 0)), Did::Duplicate);
    let turn = stage.partition.poll_turn(NOW_MS).expect("is due at once");
    assert_eq!((turn.commit.cursor, turn.commit.changes), (Some(at.next()), vec![]));
}

#[test]
fn a_backfill_leaves_out_a_report_that_was_none() {
    let mut stage = Stage::new(&[]);
    let live = Some(version("f", 1, vec![Trigger::Twin]));
    let backfill = Some(Backfill { from: Offset(0), until: Offset(10) });
    stage.next = 10;
    stage.deploy_line("f", &Deployment { live, backfill, ..Deployment::default() });
    let again = |payload: &str, offset| {
        let report = made(EventKind::TwinReported, NOW_MS, None, "", payload.as_bytes());
        made(EventKind::Redrive, NOW_MS, Some(origin("f", offset, BACKFILL)), "", report.bytes())
    };
    let (fine, broken) = (again(r#"{"rate":1}"#, 1), again("[1]", 2));
    assert_eq!(stage.see(&fine).functions().len(), 1);
    assert_eq!(stage.see(&broken).functions().len(), 0);
}

#[test]
fn a_second_backfill_of_a_name_begins_anew() {
    let mut stage = Stage::new(&[]);
    stage.next = 10;
    backfill(&mut stage, Some(10));
    trail(&mut stage, &old("a", 5));
    backfill(&mut stage, None);
    stage.next = 20;
    backfill(&mut stage, Some(20));
    trail(&mut stage, &old("a", 5));
    assert_eq!(trail_of(&mut stage, "f"), "aa");
}

#[test]
fn an_interrupted_event_of_a_backfill_is_tried_again() {
    let mut stage = Stage::new(&[]);
    stage.next = 10;
    backfill(&mut stage, Some(10));
    let late = || crate::Outcome::Interrupted { detail: "late".into() };
    let offset = Offset(stage.next);
    let did = stage.play(&old("a", 0), &mut |_, _| Err(late()));
    assert!(matches!(did, Did::Ran(crate::Settled::Interrupted, _)));
    assert!(stage.partition.poll_resume(u64::MAX).is_some());
    let did = stage.play_at(offset, &old("a", 0), &mut |_, _| Ok(vec![]));
    assert_eq!(did.functions().len(), 1);
}

#[test]
fn the_fuel_of_what_waited_counts_as_well() {
    let mut stage = with_budget(10);
    for number in 0..3 {
        trail(&mut stage, &letter(&format!("{number}")));
    }
    for seconds in 1..3 {
        let now_ms = NOW_MS + seconds * 1_000;
        let waited = drain(&mut stage, now_ms);
        for event in &waited {
            trail(&mut stage, event);
        }
        assert_eq!(drain(&mut stage, now_ms), [], "the second is used up");
    }
    assert_eq!(trail_of(&mut stage, "team.f"), "012");
    assert_eq!(stage.see(&reading()).functions().len(), 1, "the clock was set back, fuel was not made");
}

#[test]
fn an_owner_that_is_alone_burns_what_it_likes_and_one_of_several_waits_for_its_turn() {
    for (functions, waiting) in [(["team.f", "team.g"], 0), (["team.f", "other.g"], 2)] {
        let mut stage = Stage::new(&functions);
        stage.fuel = SHARE_FUEL_PER_S;
        assert_eq!(trail(&mut stage, &letter("a")).functions().len(), 2);
        trail(&mut stage, &letter("b"));
        stage.commit();
        stage.restart();
        assert_eq!(stage.partition.behind().len(), waiting, "of {functions:?}");
        // The share is used up for long: who waits goes on all the same.
        let waited = drain(&mut stage, NOW_MS);
        assert_eq!(waited.len(), waiting);
        for event in &waited {
            trail(&mut stage, event);
        }
        assert_eq!([trail_of(&mut stage, functions[0]), trail_of(&mut stage, functions[1])], ["ab", "ab"]);
    }
}

#[test]
fn what_has_taken_its_turn_is_not_counted_against_the_share() {
    let mut stage = Stage::new(&["team.f", "other.g"]);
    stage.fuel = SHARE_FUEL_PER_S;
    for payload in ["a", "b", "c"] {
        trail(&mut stage, &letter(payload));
    }
    loop {
        let waited = drain(&mut stage, NOW_MS);
        if waited.is_empty() {
            break;
        }
        waited.iter().for_each(|event| drop(trail(&mut stage, event)));
    }
    let later = letter_at("d", NOW_MS + 1_000);
    assert_eq!(trail(&mut stage, &later).functions().len(), 2, "the fuel of the first event has leaked away");
}
