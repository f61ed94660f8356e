//! What the view answers: from memory, from the database, and after the store was opened again.

use bytes::Bytes;
use fleetfn_core::commit::{DeadLetter, Setting, Value};
use fleetfn_core::deployment::{Deployment, Manifest, ModuleHash, Version};
use fleetfn_core::difference::Difference;
use fleetfn_core::invocation::StateReader;
use fleetfn_core::settings::Config as Settings;
use fleetfn_core::twin::Twin;
use fleetfn_core::update::Update;
use fleetfn_core::usage::{Usage, UsageKey};
use fleetfn_core::{Change, Commit, Entity, Epoch, Facts, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, FunctionName};
use fleetfn_store::{Committed, Config, Haste, SettingRow, Store, Stored, Tail, View};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PARTITIONS: u16 = 3;
const PARTITION: PartitionId = PartitionId(1);
const CONTROL: PartitionId = PartitionId::CONTROL;
const DEADLINE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

struct Deaf;

impl Tail for Deaf {
    fn durable(&mut self, _: &[Stored]) {}
}

fn open(dir: &Path) -> Store<()> {
    let mut config = Config::new(dir.to_path_buf());
    config.partitions = PARTITIONS;
    config.segment_bytes = 4096;
    config.free_bytes_min = 0;
    config.cache_bytes = 1 << 20;
    // A snapshot whenever the log has grown.
    config.snapshot_log_bytes = 1;
    Store::open(config, Box::new(Deaf)).expect("opens").0
}

/// Takes each partition over at its first commit.
struct Writer<'a>(&'a Store<()>);

impl Writer<'_> {
    fn lease(&self, partition: PartitionId) -> Epoch {
        self.0.lease(partition).expect("taken")
    }

    fn commit(&self, partition: PartitionId, changes: Vec<Change>) -> Offset {
        let epoch = self.lease(partition);
        let commit = Commit { partition, epoch, cursor: None, changes, recordings: Vec::new() };
        match self.0.commit(&commit, None) {
            Ok(Committed::Now(offset)) => offset,
            other => unreachable!("nobody else has the partition: {other:?}"),
        }
    }
}

/// Lets the log grow, so that the next snapshot is taken: history is pruned with it.
fn grow(store: &Store<()>) {
    store
        .admit(PARTITION, Bytes::from_static(b"event"), Haste::Now, ())
        .map_err(|_| "refused")
        .expect("accepted");
}

/// Waits for what the flusher does.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < DEADLINE, "{what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Asks a store with fresh changes, and the same one opened again.
fn before_and_after_opening_again(partition: PartitionId, changes: Vec<Change>, ask: impl Fn(&View)) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    Writer(&store).commit(partition, changes);
    ask(store.view());
    store.close().expect("closes");
    ask(open(dir.path()).view());
    std::fs::remove_dir_all(dir.path().join("view")).expect("removes");
    ask(open(dir.path()).view());
}

fn name(text: &str) -> FunctionName {
    text.parse().expect("a name")
}

fn device() -> DeviceId {
    "d-1".parse().expect("a name")
}

fn value(text: &'static str, expires_at_ms: u64) -> Value {
    Value { bytes: Bytes::from_static(text.as_bytes()), expires_at_ms }
}

fn state(entity: &Entity<'_>, function: &str, key: &'static str, value: Value) -> Change {
    let (entity, function) = (entity.canonical().into(), name(function));
    Change::State { entity, function, key: Bytes::from_static(key.as_bytes()), value: Some(value) }
}

fn letter(offset: u64, function: &str) -> DeadLetter {
    DeadLetter {
        offset: Offset(offset),
        function: name(function),
        version: ModuleHash([1; 32]),
        received_at_ms: offset,
        error_type: "trap".into(),
        detail: "unreachable".into(),
        fuel: 7,
        logs: Vec::new(),
        event: "an event".into(),
    }
}

fn offsets(letters: &[DeadLetter]) -> Vec<u64> {
    letters.iter().map(|letter| letter.offset.0).collect()
}

#[test]
fn a_value_that_has_expired_is_not_seen_and_the_version_of_the_state_only_by_its_key() {
    let entity = Entity::Device(device());
    let changes = vec![
        state(&entity, "f", "", value("2", u64::MAX)),
        state(&entity, "f", "a", value("short", 100)),
        state(&entity, "f", "b", value("ever", u64::MAX)),
        state(&entity, "f", "c", value("", 101)),
        state(&entity, "g", "a", value("other", u64::MAX)),
    ];
    before_and_after_opening_again(PARTITION, changes, |view| {
        let at = |at_ms| view.state(PARTITION, &entity.canonical(), &name("f"), at_ms);
        let seen = |at_ms| {
            let mut keys = Vec::new();
            let mut visit = |key: &[u8], _: &Bytes| {
                keys.push(String::from_utf8(key.to_vec()).expect("text"));
                true
            };
            at(at_ms).scan(b"", None, &mut visit).expect("scans");
            keys
        };
        assert_eq!([seen(99), seen(100), seen(101)], [vec!["a", "b", "c"], vec!["b", "c"], vec!["b"]]);
        let get = |at_ms, key: &str| at(at_ms).get(key.as_bytes()).expect("reads");
        assert_eq!([get(99, "a"), get(100, "a")], [Some("short".into()), None]);
        assert_eq!([get(100, "c"), get(100, "")], [Some(Bytes::new()), Some("2".into())]);
        let expiry =
            |key: &str| view.partition(PARTITION).expiry(&entity.canonical(), &name("f"), key.as_bytes());
        assert_eq!(["a", "b", "z"].map(|key| expiry(key).expect("reads")), [Some(100), Some(u64::MAX), None]);
        let mut first = Vec::new();
        at(0)
            .scan(b"", Some(b"a"), &mut |key, _| {
                first.push(key.to_vec());
                false
            })
            .expect("scans");
        assert_eq!(first, [b"b"]);
    });
}

#[test]
fn an_invocation_reads_the_twin_of_its_device_and_its_configuration() {
    let partition = Entity::Device(device()).partition(PARTITIONS);
    let mut twin = Twin::default();
    twin.desire(br#"{"led":true}"#).expect("an object");
    let changes = vec![Change::Twin { device: device(), twin: twin.encode() }];
    before_and_after_opening_again(partition, changes, |view| {
        assert_eq!(view.twin(device()).expect("reads"), Some(twin.clone()));
        let state = || view.state(partition, &Entity::Device(device()).canonical(), &name("f"), 0);
        assert_eq!(state().twin(), Ok(None));
        assert_eq!(state().with_device(Some(device())).twin(), Ok(Some(twin.shown())));
        let other: DeviceId = "other".parse().expect("a name");
        assert_eq!(view.twin(other).expect("reads"), None);
        let unknown = state().with_device(Some(other)).twin();
        assert_eq!(unknown, Ok(Some(Twin::default().shown())));
        assert_eq!(state().config("limit"), Ok(None));
        let config = Arc::new(Settings::from([("limit".to_owned(), Bytes::from_static(b"30"))]));
        let state = state().with_config(config);
        assert_eq!((state.config("limit"), state.config("x")), (Ok(Some("30".into())), Ok(None)));
    });
}

#[test]
fn a_twin_that_is_damaged_is_told() {
    let partition = Entity::Device(device()).partition(PARTITIONS);
    let changes = vec![Change::Twin { device: device(), twin: Bytes::from_static(b"?") }];
    before_and_after_opening_again(partition, changes, |view| {
        assert!(view.twin(device()).is_err() && view.partition(partition).twin(&device()).is_err());
        let state = view.state(partition, b"dd-1", &name("f"), 0).with_device(Some(device()));
        assert!(state.twin().is_err());
    });
}

#[test]
fn dead_letters_are_found_by_function_from_either_end_and_one_by_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let writer = Writer(&store);
    for offset in 0..12 {
        let function = if offset % 3 == 0 { "g" } else { "f" };
        let partition = PartitionId(u16::try_from(offset % 2).expect("small"));
        writer.commit(partition, vec![Change::DeadLetterPut { letter: letter(offset, function) }]);
    }
    let view = store.view();
    let newest = |function: Option<&str>, limit| {
        offsets(&view.dead_letters(function.map(name), limit).expect("reads"))
    };
    assert_eq!(newest(None, 5), [11, 10, 9, 8, 7]);
    assert_eq!(newest(Some("g"), 3), [9, 6, 3]);
    assert_eq!(newest(Some("h"), 3), [0; 0]);
    assert_eq!(newest(None, 0), [0; 0]);
    let oldest = |function: Option<&str>, after: Option<(u64, &str)>, limit| {
        let after = after.map(|(offset, function)| (Offset(offset), name(function)));
        offsets(&view.dead_letters_after(function.map(name), after, limit).expect("reads"))
    };
    assert_eq!(oldest(None, None, 4), [0, 1, 2, 3]);
    assert_eq!(oldest(None, Some((3, "g")), 4), [4, 5, 6, 7]);
    assert_eq!(oldest(None, Some((3, "f")), 2), [3, 4]);
    assert_eq!(oldest(Some("f"), Some((3, "g")), 9), [4, 5, 7, 8, 10, 11]);
    assert_eq!(oldest(Some("g"), None, 2), [0, 3]);
    assert_eq!(oldest(None, None, 0), [0; 0]);
    let one = view.dead_letter(Offset(7), &name("f")).expect("reads");
    assert_eq!(one, Some((PartitionId(1), letter(7, "f"))));
    assert_eq!(view.dead_letter(Offset(7), &name("g")).expect("reads"), None);
    let deletion = Change::DeadLetterDelete { offset: Offset(7), function: name("f") };
    writer.commit(PartitionId(1), vec![deletion]);
    assert_eq!(view.dead_letter(Offset(7), &name("f")).expect("reads"), None);
    assert!(!view.partition(PartitionId(1)).has_dead_letter(Offset(7), &name("f")).expect("reads"));
    assert!(view.partition(PartitionId(1)).has_dead_letter(Offset(11), &name("f")).expect("reads"));
}

#[test]
fn of_refused_payloads_a_partition_keeps_the_newest_of_a_function() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let writer = Writer(&store);
    for (partition, offset, function) in [(0, 1, "f"), (2, 2, "f"), (0, 3, "f"), (0, 4, "g"), (1, 5, "f")] {
        writer.commit(PartitionId(partition), vec![Change::Refused { letter: letter(offset, function) }]);
    }
    assert_eq!(offsets(&store.view().refused(&name("f")).expect("reads")), [5, 3, 2]);
    assert_eq!(offsets(&store.view().refused(&name("g")).expect("reads")), [4]);
}

#[test]
fn only_the_newest_differences_and_dead_letters_are_kept_also_when_the_store_is_opened_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let difference = |offset, function| Change::Difference {
        difference: Box::new(Difference {
            offset: Offset(offset),
            entity: "dd-1".into(),
            function: name(function),
            live: None,
            dark: None,
        }),
    };
    let put = |store: &Store<()>, from, to| {
        let changes = (from..to).flat_map(|offset| {
            let letter = Change::DeadLetterPut { letter: letter(offset, "f") };
            [difference(offset, "f"), difference(offset / 2, "g"), letter]
        });
        Writer(store).commit(PARTITION, changes.collect());
    };
    let check = |store: &Store<()>, end: u64| {
        let kept = |function: &str| {
            let all = store.view().differences(&name(function), 1000).expect("reads");
            all.iter().map(|difference| difference.offset.0).collect::<Vec<_>>()
        };
        assert_eq!(kept("f"), (end - 64..end).rev().collect::<Vec<_>>());
        assert_eq!(kept("g"), (end / 2 - 64..end / 2).rev().collect::<Vec<_>>());
        let letters = store.view().dead_letters(None, 1000).expect("reads");
        assert_eq!(offsets(&letters), (end - 256..end).rev().collect::<Vec<_>>());
        let two = store.view().differences(&name("f"), 2).expect("reads");
        assert_eq!(two.iter().map(|difference| difference.offset.0).collect::<Vec<_>>(), [end - 1, end - 2]);
    };
    let store = open(dir.path());
    put(&store, 0, 280);
    check(&store, 280);
    store.close().expect("closes");
    let store = open(dir.path());
    check(&store, 280);
    put(&store, 280, 300);
    check(&store, 300);
    drop(store);
    std::fs::remove_dir_all(dir.path().join("view")).expect("removes");
    check(&open(dir.path()), 300);
}

#[test]
fn usage_of_a_month_is_paged_over_all_partitions() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let writer = Writer(&store);
    let key = |month, function: &str, entity: &str| UsageKey {
        month,
        function: name(function),
        entity: Bytes::copy_from_slice(entity.as_bytes()),
    };
    for partition in (0..PARTITIONS).map(PartitionId) {
        let row =
            |key| Change::Usage { key, usage: Usage { fuel: u64::from(partition.0), ..Usage::default() } };
        let months = [key(202_612, "a", "dx"), key(202_611, "a", "dy"), key(202_611, "a", "dx")];
        writer.commit(partition, months.into_iter().chain([key(202_611, "b", "dx")]).map(row).collect());
    }
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.view().usage(202_611, after.as_ref(), 2).expect("reads");
        let Some((partition, key, _)) = page.last() else { break };
        after = Some((*partition, key.clone()));
        all.extend(page);
    }
    let expected = (0..PARTITIONS).flat_map(|partition| {
        [("a", "dx"), ("a", "dy"), ("b", "dx")].map(|(function, entity)| {
            let usage = Usage { fuel: u64::from(partition), ..Usage::default() };
            (PartitionId(partition), key(202_611, function, entity), usage)
        })
    });
    assert_eq!(all, expected.collect::<Vec<_>>());
    assert_eq!(store.view().usage(202_610, None, 9).expect("reads"), []);
}

#[test]
fn the_state_of_an_entity_is_shown_and_that_of_functions_is_measured() {
    let (one, two) = (Entity::Named("room-1"), Entity::Named("room-2"));
    let partition = one.partition(PARTITIONS);
    let changes = vec![
        state(&one, "f", "", value("2", u64::MAX)),
        state(&one, "f", "key", value("value", 9)),
        state(&one, "g", "k", value("v", u64::MAX)),
        state(&two, "f", "k", value("12345", u64::MAX)),
    ];
    before_and_after_opening_again(partition, changes, |view| {
        let shown = view.entity_state(&one.canonical(), 10).expect("reads");
        let expected = [
            (name("f"), Bytes::new(), value("2", u64::MAX)),
            (name("f"), "key".into(), value("value", 9)),
            (name("g"), "k".into(), value("v", u64::MAX)),
        ];
        assert_eq!(shown, expected);
        assert_eq!(view.entity_state(&one.canonical(), 2).expect("reads"), expected[..2]);
        let mut sizes = Vec::new();
        let tell = &mut |entity: &[u8], function, bytes| sizes.push((entity.to_vec(), function, bytes));
        view.state_sizes(partition, tell).expect("reads");
        let of = |entity: &Entity<'_>, function, bytes| (entity.canonical(), name(function), bytes);
        assert_eq!(sizes, [of(&one, "f", 9), of(&one, "g", 2), of(&two, "f", 6)]);
    });
}

#[test]
fn settings_keep_what_they_were_until_every_event_before_is_handled() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let writer = Writer(&store);
    let set = |key: &str, setting: Option<Setting>| {
        writer.commit(CONTROL, vec![Change::Setting { name: name("f"), key: key.into(), setting }])
    };
    let config = |text: &'static str| Some(Setting::Config(Bytes::from_static(text.as_bytes())));
    let secret = Some(Setting::Secret(Bytes::from_static(b"sealed")));
    let first = set("limit", config("30"));
    let second = set("token", secret.clone());
    let third = set("limit", config("31"));
    let fourth = set("token", None);
    let row =
        |since, key: &str, setting| SettingRow { since, function: name("f"), key: key.to_owned(), setting };
    let all = [
        row(first, "limit", config("30")),
        row(second, "token", secret),
        row(third, "limit", config("31")),
        row(fourth, "token", None),
    ];
    assert_eq!(store.view().settings().expect("reads"), all);
    store.handled(0, third);
    let snapshots = || std::fs::read_dir(dir.path().join("snapshots")).expect("reads").count();
    until("two snapshots are taken", || {
        grow(&store);
        snapshots() == 2
    });
    assert_eq!(store.view().settings().expect("reads"), all, "an event at the third reads the first");
    store.handled(0, fourth.next());
    until("what nobody reads is gone", || {
        grow(&store);
        store.view().settings().expect("reads") == all[2..3]
    });
    store.close().expect("closes");
    assert_eq!(open(dir.path()).view().settings().expect("reads"), all[2..3]);
}

#[test]
fn what_a_dark_version_saw_goes_when_no_event_runs_it_any_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let writer = Writer(&store);
    let (entity, function) = (Entity::Device(device()).canonical(), name("f"));
    let dark = |since| {
        let version =
            Version { hash: ModuleHash([2; 32]), manifest: Manifest::new(function), deployed_at_ms: 0 };
        let dark_since = Offset(since);
        let deployment = Deployment { dark: Some(version), dark_since, ..Deployment::default() };
        let change = Change::Deployment { name: function, deployment: Some(Box::new(deployment)) };
        writer.commit(CONTROL, vec![change])
    };
    let shadow = |since, key: u8| Change::Shadow {
        entity: entity.clone().into(),
        function,
        since: Offset(since),
        key: Bytes::from(vec![key]),
        value: (key > 0).then(|| value("v", u64::MAX)),
    };
    let seen = |since| {
        let facts = store.view().partition(PARTITION);
        facts.shadow(&entity, &function, Offset(since)).expect("reads").len()
    };
    dark(5);
    writer.commit(PARTITION, (0..100).map(|key| shadow(5, key)).collect());
    let second = dark(9);
    writer.commit(PARTITION, (0..3).map(|key| shadow(9, key)).collect());
    assert_eq!((seen(5), seen(9)), (100, 3), "events before the second run the first");
    store.handled(0, second.next());
    until("the first one's rows go", || {
        grow(&store);
        seen(5) == 0
    });
    assert_eq!(seen(9), 3);
    let removal = Change::Deployment { name: function, deployment: None };
    let removed = writer.commit(CONTROL, vec![removal]);
    store.handled(0, removed.next());
    until("the second one's rows go", || {
        grow(&store);
        seen(9) == 0
    });
}

#[test]
fn a_scan_over_more_than_the_overlay_shows_at_once_misses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let writer = Writer(&store);
    let entity = Entity::Device(device()).canonical();
    let put = |number: u32, value: Option<Value>| Change::State {
        entity: entity.clone().into(),
        function: name("f"),
        key: Bytes::copy_from_slice(&number.to_be_bytes()),
        value,
    };
    writer.commit(PARTITION, (0..3000).map(|number| put(number, Some(value("old", u64::MAX)))).collect());
    let newer = |number| (number % 2 == 0).then(|| value("new", u64::MAX));
    writer.commit(PARTITION, (0..6000).step_by(3).map(|number| put(number, newer(number))).collect());
    let mut shown = Vec::new();
    let view = store.view().state(PARTITION, &entity, &name("f"), 0);
    view.scan(b"", None, &mut |key, bytes| {
        let number = u32::from_be_bytes(key.try_into().expect("four bytes"));
        shown.push((number, bytes.clone()));
        true
    })
    .expect("scans");
    let expected = (0..6000).filter_map(|number| match number % 3 {
        0 => newer(number).map(|value| (number, value.bytes)),
        _ => (number < 3000).then(|| (number, "old".into())),
    });
    assert_eq!(shown, expected.collect::<Vec<_>>());
}

#[test]
fn what_is_kept_of_many_devices_is_what_is_kept_of_each() {
    let id = |number: usize| format!("d-{number:03}").parse::<DeviceId>().expect("a name");
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let twin = |number: usize| {
        let mut twin = Twin::default();
        twin.report(format!("{{\"n\":{number}}}").as_bytes()).expect("it is a change");
        twin.encode()
    };
    // Gaps of all lengths, and of some firmware is known as well.
    let known: Vec<usize> =
        (0..200).filter(|number| number % 3 != 0 && !(60..120).contains(number)).collect();
    for partition in (0..PARTITIONS).map(PartitionId) {
        let of_partition = |number: &&usize| Entity::Device(id(**number)).partition(PARTITIONS) == partition;
        let mut changes = Vec::new();
        for number in known.iter().filter(of_partition) {
            changes.push(Change::Twin { device: id(*number), twin: twin(*number) });
            if number % 2 == 0 {
                let update = Update { job_last: u32::try_from(*number).expect("small"), ..Update::default() };
                changes.push(Change::Update { device: id(*number), update: Box::new(update) });
            }
        }
        Writer(&store).commit(partition, changes);
    }
    let ask = |view: &View| {
        for step in [1, 2, 7, 50, 199] {
            let mut devices: Vec<DeviceId> = (0..200).step_by(step).map(id).collect();
            // In any order.
            devices.extend([5, 1, 4, 150, 1].map(id));
            let twins = devices.iter().map(|device| view.twin(*device).expect("reads")).collect::<Vec<_>>();
            let updates =
                devices.iter().map(|device| view.update(*device).expect("reads")).collect::<Vec<_>>();
            assert_eq!(view.twins_of(&devices).expect("reads"), twins, "every {step}");
            assert_eq!(view.updates_of(&devices).expect("reads"), updates, "every {step}");
            assert!(step > 7 || twins.iter().any(Option::is_some));
        }
        assert_eq!(view.twins_of(&[]).expect("reads"), []);
    };
    ask(store.view());
    store.close().expect("closes");
    ask(open(dir.path()).view());
}
