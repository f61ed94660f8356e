//! Devices that are watched.

use crate::stage::{MINUTE_MS, START_MS, Stage};

#[test]
fn a_device_that_is_quiet_is_silent_once_and_heard_once() {
    let mut stage = Stage::new();
    stage.watch("fw-2", 5 * MINUTE_MS, 3_600);
    for _ in 0..5 {
        stage.wait(4 * MINUTE_MS);
        stage.telemetry();
    }
    assert_eq!(stage.heard(), [""; 0]);
    stage.wait(30 * MINUTE_MS);
    let silent = stage.sent.pop().expect("it is said");
    assert_eq!(silent.line(), "fw-2 silent");
    assert_eq!(silent.payload["since_ms"], START_MS + 20 * MINUTE_MS);
    assert_eq!(stage.heard(), [""; 0]);
    stage.telemetry();
    stage.telemetry();
    assert_eq!(stage.heard(), ["fw-2 heard"]);
}

#[test]
fn nobody_watches_for_longer_than_asked_but_a_silence_has_an_end() {
    let mut stage = Stage::new();
    stage.watch("fw-2", 5 * MINUTE_MS, 600);
    stage.watch("fw-3", MINUTE_MS, 600);
    stage.wait(2 * MINUTE_MS);
    assert_eq!(stage.heard(), ["fw-3 silent"]);
    stage.connects();
    assert_eq!(stage.heard(), ["fw-3 heard"]);
    stage.wait(9 * MINUTE_MS);
    assert_eq!(stage.heard(), ["fw-3 silent", "fw-2 silent"]);
    stage.wait(60 * MINUTE_MS);
    stage.telemetry();
    assert_eq!((stage.heard(), stage.is_watched()), (vec!["fw-2 heard".into(), "fw-3 heard".into()], false));
    stage.wait(60 * MINUTE_MS);
    assert_eq!(stage.heard(), [""; 0]);
}
