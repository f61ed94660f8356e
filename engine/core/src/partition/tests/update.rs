use super::stage::{NOW_MS, Stage, device, event};
use crate::commit::{OutboxKey, ParcelKind};
use crate::event::{Event, EventKind};
use crate::update::{State, Update};
use alloc::borrow::ToOwned;
use alloc::vec;
use alloc::vec::Vec;
use fleetfn_protocol::update::{
    Delivery, Dependencies, Digest, Envelope, KeyId, Manifest, Offer, Phase, Reason, Signature, Status,
};
use fleetfn_protocol::{ClassId, ProductId};

pub(super) fn offer(job: u32, sequence: u32) -> Vec<u8> {
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
    let signature = Signature { key: KeyId([1; 8]), bytes: &[1; 64] };
    let mut envelope = [0; 900];
    let envelope = Envelope::write(&mut envelope, &[signature], &body).expect("it fits");
    Offer::write(&mut [0; 900], job, Delivery::Whole, envelope).expect("it fits").to_owned()
}

pub(super) fn withdrawal(job: u32) -> Vec<u8> {
    Offer::write_withdrawn(&mut [0; 8], job).expect("it fits").to_owned()
}

pub(super) fn ordered(offer: &[u8]) -> Event {
    event(EventKind::UpdateRequested, NOW_MS, offer)
}

pub(super) fn said(job: u32, sequence: u32, phase: Phase) -> Event {
    let status = Status { job, sequence, version: "1.0", phase, reason: Reason::None, have: 0, of: 0 };
    event(EventKind::UpdateStatus, NOW_MS, status.write(&mut [0; 64]).expect("it fits"))
}

fn known(stage: &Stage) -> Update {
    stage.memory.updates.get(&device()).cloned().unwrap_or_default()
}

pub(super) fn state(stage: &Stage) -> Option<(u32, State)> {
    known(stage).state()
}

/// What waits for the device.
pub(super) fn outbox(stage: &Stage) -> Vec<(u64, Vec<u8>)> {
    let entries = stage.memory.outbox.iter();
    let update = |(key, entry): (&OutboxKey, &crate::commit::OutboxEntry)| {
        assert_eq!(entry.parcel, ParcelKind::Update);
        (key.effect.offset, entry.payload.to_vec())
    };
    entries.map(update).collect()
}

/// The device acknowledges everything that waits for it.
fn acknowledge(stage: &mut Stage) {
    let keys: Vec<_> = stage.memory.outbox.keys().copied().collect();
    keys.into_iter().for_each(|key| stage.partition.handle_acknowledged(key, NOW_MS));
}

#[test]
fn an_order_waits_in_the_outbox_and_a_newer_one_takes_its_place() {
    let mut stage = Stage::new(&[]);
    stage.see(&ordered(&offer(1, 7)));
    stage.commit();
    assert_eq!(outbox(&stage), [(1, offer(1, 7))]);
    stage.see(&ordered(&offer(2, 8)));
    // Of the same turn.
    stage.see(&ordered(&offer(3, 9)));
    stage.commit();
    assert_eq!(outbox(&stage), [(3, offer(3, 9))]);
    stage.see(&ordered(&withdrawal(3)));
    stage.commit();
    assert_eq!((outbox(&stage), state(&stage)), (vec![(4, withdrawal(3))], Some((3, State::Withdrawn))));
    let steps = stage.partition.take_steps();
    assert_eq!(steps, [State::Queued, State::Queued, State::Queued, State::Withdrawn]);
}

#[test]
fn an_order_that_cannot_be_followed_is_a_dead_letter_and_changes_nothing() {
    let mut stage = Stage::new(&[]);
    stage.see(&said(4, 7, Phase::Confirmed));
    for order in [offer(1, 8), offer(5, 7), withdrawal(4), b"nonsense".to_vec()] {
        stage.see(&ordered(&order));
    }
    stage.commit();
    let types: Vec<_> = stage.memory.letters.values().map(|letter| letter.error_type.as_str()).collect();
    assert_eq!(types, ["update-job", "update-sequence", "update-no-job", "update"]);
    assert_eq!((outbox(&stage), state(&stage), known(&stage).next_job()), (vec![], None, Some(5)));
}

#[test]
fn a_status_that_does_not_know_the_job_has_it_sent_again_once_it_is_not_on_its_way() {
    let mut stage = Stage::new(&[]);
    stage.see(&ordered(&offer(1, 7)));
    stage.see(&said(0, 3, Phase::Idle));
    stage.commit();
    assert_eq!(outbox(&stage), [(1, offer(1, 7))], "it is still on its way");
    stage.see(&said(0, 3, Phase::Idle));
    stage.commit();
    assert_eq!(outbox(&stage).len(), 1);
    acknowledge(&mut stage);
    // Acknowledged, and not committed yet.
    stage.see(&said(0, 3, Phase::Idle));
    stage.see(&said(0, 3, Phase::Idle));
    stage.commit();
    assert_eq!(outbox(&stage), [(4, offer(1, 7))]);
    acknowledge(&mut stage);
    stage.see(&said(1, 3, Phase::Downloading));
    stage.commit();
    assert_eq!((outbox(&stage), state(&stage)), (vec![], Some((1, State::Device(Phase::Downloading)))));
}

#[test]
fn a_restart_knows_the_job_and_goes_on() {
    let mut stage = Stage::new(&[]);
    stage.see(&ordered(&offer(1, 7)));
    stage.see(&said(1, 3, Phase::Armed));
    stage.commit();
    stage.restart();
    stage.see(&said(1, 7, Phase::Confirmed));
    stage.see(&ordered(&offer(2, 8)));
    stage.commit();
    assert_eq!(state(&stage), Some((2, State::Queued)));
    assert_eq!(outbox(&stage), [(4, offer(2, 8))]);
}

#[test]
fn an_offer_that_is_too_long_for_the_device_ends_its_job() {
    let mut stage = Stage::new(&[]);
    stage.see(&ordered(&offer(1, 7)));
    acknowledge(&mut stage);
    let undelivered = |job: u32| event(EventKind::UpdateUndelivered, NOW_MS, &job.to_le_bytes());
    stage.see(&undelivered(2));
    stage.see(&event(EventKind::UpdateUndelivered, NOW_MS, b"?"));
    stage.see(&undelivered(1));
    stage.see(&said(0, 3, Phase::Idle));
    stage.commit();
    assert_eq!(state(&stage), Some((1, State::Undeliverable)));
    assert!(outbox(&stage).iter().all(|(offset, _)| *offset == 1), "it is not offered again");
}

#[test]
fn what_says_nothing_is_counted_and_no_dead_letter() {
    let mut stage = Stage::new(&[]);
    stage.see(&event(EventKind::UpdateStatus, NOW_MS, b"downloading"));
    stage.commit();
    assert_eq!((known(&stage).unreadable, stage.memory.letters.len()), (1, 0));
}
