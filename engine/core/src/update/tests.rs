//! Orders, reports, and signatures.

use super::*;
use alloc::borrow::ToOwned;
use alloc::vec;
use fleetfn_protocol::limits::OFFER_BYTES_MAX;
use fleetfn_protocol::update::{Dependencies, Digest, KeyId, SIGNATURE_BYTES, Signature, Status, UpdateKey};
use fleetfn_protocol::{ClassId, ProductId};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

const NOW_MS: u64 = 1_000_000;

/// A signature that says by its bytes who made it.
fn signature<'a>((signer, bytes): (&u8, &'a [u8; SIGNATURE_BYTES])) -> Signature<'a> {
    Signature { key: KeyId([*signer; 8]), bytes }
}

fn envelope(sequence: u32, signers: &[u8]) -> Vec<u8> {
    let manifest = Manifest {
        product: ProductId::parse("node").expect("a name"),
        class: ClassId::parse("m3").expect("a name"),
        version: "2.0",
        sequence,
        size: 5_000,
        digest: Digest([7; 32]),
        not_after_s: None,
        dependencies: Dependencies::NONE,
    };
    let mut room = [0; 600];
    let body = manifest.write(&mut room).expect("it fits").to_owned();
    let bytes: Vec<_> = signers.iter().map(|signer| [*signer; SIGNATURE_BYTES]).collect();
    let signatures: Vec<_> = signers.iter().zip(&bytes).map(signature).collect();
    Envelope::write(&mut [0; 1_000], &signatures, &body).expect("it fits").to_owned()
}

fn offer(job: u32, sequence: u32) -> Bytes {
    let mut room = [0; OFFER_BYTES_MAX];
    let offer = Offer::write(&mut room, job, Delivery::Whole, &envelope(sequence, &[1]));
    Bytes::copy_from_slice(offer.expect("it fits"))
}

fn withdrawal(job: u32) -> Bytes {
    Bytes::copy_from_slice(Offer::write_withdrawn(&mut [0; 8], job).expect("it fits"))
}

fn status(job: u32, sequence: u32, phase: Phase) -> Vec<u8> {
    let status = Status { job, sequence, version: "1.0", phase, reason: Reason::None, have: 10, of: 5_000 };
    status.write(&mut [0; 64]).expect("it fits").to_owned()
}

/// A device with job 1 of sequence 7, while it runs sequence 3.
fn updating() -> Update {
    let mut update = Update::default();
    assert_eq!(update.handle_order(offer(1, 7), Offset(5), NOW_MS), Ok(()));
    update
}

fn hear(update: &mut Update, job: u32, sequence: u32, phase: Phase) -> Heard {
    update.handle_status(&status(job, sequence, phase), NOW_MS)
}

fn states(update: &Update) -> Vec<&'static str> {
    update.job.iter().flat_map(|job| job.steps.iter().map(|step| step.state.as_str())).collect()
}

#[test]
fn a_job_goes_from_phase_to_phase_to_its_end() {
    let mut update = updating();
    for phase in [Phase::Idle, Phase::Downloading, Phase::Downloading, Phase::Verified, Phase::Armed] {
        assert_eq!(hear(&mut update, 1, 3, phase), Heard::Nothing);
    }
    assert_eq!(hear(&mut update, 1, 7, Phase::Trial), Heard::Nothing);
    assert_eq!(hear(&mut update, 1, 7, Phase::Confirmed), Heard::Nothing);
    assert_eq!(hear(&mut update, 1, 7, Phase::Confirmed), Heard::Nothing, "it says so on each connection");
    let expected = ["queued", "idle", "downloading", "verified", "armed", "trial", "confirmed"];
    assert_eq!((states(&update), update.unfitting), (expected.to_vec(), 0));
    assert_eq!(update.job.map(|job| job.is_open()), Some(false));
}

#[test]
fn a_phase_that_goes_back_is_counted_and_moves_nothing() {
    let mut update = updating();
    for phase in [Phase::Armed, Phase::Downloading, Phase::Idle] {
        assert_eq!(hear(&mut update, 1, 3, phase), Heard::Nothing);
    }
    assert_eq!((states(&update), update.unfitting), (vec!["queued", "armed"], 2));
    let said = update.report.map(|report| report.phase);
    assert_eq!(said, Some(Phase::Idle), "what it says is shown all the same");
}

#[test]
fn an_end_is_not_exchanged_for_another() {
    let mut update = updating();
    for phase in [Phase::Failed, Phase::Confirmed, Phase::RolledBack, Phase::Paused] {
        assert_eq!(hear(&mut update, 1, 7, phase), Heard::Nothing);
    }
    assert_eq!((states(&update), update.unfitting), (vec!["queued", "failed"], 3));
}

#[test]
fn only_who_runs_what_was_offered_has_confirmed_it() {
    let mut update = updating();
    for sequence in [3, 8] {
        assert_eq!(hear(&mut update, 1, sequence, Phase::Confirmed), Heard::Nothing);
    }
    assert_eq!((states(&update), update.unfitting), (vec!["queued"], 2));
}

#[test]
fn a_pause_holds_up_and_does_not_move() {
    let mut update = updating();
    for phase in [Phase::Verified, Phase::Paused, Phase::Paused, Phase::Downloading, Phase::Verified] {
        assert_eq!(hear(&mut update, 1, 3, phase), Heard::Nothing);
    }
    assert_eq!((states(&update), update.unfitting), (vec!["queued", "verified", "paused", "verified"], 1));
}

#[test]
fn a_device_that_does_not_know_its_job_is_told_and_one_that_has_ended_it_is_not() {
    let mut update = updating();
    assert_eq!(hear(&mut update, 0, 3, Phase::Idle), Heard::Unaware);
    assert_eq!((update.unfitting, update.message()), (0, Some(offer(1, 7))));
    assert_eq!(hear(&mut update, 1, 3, Phase::Downloading), Heard::Nothing);
    assert_eq!(hear(&mut update, 0, 3, Phase::Idle), Heard::Unaware, "it has lost its flash");
    assert_eq!(update.unfitting, 1);
    assert_eq!(hear(&mut update, 1, 3, Phase::Failed), Heard::Nothing);
    assert_eq!(hear(&mut update, 0, 3, Phase::Idle), Heard::Nothing);
}

#[test]
fn a_withdrawn_job_stays_so_unless_the_device_had_started_it() {
    let mut update = updating();
    assert_eq!(update.handle_order(withdrawal(1), Offset(6), NOW_MS), Ok(()));
    assert_eq!(update.message(), Some(withdrawal(1)));
    assert_eq!(hear(&mut update, 1, 3, Phase::Downloading), Heard::Unaware, "it has not heard yet");
    let mut heeding = update.clone();
    assert_eq!(hear(&mut heeding, 1, 3, Phase::Failed), Heard::Nothing);
    assert_eq!(heeding.job.map(|job| job.state()), Some(State::Withdrawn));
    assert_eq!(hear(&mut update, 1, 7, Phase::Confirmed), Heard::Nothing);
    assert_eq!(update.job.as_ref().map(Job::state), Some(State::Device(Phase::Confirmed)));
    assert_eq!(update.handle_order(withdrawal(1), Offset(7), NOW_MS), Err(OrderError::NoJob(1)));
}

#[test]
fn numbers_grow_above_what_the_device_knows() {
    let mut update = updating();
    assert_eq!(hear(&mut update, 40, 3, Phase::Confirmed), Heard::Nothing, "of a server that is forgotten");
    assert_eq!((update.next_job(), update.unfitting, states(&update)), (Some(41), 1, vec!["queued"]));
    let stale = update.handle_order(offer(2, 7), Offset(6), NOW_MS);
    assert_eq!(stale, Err(OrderError::Number { next: 41, asked: 2 }));
    assert_eq!(update.handle_order(offer(41, 7), Offset(6), NOW_MS), Ok(()));
    assert_eq!(hear(&mut update, u32::MAX, 3, Phase::Idle), Heard::Nothing);
    assert_eq!(update.next_job(), None);
}

#[test]
fn an_order_that_a_device_would_not_follow_is_refused() {
    let mut update = Update::default();
    assert_eq!(hear(&mut update, 0, 7, Phase::Idle), Heard::Nothing);
    let before = update.clone();
    for offered in [6, 7] {
        let refused = update.handle_order(offer(1, offered), Offset(5), NOW_MS);
        assert_eq!(refused, Err(OrderError::Sequence { running: 7, offered }));
    }
    assert_eq!(update.handle_order(withdrawal(1), Offset(5), NOW_MS), Err(OrderError::NoJob(1)));
    let cut = offer(1, 8).slice(..9);
    assert_eq!(update.handle_order(cut, Offset(5), NOW_MS), Err(OrderError::Format(FormatError::CutShort)));
    assert_eq!(update, before);
}

#[test]
fn failures_are_counted_until_an_update_is_confirmed() {
    let mut update = updating();
    assert_eq!(hear(&mut update, 1, 3, Phase::Failed), Heard::Nothing);
    assert_eq!(update.failures, 1, "it gave no reason");
    assert_eq!(hear(&mut update, 1, 3, Phase::Failed), Heard::Nothing);
    assert_eq!(update.failures, 1, "it says so on each connection");
    assert_eq!(update.handle_order(offer(2, 7), Offset(6), NOW_MS), Ok(()));
    assert_eq!(hear(&mut update, 2, 3, Phase::RolledBack), Heard::Nothing);
    assert_eq!(update.failures, 2);
    assert_eq!(update.handle_order(offer(3, 7), Offset(7), NOW_MS), Ok(()));
    assert_eq!(hear(&mut update, 3, 7, Phase::Confirmed), Heard::Nothing);
    assert_eq!(update.failures, 0);
}

#[test]
fn nonsense_is_counted() {
    let mut update = updating();
    assert_eq!(update.handle_status(b"downloading", NOW_MS), Heard::Nothing);
    assert_eq!(update.handle_status(b"", NOW_MS), Heard::Nothing);
    assert_eq!((update.unreadable, update.report), (2, None));
}

#[test]
fn a_release_counts_only_if_every_signature_is_by_a_key_of_its_product_and_holds() {
    let keys =
        |signers: &[u8]| -> Vec<UpdateKey> { signers.iter().map(|one| UpdateKey([*one; 32])).collect() };
    let verified = |signed: &[u8], known: &[u8]| {
        let envelope = envelope(7, signed);
        let envelope = Envelope::parse(&envelope).expect("it is one");
        // Key 9 has never signed what it is said to have signed.
        let holds =
            |key: &UpdateKey, _: &[u8], bytes: &[u8; SIGNATURE_BYTES]| key.0[0] == bytes[0] && bytes[0] != 9;
        verify(&envelope, |_| keys(known), holds).map(|manifest| manifest.sequence)
    };
    assert_eq!(verified(&[1], &[1]), Ok(7));
    assert_eq!(verified(&[2, 1], &[1, 2, 3]), Ok(7));
    let product = ProductId::parse("node").expect("a name");
    let unknown = ReleaseError::UnknownKey { key: KeyId([2; 8]), product };
    assert_eq!(verified(&[1, 2], &[1]), Err(unknown));
    assert_eq!(verified(&[1, 9], &[1, 9]), Err(ReleaseError::Signature(KeyId([9; 8]))));
    assert_eq!(verified(&[1, 1], &[1]), Err(ReleaseError::Twice(KeyId([1; 8]))));
}

proptest! {
    #[test]
    fn whatever_a_device_says_its_job_goes_forward_only(
        said in proptest::collection::vec((0..3_u32, 6..9_u32, select(Phase::ALL), any::<bool>()), 0..40),
        withdrawn_at in 0..40_usize,
    ) {
        let mut update = updating();
        let mut furthest = 0;
        for (at, (job, sequence, phase, readable)) in said.into_iter().enumerate() {
            if at == withdrawn_at && update.job.as_ref().is_some_and(Job::is_open) {
                prop_assert_eq!(update.handle_order(withdrawal(1), Offset(9), NOW_MS), Ok(()));
            }
            let mut bytes = status(job, sequence, phase);
            if !readable {
                bytes.push(0);
            }
            let ended = update.job.as_ref().and_then(|job| job.reached).filter(|phase| phase.is_end());
            let _ = update.handle_status(&bytes, NOW_MS);
            let Some(job) = &update.job else { continue };
            let rank = job.reached.map_or(0, fold::rank);
            prop_assert!(rank >= furthest, "it went back to {:?}", job.reached);
            prop_assert!(ended.is_none() || ended == job.reached, "an end was left");
            prop_assert!(job.steps.len() <= STEPS_MAX);
            furthest = rank;
        }
        prop_assert!(update.job_last >= 1 && update.unreadable <= 40);
    }
}
