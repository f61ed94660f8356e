use super::*;
use bytes::Bytes;

fn stored(offset: u64, partition: PartitionId, channel: Channel) -> Stored {
    Stored { offset: Offset(offset), partition, channel, record: Bytes::from_static(b"record") }
}

fn events(offsets: std::ops::Range<u64>) -> Vec<Stored> {
    offsets.map(|offset| stored(offset, PartitionId(0), Channel::Events)).collect()
}

fn tail(inboxes: &Inboxes) -> Fanout {
    inboxes.tail(Arc::default(), Arc::default())
}

#[test]
fn a_worker_gets_its_partitions_and_every_control_record() {
    let inboxes = Inboxes::new(2, 4);
    tail(&inboxes).durable(&[
        stored(0, PartitionId(3), Channel::Events),
        stored(1, PartitionId(3), Channel::Commits),
        stored(2, PartitionId::CONTROL, Channel::Commits),
        stored(3, PartitionId(2), Channel::Events),
    ]);
    let offsets = |worker: usize| {
        let mut batch = vec![];
        assert_eq!(inboxes.all()[worker].take(Offset(0), &mut batch), Found::UpTo(Offset(4)));
        batch.iter().map(|stored| stored.offset.0).collect::<Vec<_>>()
    };
    assert_eq!((offsets(0), offsets(1)), (vec![2, 3], vec![0, 2]));
}

#[test]
fn a_full_inbox_keeps_the_oldest_and_shows_the_gap() {
    let inboxes = Inboxes::new(1, 1);
    let (mut tail, inbox, mut batch) = (tail(&inboxes), Arc::clone(&inboxes.all()[0]), vec![]);
    let max = RECORDS_MAX as u64;
    tail.durable(&events(0..max));
    tail.durable(&events(max..max + 2));
    assert_eq!(inbox.take(Offset(0), &mut batch), Found::UpTo(Offset(max)));
    assert_eq!(batch.len(), RECORDS_MAX);
    assert_eq!(inbox.take(Offset(max), &mut batch), Found::Gap(Offset(max + 2)));
    tail.durable(&events(max + 2..max + 3));
    assert_eq!(inbox.take(Offset(max), &mut batch), Found::Gap(Offset(max + 2)));
    assert_eq!(inbox.take(Offset(max + 2), &mut batch), Found::UpTo(Offset(max + 3)));
    assert_eq!(inbox.take(Offset(max + 3), &mut batch), Found::Nothing);
}

#[test]
fn a_group_larger_than_the_inbox_is_taken_when_nothing_waits() {
    let inboxes = Inboxes::new(1, 1);
    let mut batch = vec![];
    tail(&inboxes).durable(&events(0..RECORDS_MAX as u64 + 5));
    inboxes.all()[0].take(Offset(0), &mut batch);
    assert_eq!(batch.len(), RECORDS_MAX + 5);
}

#[test]
fn what_was_durable_before_the_start_is_a_gap() {
    let inboxes = Inboxes::new(1, 1);
    let (inbox, mut batch) = (Arc::clone(&inboxes.all()[0]), vec![]);
    inbox.open(Offset(7));
    assert_eq!(inbox.take(Offset(3), &mut batch), Found::Gap(Offset(7)));
    tail(&inboxes).durable(&events(7..9));
    assert_eq!(inbox.take(Offset(3), &mut batch), Found::Gap(Offset(7)));
    assert_eq!(inbox.take(Offset(7), &mut batch), Found::UpTo(Offset(9)));
}

#[test]
fn going_back_reads_the_log_and_then_what_waited() {
    let inboxes = Inboxes::new(1, 1);
    let (mut tail, inbox, mut batch) = (tail(&inboxes), Arc::clone(&inboxes.all()[0]), vec![]);
    tail.durable(&events(0..4));
    inbox.take(Offset(0), &mut batch);
    tail.durable(&events(4..6));
    assert_eq!(inbox.take(Offset(1), &mut batch), Found::Gap(Offset(4)));
    assert_eq!(inbox.take(Offset(4), &mut batch), Found::UpTo(Offset(6)));
}
