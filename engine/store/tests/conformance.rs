//! What every log must do, tried on every medium: in memory, on a file system, and on both with faults around them.

use bytes::Bytes;
use fleetfn_core::{Epoch, Offset, PartitionId};
use fleetfn_store::log::faulty::{Faults, Faulty};
use fleetfn_store::log::group::GroupLog;
use fleetfn_store::log::medium::Medium;
use fleetfn_store::log::memory::Memory;
use fleetfn_store::log::segments::{Segments, SegmentsConfig};
use fleetfn_store::{
    Append, AppendError, Channel, Durability, Failure, Haste, LeaseError, PartitionLog, ReadError, Receipt,
    Stored, Tail,
};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PENDING_BYTES_MAX: usize = 64 << 10;
const DEADLINE: Duration = Duration::from_secs(20);

/// What was seen on the log's own thread, in order.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Durable(Vec<Stored>),
    Settled(Result<Offset, Failure>),
}

struct Watch(Sender<Seen>);

impl Tail for Watch {
    fn durable(&mut self, group: &[Stored]) {
        // The test may have seen enough.
        drop(self.0.send(Seen::Durable(group.to_vec())));
    }
}

struct Told(Sender<Seen>);

impl Receipt for Told {
    fn settle(self, outcome: Result<Offset, Failure>) {
        drop(self.0.send(Seen::Settled(outcome)));
    }
}

/// A log with what it has told.
struct Subject<M: Medium> {
    log: GroupLog<Told, M>,
    told: Sender<Seen>,
    seen: Receiver<Seen>,
}

impl<M: Medium> Subject<M> {
    fn start(medium: M, end: Offset) -> Self {
        let (told, seen) = channel();
        let tail = Box::new(Watch(told.clone()));
        let log = GroupLog::start(medium, end, PENDING_BYTES_MAX, Durability::Fsync, tail).expect("starts");
        Self { log, told, seen }
    }

    fn event(&self, partition: u16, record: &[u8]) -> Result<Offset, AppendError<Told>> {
        self.event_with(Haste::Now, partition, record)
    }

    fn event_with(&self, haste: Haste, partition: u16, record: &[u8]) -> Result<Offset, AppendError<Told>> {
        self.log.append(Append {
            partition: PartitionId(partition),
            channel: Channel::Events,
            expect: None,
            record: Bytes::copy_from_slice(record),
            haste,
            receipt: Some(Told(self.told.clone())),
        })
    }

    fn commit(&self, expect: Option<Offset>) -> Result<Offset, AppendError<Told>> {
        let (partition, channel, record) = (PartitionId(1), Channel::Commits, Bytes::from_static(b"commit"));
        self.log.append(Append { partition, channel, expect, record, haste: Haste::Later, receipt: None })
    }

    fn next(&self) -> Seen {
        self.seen.recv_timeout(DEADLINE).expect("the log tells within the deadline")
    }

    /// Waits until a receipt settles.
    fn settled(&self) -> Result<Offset, Failure> {
        loop {
            if let Seen::Settled(outcome) = self.next() {
                return outcome;
            }
        }
    }

    /// Everything that can be read from an offset on, in pieces.
    fn all(&self, from: Offset, bytes_max: usize) -> Vec<Stored> {
        let (mut all, mut next) = (Vec::new(), from);
        loop {
            let piece = self.log.read(next, bytes_max).expect("reads");
            let Some(last) = piece.last() else { return all };
            next = last.offset.next();
            all.extend(piece);
        }
    }
}

/// Makes a medium, and makes it again over what is there.
trait Place {
    type Medium: Medium;
    fn open(&self) -> (Self::Medium, Offset);
}

struct InMemory(Memory);

impl Place for InMemory {
    type Medium = Memory;
    fn open(&self) -> (Memory, Offset) {
        (self.0.clone(), self.0.end())
    }
}

struct OnDisk(tempfile::TempDir);

impl OnDisk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }
}

impl Place for OnDisk {
    type Medium = Segments;
    fn open(&self) -> (Segments, Offset) {
        let dir = PathBuf::from(self.0.path());
        let config = SegmentsConfig { dir, segment_bytes: 4096, free_bytes_min: 0 };
        let (segments, opened) = Segments::open(config).expect("opens");
        (segments, opened.end)
    }
}

struct WithFaults<P>(P, Faults);

impl<P: Place> Place for WithFaults<P> {
    type Medium = Faulty<P::Medium>;
    fn open(&self) -> (Self::Medium, Offset) {
        let (inner, end) = self.0.open();
        (Faulty::new(inner, self.1.clone()), end)
    }
}

fn offsets_are_dense_and_the_tail_sees_before_receipts_settle(place: &impl Place) {
    let (medium, end) = place.open();
    let subject = Subject::start(medium, end);
    for number in 0..200_u16 {
        let offset = subject.event(number % 7, &number.to_le_bytes()).expect("accepted");
        assert_eq!(offset, Offset(u64::from(number)));
    }
    let (mut shown, mut settled) = (0_u64, 0_u64);
    while settled < 200 {
        match subject.next() {
            Seen::Durable(group) => {
                for stored in group {
                    assert_eq!(stored.offset, Offset(shown));
                    shown += 1;
                }
            }
            Seen::Settled(outcome) => {
                assert_eq!(outcome, Ok(Offset(settled)));
                settled += 1;
                assert!(settled <= shown);
            }
        }
    }
    assert_eq!(subject.log.durable_end(), Offset(200));
}

fn what_was_accepted_is_read_again_after_the_log_was_opened_again(place: &impl Place) {
    let sizes = [0, 1, 100, 3000, 5000, 17, 4096];
    let mut expected = Vec::new();
    for round in 0..3_u8 {
        let (medium, end) = place.open();
        assert_eq!(end, Offset(expected.len() as u64));
        let subject = Subject::start(medium, end);
        for (index, size) in sizes.iter().cycle().take(40).enumerate() {
            let record = vec![round.wrapping_add(u8::try_from(index).expect("small")); *size];
            let partition = u16::try_from(index % 5).expect("small");
            let offset = subject.event(partition, &record).expect("accepted");
            assert_eq!(subject.settled(), Ok(offset));
            let (partition, channel) = (PartitionId(partition), Channel::Events);
            expected.push(Stored { offset, partition, channel, record: Bytes::from(record) });
        }
        for bytes_max in [1, 700, 1 << 20] {
            assert_eq!(subject.all(Offset(0), bytes_max), expected);
        }
        for from in (0..expected.len()).step_by(7) {
            assert_eq!(subject.all(Offset(from as u64), 9000), expected[from..]);
        }
        assert!(subject.log.read(subject.log.durable_end(), 1).expect("reads").is_empty());
        subject.log.close();
    }
}

fn a_commit_that_does_not_know_the_last_one_is_stale(place: &impl Place) {
    let (medium, end) = place.open();
    let subject = Subject::start(medium, end);
    let first = subject.commit(None).expect("accepted");
    let second = subject.commit(Some(first)).expect("accepted");
    let stale = subject.commit(Some(first));
    assert!(matches!(stale, Err(AppendError::Stale { actual_last }) if actual_last == Some(second)));
    subject.log.wait_durable(second).expect("durable without anybody's hurry");
}

fn a_record_that_may_wait_waits_for_none_that_comes_later(place: &impl Place) {
    let (medium, end) = place.open();
    let subject = Subject::start(medium, end);
    for haste in [Haste::Soon, Haste::Later] {
        let alone = subject.event_with(haste, 1, b"alone").expect("accepted");
        assert_eq!(subject.settled(), Ok(alone), "durable by itself");
    }
    let orders = [[Haste::Later, Haste::Soon, Haste::Now], [Haste::Soon, Haste::Now, Haste::Later]];
    for order in orders.into_iter().cycle().take(20) {
        let accepted = order.map(|haste| subject.event_with(haste, 1, b"together").expect("accepted"));
        assert_eq!(accepted.map(|_| subject.settled()), accepted.map(Ok), "in the order of their offsets");
    }
}

fn a_lease_is_taken_once(place: &impl Place) {
    let (medium, end) = place.open();
    let subject = Subject::start(medium, end);
    subject.log.cas_lease(PartitionId(3), Epoch(0), Epoch(1)).expect("taken");
    let durable = subject.log.durable_end();
    assert_eq!(durable, end.next());
    let again = subject.log.cas_lease(PartitionId(3), Epoch(0), Epoch(1));
    assert!(matches!(again, Err(LeaseError::Taken(Epoch(1)))));
    subject.log.cas_lease(PartitionId(3), Epoch(1), Epoch(2)).expect("taken over");
}

fn what_was_trimmed_is_refused_and_the_rest_stays(place: &impl Place) {
    let (medium, end) = place.open();
    let subject = Subject::start(medium, end);
    for _ in 0..50 {
        subject.event(0, &[7; 1000]).expect("accepted");
        subject.settled().expect("durable");
    }
    assert_eq!(subject.log.trim(Offset(0)).expect("trims"), Offset(0));
    let start = subject.log.trim(Offset(20)).expect("trims");
    assert!(start > Offset(10) && start <= Offset(20));
    assert_eq!(subject.log.start(), start);
    assert!(matches!(subject.log.read(Offset(0), 1), Err(ReadError::Trimmed { .. })));
    assert_eq!(subject.all(start, 4000).len() as u64, 50 - start.0);
    assert_eq!(subject.log.retained_from(u64::MAX, Duration::from_secs(3600)), start);
    assert_eq!(subject.log.retained_from(0, Duration::from_secs(3600)), Offset(50));
    assert_eq!(subject.log.retained_from(u64::MAX, Duration::ZERO), Offset(50));
    let kept = subject.log.trim(Offset(u64::MAX)).expect("trims");
    assert_eq!(subject.all(kept, 4000).len() as u64, 50 - kept.0);
    subject.log.close();
    let (_, end) = place.open();
    assert_eq!(end, Offset(50));
}

fn a_record_that_is_too_long_and_a_log_that_is_closed_take_nothing(place: &impl Place) {
    let (medium, end) = place.open();
    let subject = Subject::start(medium, end);
    assert!(matches!(subject.event(0, &vec![0; 33 << 20]), Err(AppendError::TooLarge { .. })));
    let offset = subject.event(0, b"last").expect("accepted");
    subject.log.close();
    assert_eq!(subject.settled(), Ok(offset));
    assert!(matches!(subject.event(0, b"late"), Err(AppendError::Failed(_))));
}

macro_rules! on_every_medium {
    ($($case:ident)*) => {
        mod in_memory { $(#[test] fn $case() { super::$case(&super::InMemory(super::Memory::default())); })* }
        mod on_disk { $(#[test] fn $case() { super::$case(&super::OnDisk::new()); })* }
        mod in_memory_without_faults { $(#[test] fn $case() {
            super::$case(&super::WithFaults(super::InMemory(super::Memory::default()), super::Faults::default()));
        })* }
        mod on_disk_without_faults { $(#[test] fn $case() {
            super::$case(&super::WithFaults(super::OnDisk::new(), super::Faults::default()));
        })* }
    };
}

on_every_medium! {
    offsets_are_dense_and_the_tail_sees_before_receipts_settle
    what_was_accepted_is_read_again_after_the_log_was_opened_again
    a_commit_that_does_not_know_the_last_one_is_stale
    a_record_that_may_wait_waits_for_none_that_comes_later
    a_lease_is_taken_once
    what_was_trimmed_is_refused_and_the_rest_stays
    a_record_that_is_too_long_and_a_log_that_is_closed_take_nothing
}

fn a_full_disk_withholds_receipts_until_there_is_room(place: impl Place) {
    let faults = Faults::default();
    let place = WithFaults(place, faults.clone());
    let (medium, end) = place.open();
    let subject = Subject::start(medium, end);
    faults.fill();
    let mut accepted = 0;
    let full = loop {
        match subject.event(0, &[1; 1000]) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, AppendError::Full(append) if append.record.len() == 1000));
    assert!(accepted * 1000 <= PENDING_BYTES_MAX && !subject.log.room());
    let since = Instant::now();
    while faults.refused() < 2 {
        assert!(since.elapsed() < DEADLINE, "it is tried again");
        std::thread::yield_now();
    }
    assert!(subject.seen.try_recv().is_err(), "nothing is acknowledged");
    faults.make_room();
    let (mut settled, mut room) = (0, false);
    while settled < accepted || !room {
        match subject.next() {
            Seen::Durable(group) => room |= group.is_empty(),
            Seen::Settled(outcome) => {
                assert_eq!(outcome, Ok(Offset(settled as u64)));
                settled += 1;
            }
        }
    }
    assert!(subject.log.room());
    subject.event(0, b"on").expect("accepted");
    subject.settled().expect("durable");
    drop(subject);
    assert_eq!(place.open().1, Offset(accepted as u64 + 1));
}

fn a_failed_sync_or_write_is_the_end(place: impl Place, fail: impl Fn(&Faults)) {
    let faults = Faults::default();
    let place = WithFaults(place, faults.clone());
    let (medium, end) = place.open();
    let subject = Subject::start(medium, end);
    subject.event(0, b"before").expect("accepted");
    subject.settled().expect("durable");
    fail(&faults);
    let lost = subject.event(0, b"lost").expect("accepted");
    subject.settled().expect_err("it is not known to be durable");
    assert!(subject.log.wait_durable(lost).is_err());
    assert!(matches!(subject.event(0, b"after"), Err(AppendError::Failed(_))));
    assert!(subject.log.failure().is_some() && subject.log.room());
    assert_eq!(subject.log.durable_end(), Offset(1));
    assert_eq!(subject.all(Offset(0), 1 << 20).len(), 1);
}

#[test]
fn a_full_disk_withholds_receipts_on_every_medium() {
    a_full_disk_withholds_receipts_until_there_is_room(InMemory(Memory::default()));
    a_full_disk_withholds_receipts_until_there_is_room(OnDisk::new());
}

#[test]
fn a_failed_sync_or_write_ends_the_log_on_every_medium() {
    a_failed_sync_or_write_is_the_end(InMemory(Memory::default()), Faults::fail_syncs);
    a_failed_sync_or_write_is_the_end(InMemory(Memory::default()), Faults::fail_writes);
    a_failed_sync_or_write_is_the_end(OnDisk::new(), Faults::fail_syncs);
    a_failed_sync_or_write_is_the_end(OnDisk::new(), Faults::fail_writes);
}

#[test]
fn a_failed_read_is_told() {
    let faults = Faults::default();
    let (medium, end) = WithFaults(OnDisk::new(), faults.clone()).open();
    let subject = Subject::start(medium, end);
    subject.event(0, b"one").expect("accepted");
    subject.settled().expect("durable");
    faults.fail_reads();
    assert!(matches!(subject.log.read(Offset(0), 1), Err(ReadError::Io { .. })));
}

#[test]
fn writers_on_many_threads_get_every_record_settled_in_order() {
    let place = OnDisk::new();
    let (medium, end) = place.open();
    let subject = Subject::start(medium, end);
    let settled = Arc::new(Mutex::new(0));
    std::thread::scope(|scope| {
        for writer in 0..4_u16 {
            let (log, told, settled) = (&subject.log, subject.told.clone(), Arc::clone(&settled));
            scope.spawn(move || {
                for number in 0..250_u16 {
                    let mut append = Append {
                        partition: PartitionId(writer),
                        channel: Channel::Events,
                        expect: None,
                        record: Bytes::copy_from_slice(&number.to_le_bytes()),
                        haste: Haste::Now,
                        receipt: Some(Told(told.clone())),
                    };
                    while let Err(AppendError::Full(back)) = log.append(append) {
                        append = back;
                        std::thread::yield_now();
                    }
                    *settled.lock().expect("no panic") += 1;
                }
            });
        }
    });
    for offset in 0..*settled.lock().expect("no panic") {
        assert_eq!(subject.settled(), Ok(Offset(offset)));
    }
    for writer in 0..4 {
        let all = subject.all(Offset(0), 1 << 20);
        let own = all.iter().filter(|stored| stored.partition == PartitionId(writer));
        let numbers: Vec<_> = own.map(|stored| stored.record.to_vec()).collect();
        assert_eq!(numbers, (0..250_u16).map(|number| number.to_le_bytes().to_vec()).collect::<Vec<_>>());
    }
}
