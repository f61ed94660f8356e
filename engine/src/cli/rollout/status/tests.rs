use super::{end, table};
use crate::cli::failure::Failure;
use fleetfn_core::rollout::{Length, PhaseLine, State, Status, Tally};
use fleetfn_protocol::RolloutName;

fn phase(name: &str, target: &str, percent: Option<u32>, tally: Tally) -> PhaseLine {
    PhaseLine { name: name.into(), target: target.into(), percent, tally, is_done: percent == Some(100) }
}

fn status() -> Status {
    let canary = Tally { succeeded: 49, failed: 1, ..Tally::default() };
    let early = Tally {
        ready: 120,
        downloading: 34,
        installing: 12,
        succeeded: 826,
        silent: 4,
        failed: 4,
        silent_thousandths: 2_400,
        ..Tally::default()
    };
    Status {
        rollout: RolloutName::parse("fw-2.4.1").expect("a name"),
        at_ms: 1_774_872_000_000,
        state: State::Running,
        paused: None,
        removing: None,
        because: "phase early begins and takes 1000 devices".into(),
        phase: (2, 3),
        passed_ms: None,
        gates: Vec::new(),
        phases: vec![
            phase("canary", "50", Some(100), canary),
            phase("early", "1000", Some(83), early),
            phase("all", "100%", None, Tally::default()),
        ],
        begun_per_minute: 118,
        held_by: Some("broker queue 71%".into()),
        rest: Some(Length(7_800_000)),
        criteria: vec!["abort at failed + silent >= 3% of 20 (now 0.8% of 884)".into()],
        outage: None,
        left_out: 12,
        canceled: 0,
    }
}

#[test]
fn a_rollout_that_runs() {
    let expected = "\
rollout fw-2.4.1  phase 2/3 RUNNING
phase early begins and takes 1000 devices
phase   target  queued  absent      dl    inst      ok    fail  silent
canary      50       0       0       0       0      49       1       0  done
early     1000     120       0      34      12     826       4       4  ▓▓▓▓▓▓▓░ 83%
all       100%       0       0       0       0       0       0       0
rate 118/min (held by: broker queue 71%)   ETA 2h10m   abort at failed + silent >= 3% of 20 (now 0.8% of 884)
12 devices left out
";
    assert_eq!(table(&status()), expected);
    assert!(end(&status()).is_none());
}

#[test]
fn a_rollout_that_soaks_and_is_paused_and_whose_gate_writes_what_it_likes() {
    let soaking = Status {
        state: State::Soaking,
        because: "phase early is through; it soaks for 30m".into(),
        passed_ms: Some((720_000, 1_800_000)),
        gates: vec!["crash-rate: GO (0.2%\u{1b}[8m\u{7})".into()],
        paused: Some("bob: lunch".into()),
        begun_per_minute: 0,
        held_by: None,
        criteria: Vec::new(),
        ..status()
    };
    let lines: Vec<String> = table(&soaking).lines().take(3).map(String::from).collect();
    let expected = [
        "rollout fw-2.4.1  phase 2/3 SOAKING 12m/30m   gate crash-rate: GO (0.2% [8m )",
        "phase early is through; it soaks for 30m",
        "PAUSED by bob: lunch",
    ];
    assert_eq!(lines, expected);
    assert!(table(&soaking).contains("\nrate 0/min\n"));
}

#[test]
fn a_watch_ends_with_0_when_it_is_done_and_with_3_when_it_was_aborted() {
    let done = Status { state: State::Completed, ..status() };
    assert!(matches!(end(&done), Some(Ok(()))));
    let because = "1 of 20 devices of phase canary are FAILED (5%), the limit is 3% of at least 20";
    let aborted = Status { state: State::Aborted, because: because.into(), ..status() };
    let failure: Failure = end(&aborted).and_then(Result::err).expect("it fails");
    assert_eq!(failure.code(), 3);
    let expected = "\
rollout 'fw-2.4.1' was aborted
  why:  1 of 20 devices of phase canary are FAILED (5%), the limit is 3% of at least 20
  next: fleetfn rollout explain fw-2.4.1, and fleetfn rollout history fw-2.4.1";
    assert_eq!(failure.to_string(), expected);
    for state in [State::Held, State::WaitingForApproval, State::Scheduled, State::Judging] {
        assert!(end(&Status { state, ..status() }).is_none());
    }
}

#[test]
fn a_pipe_gets_a_line_that_says_it_all() {
    let expected = "2026-03-30 12:00:00 UTC fw-2.4.1 phase 2/3 RUNNING: 879 updated, 46 at it, 5 bad: \
                    phase early begins and takes 1000 devices";
    assert_eq!(status().line(), expected);
    let later = Status { at_ms: 1_774_872_001_000, ..status() };
    assert!(later.says_the_same(&status()) && later.words() == status().words());
}
