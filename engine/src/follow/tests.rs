use super::{Cursor, Follower, newest, watch};
use crate::admit::Waiter;
use bytes::Bytes;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::event::EventParts;
use fleetfn_core::invocation::Role;
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_core::{Commit, Entity, Epoch, EventKind, Offset, PartitionId};
use fleetfn_store::{Config, Haste, Store, Stored, Tail};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::watch as notice;

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(30);

/// The partition that everything happens in.
const PARTITION: PartitionId = PartitionId(0);

/// Says how far the log is, as in the engine.
struct Head(notice::Sender<Offset>);

impl Tail for Head {
    fn durable(&mut self, group: &[Stored]) {
        if let Some(last) = group.last() {
            self.0.send_replace(last.offset.next());
        }
    }
}

/// A log with events of devices, each with a commit.
struct Log {
    store: Store<Waiter>,
    durable: notice::Receiver<Offset>,
    epoch: Epoch,
    _directory: TempDir,
}

impl Log {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = Config::new(directory.path().into());
        config.partitions = 1;
        let (head, durable) = notice::channel(Offset(0));
        let (store, _) = Store::open(config, Box::new(Head(head))).expect("opens");
        let epoch = store.lease(PARTITION).expect("is taken");
        Self { store, durable, epoch, _directory: directory }
    }

    fn event(&self, payload: &[u8]) -> Offset {
        let event = EventParts {
            entity: Entity::Named("lamp"),
            kind: EventKind::Shared { topic: "lamp" },
            received_at_ms: 1,
            expiry_s: 0,
            message_id: "",
            origin: None,
            payload,
        };
        self.store
            .admit(PARTITION, event.encode().expect("an event"), Haste::Now, Waiter::Nobody)
            .expect("has room")
    }

    /// Commits invocations of `functions`, one for each event, in one turn.
    fn commit(&self, events: &[Offset], function: &str) -> Offset {
        let recordings = events.iter().map(|offset| recording(*offset, function)).collect();
        let cursor = events.last().map(|last| last.next());
        let commit =
            Commit { partition: PARTITION, epoch: self.epoch, cursor, changes: Vec::new(), recordings };
        match self.store.commit(&commit, None).expect("is made") {
            fleetfn_store::Committed::Now(offset) => offset,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until a record is durable.
    fn sync(&self, offset: Offset) {
        let start = Instant::now();
        while self.store.durable_end() <= offset {
            assert!(start.elapsed() < PATIENCE, "{offset} is still not durable");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn recording(offset: Offset, function: &str) -> Recording {
    Recording {
        offset,
        entity: Entity::Named("lamp").canonical().into(),
        function: function.parse().expect("a name"),
        version: ModuleHash([0; 32]),
        role: Role::Live,
        trigger: 0,
        outcome: RecordedOutcome::Done,
        fuel: 1,
        guest_ns: 1,
        reads: Vec::new(),
        effects: Vec::new(),
        logs: Vec::new(),
    }
}

/// Everything up to the end of the log: cursor, offset of the event, payload.
fn all(follower: &mut Follower, limit: usize) -> Vec<(Cursor, u64, Option<Bytes>)> {
    let mut found = Vec::new();
    while !follower.is_at_end() {
        let batch = follower.next_batch(limit, |_| true).expect("is read");
        assert!(batch.len() <= limit);
        found.extend(batch.iter().map(|shown| {
            (shown.cursor, shown.recording.offset.0, shown.event().map(fleetfn_core::Event::payload))
        }));
    }
    found
}

#[test]
fn every_invocation_is_shown_once_with_its_event_whatever_the_size_of_the_batches() {
    let log = Log::new();
    let (first, second) = (log.event(b"one"), log.event(b"two"));
    let commit = log.commit(&[first, second], "climate");
    let third = log.event(b"three");
    let last = log.commit(&[third], "climate");
    log.sync(last);
    for limit in [1, 2, 100] {
        let found = all(&mut Follower::new(log.store.clone(), Offset(0)), limit);
        let shown = |commit, index, event: Offset, payload: &'static str| {
            (Cursor { commit, index }, event.0, Some(Bytes::from_static(payload.as_bytes())))
        };
        let expected =
            [shown(commit, 0, first, "one"), shown(commit, 1, second, "two"), shown(last, 0, third, "three")];
        assert_eq!(found, expected);
    }
}

#[test]
fn a_reader_goes_on_after_its_cursor_and_finds_events_from_before_it() {
    let log = Log::new();
    let events = [log.event(b"one"), log.event(b"two"), log.event(b"three")];
    let commit = log.commit(&events, "climate");
    log.sync(commit);
    let cursor: Cursor = format!("{commit}.0").parse().expect("a cursor");
    let found = all(&mut Follower::after(log.store.clone(), cursor), 9);
    let payloads: Vec<_> = found.into_iter().map(|(_, _, payload)| payload.expect("an event")).collect();
    assert_eq!(payloads, ["two", "three"]);
}

#[test]
fn what_is_not_wanted_is_passed_over() {
    let log = Log::new();
    let (first, second) = (log.event(b"one"), log.event(b"two"));
    log.commit(&[first], "climate");
    log.sync(log.commit(&[second], "counter"));
    let mut follower = Follower::new(log.store.clone(), Offset(0));
    let wanted = |recording: &Recording| recording.function.as_str() == "counter";
    let found = follower.next_batch(9, wanted).expect("is read");
    assert_eq!(found.iter().map(|shown| shown.recording.offset).collect::<Vec<_>>(), [second]);
}

#[test]
fn the_newest_are_found_page_by_page() {
    let log = Log::new();
    let mut last = Offset(0);
    // More than the first stretch, two invocations a commit.
    for number in 0..400_u64 {
        let events = [log.event(&number.to_le_bytes()), log.event(b"second")];
        last = log.commit(&events, if number % 100 == 0 { "rare" } else { "climate" });
    }
    log.sync(last);
    let wanted = |recording: &Recording| recording.function.as_str() == "rare";
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = newest(&log.store, before, 3, wanted).expect("is read");
        assert!(page.shown.len() <= 3);
        found.splice(0..0, page.shown.iter().map(|shown| shown.recording.offset));
        before = page.rest;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 8);
    assert!(found.is_sorted(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_waits_is_told_of_what_comes() {
    let log = Log::new();
    let follower = Follower::new(log.store.clone(), log.store.durable_end());
    let mut batches = watch(follower, log.durable.clone(), Arc::new(|_| true));
    for payload in [&b"one"[..], b"two"] {
        let event = log.event(payload);
        log.commit(&[event], "climate");
        let batch = tokio::time::timeout(PATIENCE, batches.recv()).await.expect("in time");
        let batch = batch.expect("it goes on").expect("is read");
        let payloads: Vec<_> = batch.shown.iter().filter_map(|shown| shown.event()).collect();
        assert_eq!(payloads.iter().map(|event| event.payload()).collect::<Vec<_>>(), [payload]);
    }
}

#[test]
fn a_cursor_survives_its_text() {
    let cursor = Cursor { commit: Offset(7), index: 3 };
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
    for text in ["", "7", "7.", ".3", "7.3.1", "-1.0", "7.x"] {
        assert_eq!(text.parse::<Cursor>(), Err(()), "{text}");
    }
}
