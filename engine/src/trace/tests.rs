use super::{Fate, Stopped, Trace};
use bytes::Bytes;
use fleetfn_core::commit::{OutboxEntry, OutboxKey, ParcelKind, Timer, TimerPurpose};
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::invocation::Role;
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_core::{Change, Commit, Entity, Epoch, EventKind, Given, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use fleetfn_store::{Channel, Stored, encode_commit};

const PARTITION: PartitionId = PartitionId(0);

fn device() -> DeviceId {
    DeviceId::parse("lamp").expect("an id")
}

fn function() -> FunctionName {
    FunctionName::parse("climate").expect("a name")
}

fn event(kind: EventKind<'_>, received_at_ms: u64, cause: Option<u64>) -> Bytes {
    let origin = cause.map(|cause| Origin {
        cause: Offset(cause),
        function: function(),
        partition: PARTITION,
        sequence: 0,
        hops: 1,
        source: "",
    });
    let entity = Entity::Device(device());
    let parts =
        EventParts { entity, kind, received_at_ms, expiry_s: 0, message_id: "", origin, payload: b"{}" };
    parts.encode().expect("an event")
}

fn stored(offset: u64, channel: Channel, record: Bytes) -> Stored {
    Stored { offset: Offset(offset), partition: PARTITION, channel, record }
}

fn commit(offset: u64, changes: Vec<Change>, ran_for: &[u64]) -> Stored {
    let recording = |offset: &u64| Recording {
        offset: Offset(*offset),
        entity: Entity::Device(device()).canonical().into(),
        function: function(),
        version: ModuleHash([0; 32]),
        role: Role::Live,
        trigger: 0,
        outcome: RecordedOutcome::Done,
        fuel: 1,
        guest_ns: 1,
        reads: Vec::new(),
        effects: Vec::new(),
        logs: Vec::new(),
    };
    let recordings = ran_for.iter().map(recording).collect();
    let commit = Commit { partition: PARTITION, epoch: Epoch(1), cursor: None, changes, recordings };
    stored(offset, Channel::Commits, encode_commit(&commit))
}

fn key(offset: u64, index: u32) -> OutboxKey {
    OutboxKey { device: device(), effect: EffectId { offset, function: function(), index } }
}

fn put(key: OutboxKey, parcel: ParcelKind, expires_at_ms: u64) -> Change {
    let entry = OutboxEntry { parcel, name: Bytes::new(), payload: Bytes::new(), expires_at_ms };
    Change::OutboxPut { key, entry }
}

/// The trace of a reading at offset 5 and time 1,000, over what follows it.
fn over(records: impl IntoIterator<Item = Stored>) -> Trace {
    let reading = event(EventKind::Telemetry { channel: "climate" }, 1_000, None);
    let mut trace = Trace::new(Offset(5), Given::decode(reading).expect("an event"));
    for record in records {
        trace.take(record).expect("is read");
    }
    trace
}

#[test]
fn what_an_event_led_to_is_found_and_what_others_did_is_not() {
    let message = EventKind::Message { name: "reading" };
    let trace = over([
        stored(6, Channel::Events, event(EventKind::Telemetry { channel: "climate" }, 1_001, None)),
        commit(7, Vec::new(), &[5, 6]),
        stored(8, Channel::Events, event(message, 1_002, Some(5))),
        stored(9, Channel::Events, event(message, 1_002, Some(6))),
        commit(10, Vec::new(), &[8, 9]),
        stored(11, Channel::Events, event(EventKind::TimerFired, 1_005, Some(8))),
        stored(12, Channel::Leases, Bytes::from_static(b"x")),
        stored(13, Channel::Events, Bytes::from_static(b"of a newer version")),
    ]);
    let steps: Vec<_> =
        trace.events.iter().map(|(at, step)| (at.0, step.cause, step.invocations.len())).collect();
    assert_eq!(steps, [(5, None, 1), (8, Some(Offset(5)), 1), (11, Some(Offset(8)), 0)]);
    assert_eq!(trace.stopped, Stopped::End);
}

#[test]
fn a_command_is_received_unless_it_waits_expires_or_is_replaced() {
    let forever = u64::MAX;
    let puts = vec![
        put(key(5, 0), ParcelKind::Command, forever),
        put(key(5, 1), ParcelKind::Command, 3_000),
        put(key(5, 2), ParcelKind::Twin, forever),
        put(key(5, 3), ParcelKind::Command, 2_000),
        put(key(5, 4), ParcelKind::Command, forever),
        put(key(4, 0), ParcelKind::Command, forever),
    ];
    let gone = |key| Change::OutboxDelete { key };
    let entity = Entity::Device(device()).canonical().into();
    let timer = Timer { due_ms: 3_000, entity, purpose: TimerPurpose::OutboxExpiry };
    let trace = over([
        commit(6, puts, &[5]),
        commit(7, vec![gone(key(5, 0)), gone(key(4, 0))], &[]),
        commit(8, vec![Change::TimerDelete { timer }, gone(key(5, 1))], &[]),
        commit(9, vec![gone(key(5, 2)), put(key(8, 0), ParcelKind::Twin, forever)], &[]),
        // A device that was away: the next event that anybody sends is later than the command's time.
        stored(10, Channel::Events, event(EventKind::Connected, 2_500, None)),
        commit(11, vec![gone(key(5, 3))], &[]),
    ]);
    let fates: Vec<_> = trace.parcels.iter().map(|(id, parcel)| (id.index, parcel.fate)).collect();
    let expected = [
        (0, Fate::Received(Offset(7))),
        (1, Fate::Expired(Offset(8))),
        (2, Fate::Replaced(Offset(9))),
        (3, Fate::Expired(Offset(11))),
        (4, Fate::Waiting),
    ];
    assert_eq!(fates, expected);
}
