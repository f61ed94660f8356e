//! Whatever rollouts, operators and the device say, in any order: no offer gets two jobs, no report goes backwards, every
//! offer gets an end, and what is kept stays small.

use crate::stage::{MINUTE_MS, Sent, Stage};
use fleetfn_core::update::{ANSWER, OFFERS_MAX, QUESTION};
use fleetfn_protocol::update::Phase;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use proptest::strategy::Just;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Act {
    Offer { rollout: u8, generation: u32, weight: u16, sequence: u32 },
    Withdraw { rollout: u8, generation: u32, await_device: bool },
    Watch { rollout: u8 },
    Says { job: u32, sequence: u32, phase: Phase, have: u32 },
    Answer { rollout: u8, generation: u32, says: &'static str },
    Connects,
    Telemetry,
    OperatorOrders,
    OperatorWithdraws,
    Waits { minutes: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    let says = select(vec![r#""accept""#, r#"{"refuse":{"why":"no"}}"#, r#"{"defer":{"until_ms":1}}"#]);
    let rollout = || 0..20_u8;
    prop_oneof![
        4 => (rollout(), 1..5_u32, 0..3_u16, 2..9_u32)
            .prop_map(|(rollout, generation, weight, sequence)| Act::Offer { rollout, generation, weight, sequence }),
        1 => (rollout(), 1..5_u32, any::<bool>())
            .prop_map(|(rollout, generation, await_device)| Act::Withdraw { rollout, generation, await_device }),
        1 => rollout().prop_map(|rollout| Act::Watch { rollout }),
        6 => (0..12_u32, 3..9_u32, select(Phase::ALL), 0..8_000_u32)
            .prop_map(|(job, sequence, phase, have)| Act::Says { job, sequence, phase, have }),
        2 => (rollout(), 1..5_u32, says)
            .prop_map(|(rollout, generation, says)| Act::Answer { rollout, generation, says }),
        1 => Just(Act::Connects),
        1 => Just(Act::Telemetry),
        1 => Just(Act::OperatorOrders),
        1 => Just(Act::OperatorWithdraws),
        2 => (0..90_u64).prop_map(|minutes| Act::Waits { minutes }),
    ]
}
fn name(rollout: u8) -> String {
    format!("fw-{rollout}")
}

fn play(stage: &mut Stage, act: &Act) {
    let newest = stage.update().job.as_ref();
    match act {
        Act::Offer { rollout, generation, weight, sequence } => {
            stage.offer(&name(*rollout), *generation, *weight, *sequence);
        }
        Act::Withdraw { rollout, generation, await_device } => {
            stage.withdraw(&name(*rollout), *generation, *await_device);
        }
        Act::Watch { rollout } => stage.watch(&name(*rollout), 5 * MINUTE_MS, 3_600),
        // Mostly about the newest job.
        Act::Says { job, sequence, phase, have } => {
            let job = newest.filter(|_| *job > 3).map_or(*job, |newest| newest.number);
            stage.says(job, *sequence, *phase, *have);
        }
        Act::Answer { rollout, generation, says } => {
            let payload = format!(r#"{{"rollout":"fw-{rollout}","generation":{generation},"says":{says}}}"#);
            stage.message(ANSWER, "guard", payload.as_bytes()).expect("it can be handled");
        }
        Act::Connects => stage.connects(),
        Act::Telemetry => stage.telemetry(),
        Act::OperatorOrders => stage.operator_orders(9),
        Act::OperatorWithdraws => {
            if newest.is_some() {
                stage.operator_withdraws();
            }
        }
        Act::Waits { minutes } => stage.wait(minutes * MINUTE_MS),
    }
}

/// How far a report is; the end is the end.
fn rank(phase: &str) -> Option<u8> {
    match phase {
        "downloading" => Some(1),
        "verified" => Some(2),
        "armed" => Some(3),
        "trial" => Some(4),
        "confirmed" | "failed" | "rolled_back" => Some(5),
        _ => None,
    }
}

/// Whether an offer has got an end, was taken back or replaced, or is being installed.
fn is_answered(stage: &Stage, acts: &[Act], act: &Act) -> bool {
    let Act::Offer { rollout, generation, .. } = act else {
        return true;
    };
    let of = name(*rollout);
    let is_end = |sent: &&Sent| match sent.name.as_str() {
        "rollout/absent" | "rollout/deferred" | "rollout/refused" => true,
        "rollout/report" => sent.payload["phase"].as_str().and_then(rank) == Some(5),
        _ => false,
    };
    let mut ends = stage.sent.iter().filter(is_end);
    let has_end = ends.any(|sent| {
        sent.to == format!("rollout/{of}") && sent.payload["generation"] == u64::from(*generation)
    });
    let is_replaced = acts.iter().any(|other| match other {
        Act::Offer { rollout: name, generation: newer, .. } => name == rollout && newer > generation,
        Act::Withdraw { rollout: name, generation: newest, .. } => name == rollout && newest >= generation,
        _ => false,
    });
    has_end || is_replaced || stage.is_installing(&of)
}

proptest! {
    #[test]
    fn whatever_happens_offers_become_one_job_at_most_go_forward_and_end(
        acts in proptest::collection::vec(act(), 0..80),
        is_asked: bool,
    ) {
        let mut stage = Stage::new();
        if is_asked {
            stage.listen(QUESTION, &["guard"]);
        }
        let mut given: BTreeMap<String, u32> = BTreeMap::new();
        for act in &acts {
            play(&mut stage, act);
            prop_assert!(stage.row_bytes() < OFFERS_MAX * 4_096);
            prop_assert!(stage.orders.len() <= 3 * acts.len());
        }
        // Nobody says anything any more: whatever is open must end by itself, or begin with the device.
        stage.wait(3 * 60 * MINUTE_MS);
        let numbers: Vec<u32> = stage.orders.iter().filter(|one| !one.1).map(|one| one.0).collect();
        prop_assert!(numbers.is_sorted_by(|one, next| one < next), "a number was given twice: {numbers:?}");
        for line in &stage.jobs {
            *given.entry(line.clone()).or_default() += 1;
        }
        prop_assert!(given.values().all(|count| *count == 1), "an offer became two jobs: {given:?}");
        let mut furthest: BTreeMap<(String, u64), u8> = BTreeMap::new();
        for sent in stage.sent.iter().filter(|sent| sent.name == "rollout/report") {
            let key = (sent.to.clone(), sent.payload["generation"].as_u64().expect("a number"));
            if let Some(rank) = sent.payload["phase"].as_str().and_then(rank) {
                let before = furthest.insert(key.clone(), rank).unwrap_or(0);
                prop_assert!(rank >= before && (rank < 5 || before < 5), "{key:?} went from {before} to {rank}");
            }
        }
        prop_assert_eq!(stage.open_offers(), Vec::<String>::new());
        let unanswered: Vec<_> = acts.iter().filter(|act| !is_answered(&stage, &acts, act)).collect();
        prop_assert!(unanswered.is_empty(), "no end: {unanswered:?}");
    }
}
