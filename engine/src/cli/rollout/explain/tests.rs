use super::{one, reasons};
use crate::api::DeviceRow;
use fleetfn_core::rollout::{Device, Explanation, Step};
use fleetfn_protocol::{DeviceId, RolloutName};
use serde_json::json;

fn device(step: Step, why: serde_json::Value) -> Device {
    let row = json!({"step": step, "why": why, "since_ms": 1_774_872_000_000_u64, "order": 0,
        "enrolled_ms": 1_774_872_000_000_u64});
    serde_json::from_value(row).expect("a row")
}

fn row(id: &str, step: Step, why: serde_json::Value) -> DeviceRow {
    let row = device(step, why);
    let because = row.why.to_string();
    DeviceRow { device: id.into(), state: step.state(), phase: None, because, row }
}

fn id(text: &str) -> DeviceId {
    DeviceId::parse(text).expect("a name")
}

#[test]
fn devices_are_summed_up_by_what_became_of_them_and_why() {
    let unhealthy = json!({"failed": {"reported": {"phase": "rolled_back", "reason": "unhealthy"}}});
    let mut devices: Vec<_> =
        (0..7).map(|index| row(&format!("d-{index}"), Step::Succeeded, json!("confirmed"))).collect();
    devices.push(row("fan-1", Step::Failed, unhealthy.clone()));
    devices.push(row("fan-2", Step::Failed, unhealthy));
    devices.push(row("old", Step::Removed, json!({"other_class": {"class": "m0"}})));
    let name = RolloutName::parse("fw-2.4.1").expect("a name");
    let expected = "\
10 devices in rollout fw-2.4.1: 7 SUCCEEDED, 2 FAILED, 1 REMOVED
      7  SUCCEEDED    runs the release and has confirmed it  (d-0, d-1, d-2, d-3, d-4, ...)
      2  FAILED       it rolled back (unhealthy): its condition of health was not met  (fan-1, fan-2)
      1  REMOVED      left out: its hardware is 'm0'  (old)
";
    assert_eq!(reasons(name, &devices), expected);
    assert_eq!(reasons(name, &[]), "0 devices in rollout fw-2.4.1\n");
}

#[test]
fn one_device_is_explained_with_times() {
    let row = device(Step::Failed, json!("aborted"));
    let explanation = Explanation {
        device: id("fan-1"),
        state: row.step.state(),
        phase: Some("canary".into()),
        because: "it rolled back (unhealthy): its condition of health was not met; 3 attempts failed".into(),
        rollout: Some("the rollout is ABORTED: gate heat says\u{1b}[2J no".into()),
        times: vec![(1_774_872_000_000, "found".into()), (1_774_872_060_000, "FAILED after 59s".into())],
        row,
    };
    let expected = "\
fan-1 is FAILED in phase canary: it rolled back (unhealthy): its condition of health was not met; 3 attempts failed
the rollout is ABORTED: gate heat says [2J no
  2026-03-30 12:00:00 UTC  found
  2026-03-30 12:01:00 UTC  FAILED after 59s
";
    assert_eq!(one(&explanation), expected);
}
