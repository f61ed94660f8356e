use super::{rehearsal, text};
use fleetfn_core::rollout::{Assumptions, Plan, Rehearsal};
use serde_json::json;

#[test]
fn a_plan_counts_first_and_names_some() {
    let phase = |name: &str, size: &str, devices: u32, first: &[&str], soak_s: u32, gates: &[&str]| json!({"name": name, "size": size, "devices": devices, "first": first, "soak_s": soak_s, "gates": gates});
    let plan: Plan = serde_json::from_value(json!({
        "rollout": "fw-2.4.1", "product": "fan", "version": "2.4.1", "sequence": 7, "found": 1_060,
        "taking_part": 1_042, "one_of": 1,
        "phases": [
            phase("canary", "tag canary", 2, &["c-1", "c-2"], 1_800, &["crash-rate", "heat"]),
            phase("all", "up to 100%", 1_040, &["d-1", "d-2", "d-3", "d-4", "d-5"], 0, &[]),
        ],
        "left_out": [
            {"why": "runs sequence 7 already", "devices": 12, "first": ["a", "b", "c", "d", "e"]},
            {"why": "left out: its hardware is 'm0\u{1b}'", "devices": 4, "first": ["f", "g", "h", "i"]},
            {"why": "3 other reasons", "devices": 2, "first": []},
        ],
        "notes": ["another person than the one who starts it must approve it"],
    }))
    .expect("a plan");
    let expected = "\
rollout fw-2.4.1 would bring fan 2.4.1 (sequence 7) to 1042 of 1060 devices
PHASE   TAKES       DEVICES  SOAK  GATES             FIRST
canary  tag canary  2        30m   crash-rate, heat  c-1, c-2
all     up to 100%  1040     -     -                 d-1, d-2, d-3, d-4, d-5, ...
18 devices would not get it:
     12  runs sequence 7 already  (a, b, c, d, e, ...)
      4  left out: its hardware is 'm0 '  (f, g, h, i)
      2  3 other reasons
note: another person than the one who starts it must approve it
";
    assert_eq!(text(&plan), expected);
}

#[test]
fn a_rehearsal_says_what_to_expect_and_what_it_assumed() {
    let rehearsal: Rehearsal = serde_json::from_value(json!({
        "rollout": "fw-2.4.1", "assumptions": Assumptions { image_bytes: 70_000, ..Assumptions::default() },
        "runs": 20, "devices": 30_000, "one_of": 3, "completed": 16,
        "took_ms": {"median": 7_800_000, "most": 9_000_000},
        "aborts": [{"why": "failed >= 3% in phase canary", "runs": 3}],
        "stops": [{"why": "HELD: 0 of 2 devices of phase canary have succeeded, 1 must", "runs": 1}],
        "phases": [
            {"name": "canary", "took_ms": {"median": 1_860_000, "most": 1_860_000}},
            {"name": "all", "took_ms": {"median": 5_940_000, "most": 7_140_000}},
            {"name": "never", "took_ms": null},
        ],
        "updated": {"median": 29_700, "most": 29_800}, "bad": {"median": 300, "most": 400},
        "absent": {"median": 0, "most": 0}, "peak_bytes_per_s": {"median": 8_000_000, "most": 16_770_000},
    }))
    .expect("a rehearsal");
    let expected = "\
rehearsed 20 times with 30000 devices (one of 3 stood for all)
done      16 of 20, in 2h10m (9 of 10 within 2h30m)
aborted   3 of 20
          3 failed >= 3% in phase canary
stopped   1 of 20: HELD: 0 of 2 devices of phase canary have succeeded, 1 must
phase     canary: 31m
phase     all: 1h39m (9 of 10 within 1h59m)  the longest
phase     never: no run came to its end
devices   29700 updated, 300 bad, 0 absent
peak      16.7 MB/s from the node
assumed   1% fail, 0.2% are silent, 1% of downloads break off, an image of 70.0 kB at 30.0 kB/s for each and 16.7 MB/s \
for all, 1m to install and try; seed 1
";
    assert_eq!(rehearsal::text(&rehearsal), expected);
}
