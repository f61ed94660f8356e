//! One log, executed in different ways, gives one result.
//!
//! A first run makes the log: 100,000 mixed events from outside (readings that make handlers keep, send, set timers,
//! fail, loop and break a schema, reports of twins, replies, presence, repeated messages), deployments of live, canary
//! and dark versions between them, and what these lead to: messages and timers that come due by the log's own time.
//! Then a copy of the log on disk is executed again by the workers themselves, with other sizes of turns, another number
//! of them, and kills that lose whatever was not committed. State, effects, fuel and dead letters must be the same, bit
//! for bit.

mod execute;

use crate::modules::Modules;
use execute::{Base, Way, execute};
use fleetfn_core::commit::{Change, OutboxKey, Send};
use fleetfn_core::deployment::{Canary, Deployment, Version};
use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::partition::{Committed as Taken, Fire, Outboxes};
use fleetfn_core::wheel::PAGE_TIMERS;
use fleetfn_core::{
    Commit, Entity, Epoch, Event, EventKind, Given, Invocation, Offset, Partition, PartitionId, Plan, Routes,
    Settings, Target, Turn,
};
use fleetfn_host::{Call, Host, Limits};
use fleetfn_protocol::{DeviceId, FunctionName};
use fleetfn_store::{Committed, Config, Durability, Error, Failure, Receipt, Store, Stored, Tail};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Events from outside.
const EVENTS: u64 = 100_000;

/// Partitions of the data: few, so that turns have many events.
const PARTITIONS: u16 = 8;

/// The newest dead letters that are compared: what every partition keeps for sure.
const LETTERS: usize = 256;

/// Milliseconds of the log's time between two events from outside.
const STEP_MS: u64 = 20;

/// What a handler does is the first letter of what it is given: keeps a count under a few keys, sends it on, sets or
/// cancels a timer, keeps something for a while, publishes, patches the twin, traps, gives up, or loops.
const GUEST: &str = include_str!("determinism/guest.wat");

/// A log that nobody waits for.
struct Nobody;

impl Receipt for Nobody {
    fn settle(self, _: Result<Offset, Failure>) {}
}

struct Ignored;

impl Tail for Ignored {
    fn durable(&mut self, _: &[Stored]) {}
}

/// Outboxes that always have room.
struct Endless;

impl Outboxes<Error> for Endless {
    fn reserve(&mut self, _: DeviceId, _: usize) -> Result<bool, Error> {
        Ok(true)
    }

    fn reserve_job(&mut self, _: DeviceId, _: usize) -> Result<(), Error> {
        Ok(())
    }

    fn withdraw(&mut self, _: &OutboxKey) {}
}

/// One record of the log.
#[derive(Clone)]
enum Record {
    Event(PartitionId, bytes::Bytes),
    Deployment(FunctionName, Option<Box<Deployment>>),
}

/// A random number generator (splitmix64) that gives the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Everything of one execution.
struct Execution {
    store: Store<Nobody>,
    _data: tempfile::TempDir,
    host: Host,
    routes: Routes,
    settings: Settings,
    partitions: Vec<Partition>,
    targets: Vec<Target>,
    invocations: Vec<Invocation>,
    /// Sends of the newest commits, with the partitions that they came from.
    sent: VecDeque<(PartitionId, u64, Send)>,
    deeds: Deeds,
}

fn partition(store: &Store<Nobody>, id: PartitionId) -> Partition {
    let view = store.view();
    let taken = Taken {
        cursor: view.cursor(id).expect("read"),
        timers: view.timers(id, usize::MAX).expect("read"),
        send_next: view.send_next(id).expect("read"),
        backlog: view.backlog_counts(id).expect("read").into_iter().collect(),
        spent: view.spent(id).expect("read"),
        ..Taken::default()
    };
    Partition::new(id, Epoch(u64::MAX), taken)
}

impl Execution {
    fn new(modules: &Modules) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let mut config = Config::new(data.path().to_owned());
        config.partitions = PARTITIONS;
        config.durability = Durability::None;
        let (store, _) = Store::open(config, Box::new(Ignored)).expect("opens");
        let all = || (0..PARTITIONS).map(PartitionId);
        Self {
            partitions: all().map(|id| partition(&store, id)).collect(),
            deeds: Deeds::new(),
            store,
            _data: data,
            host: Host::new(Limits::default(), Box::new(modules.clone())),
            routes: Routes::default(),
            settings: Settings::default(),
            targets: Vec::new(),
            invocations: Vec::new(),
            sent: VecDeque::new(),
        }
    }

    fn deploy(&mut self, offset: Offset, name: FunctionName, deployment: Option<&Deployment>) {
        self.routes.handle_deployment(offset, name, deployment);
    }

    fn event(&mut self, at: PartitionId, offset: Offset, record: &bytes::Bytes) {
        let Self { store, host, routes, settings, partitions, targets, invocations, .. } = self;
        let given = Given::decode(record.clone()).expect("an event");
        let partition = &mut partitions[usize::from(at.0)];
        let (view, facts) = (store.view(), store.view().partition(at));
        match partition.plan(offset, &given, routes, settings, &facts).expect("read") {
            Plan::Run(planned) => {
                targets.clear();
                targets.extend_from_slice(planned);
            }
            Plan::Past | Plan::Duplicate => return,
            Plan::Waiting => panic!("nothing is interrupted here"),
        }
        let event = &given.event;
        for target in targets.iter() {
            let (function, version, role) = (target.function, target.version, target.role);
            let state = view
                .state(at, partition.entity(), &function, event.received_at_ms())
                .with_device(event.device())
                .with_config(Arc::clone(settings.at(offset, &function)));
            let call = Call { function, version, role, trigger: target.trigger, event, offset };
            invocations.push(host.call(&call, partition.reader(target, state)));
        }
        partition.settle(offset, &given, invocations, 0, settings, &facts, &mut Endless).expect("settles");
        invocations.clear();
    }

    fn commit(&mut self, at: PartitionId, turn: Option<Turn>) {
        let Some(Turn { commit, .. }) = turn else { return };
        let committed = self.store.commit(&commit, None).expect("commits");
        assert!(matches!(committed, Committed::Now(_) | Committed::Before));
        self.deeds.count(&commit);
        for change in commit.changes {
            if let Change::SendPut { sequence, send } = change {
                self.sent.push_back((at, sequence, send));
            }
        }
    }

    fn turn(&mut self, at: PartitionId) {
        let turn = self.partitions[usize::from(at.0)].poll_rest();
        self.commit(at, turn);
    }

    /// Makes events of timers that are due and of what was sent, as workers do; only while the log is made.
    fn lead_to(&mut self, now_ms: u64) -> Vec<Record> {
        let mut records = Vec::new();
        for (from, sequence, send) in self.sent.drain(..) {
            let entity = Entity::from_canonical(&send.to).expect("an entity");
            let source = Entity::from_canonical(&send.from).expect("an entity").to_string();
            let origin = Origin {
                cause: Offset(send.effect.offset),
                function: send.effect.function,
                partition: from,
                sequence,
                hops: send.hops,
                source: &source,
            };
            let kind = EventKind::Message { name: std::str::from_utf8(&send.name).expect("text") };
            records.push(record(entity, kind, now_ms, "", Some(origin), &send.payload));
        }
        for at in (0..PARTITIONS).map(PartitionId) {
            self.turn(at);
            let partition = &mut self.partitions[usize::from(at.0)];
            let facts = self.store.view().partition(at);
            if let Some(after) = partition.wanted_timers() {
                let page = self.store.view().due(at, Some(after), PAGE_TIMERS).expect("read");
                partition.handle_timers(page);
            }
            while let Some(fire) = partition.poll_fire(now_ms, &facts).expect("read") {
                if let Fire::Event { due, row } = fire {
                    let event = Fire::encode(&due, &row, 0, now_ms, partition).expect("fits");
                    records.push(Record::Event(at, event));
                }
            }
        }
        records
    }

    /// What came of it.
    fn result(mut self) -> BTreeMap<&'static str, String> {
        for at in (0..PARTITIONS).map(PartitionId) {
            self.turn(at);
        }
        self.deeds.result(&self.store)
    }
}

/// What invocations did.
struct Deeds {
    /// In the order of the log for each partition.
    partitions: Vec<Sha256>,
    fuel: u64,
    invoked: u64,
}

impl Deeds {
    fn new() -> Self {
        let partitions = (0..PARTITIONS).map(|_| Sha256::new()).collect();
        Self { partitions, fuel: 0, invoked: 0 }
    }

    fn count(&mut self, commit: &Commit) {
        let deeds = &mut self.partitions[usize::from(commit.partition.0)];
        for recording in &commit.recordings {
            let mut deed = recording.clone();
            deed.guest_ns = 0;
            deeds.update(format!("{deed:?}"));
            self.fuel += recording.fuel;
            self.invoked += 1;
        }
    }

    /// Hashes of state, of what invocations did, and of dead letters; and the sums.
    fn result<R: Receipt>(self, store: &Store<R>) -> BTreeMap<&'static str, String> {
        let mut state = Sha256::new();
        for entity in entities() {
            let rows = store.view().entity_state(&entity.canonical(), usize::MAX).expect("read");
            state.update(format!("{entity} {rows:?}"));
            if let Entity::Device(id) = entity {
                state.update(format!("{:?}", store.view().twin(id).expect("read")));
            }
        }
        let mut letters = Sha256::new();
        let kept = store.view().dead_letters(None, LETTERS).expect("read");
        letters.update(format!("{kept:?}"));
        let mut deeds = Sha256::new();
        self.partitions.into_iter().for_each(|partition| deeds.update(partition.finalize()));
        let hex = |hash: Sha256| hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        BTreeMap::from([
            ("state", hex(state)),
            ("effects", hex(deeds)),
            ("dead letters", hex(letters)),
            ("fuel", self.fuel.to_string()),
            ("invocations", self.invoked.to_string()),
        ])
    }
}

fn device(number: u64) -> DeviceId {
    DeviceId::parse(&format!("d-{number}")).expect("a name")
}

fn entities() -> Vec<Entity<'static>> {
    (0..32).map(|number| Entity::Device(device(number))).chain([Entity::Named("sum/a")]).collect()
}

fn record(
    entity: Entity<'_>,
    kind: EventKind<'_>,
    received_at_ms: u64,
    message_id: &str,
    origin: Option<Origin<'_>>,
    payload: &[u8],
) -> Record {
    let parts = EventParts { entity, kind, received_at_ms, expiry_s: 0, message_id, origin, payload };
    Record::Event(entity.partition(PARTITIONS), parts.encode().expect("fits"))
}

/// An event from outside.
fn outside(random: &mut Random, now_ms: u64) -> Record {
    let entity = Entity::Device(device(random.below(32)));
    let op = b"saddtckkpwxrlaaa"[usize::try_from(random.below(16)).expect("small")];
    let id = if random.below(4) == 0 { random.below(50).to_string() } else { String::new() };
    let payload = [op, u8::try_from(random.below(256)).expect("a byte")];
    match random.below(20) {
        0 => record(entity, EventKind::Connected, now_ms, "", None, b""),
        1 => record(entity, EventKind::Disconnected { reason: "gone" }, now_ms, "", None, b""),
        2 => record(entity, EventKind::CommandReply { name: "c" }, now_ms, &id, None, &payload),
        3 => {
            let report = format!(r#"{{"rate":{}}}"#, random.below(4));
            record(entity, EventKind::TwinReported, now_ms, &id, None, report.as_bytes())
        }
        4 => record(entity, EventKind::Telemetry { channel: "j" }, now_ms, &id, None, b"[1]"),
        5 => record(entity, EventKind::Telemetry { channel: "j" }, now_ms, &id, None, b"{}"),
        _ => record(entity, EventKind::Telemetry { channel: "t" }, now_ms, &id, None, &payload),
    }
}

fn version(modules: &Modules, name: &str, number: u8) -> Version {
    let text = GUEST.replace("VERSION", &number.to_string()).replace("NAME", name);
    let wasm = wat::parse_str(text).expect("a module");
    let module = fleetfn_host::admit(&wasm).expect("is fit");
    modules.write(&module.hash(), &wasm).expect("written");
    Version { hash: module.hash(), manifest: module.manifest().clone(), deployed_at_ms: 0 }
}

/// Makes the log, and executes it one event a turn while it grows, until nothing comes of it any more.
fn make(modules: &Modules, base: &Base) -> (Vec<Record>, BTreeMap<&'static str, String>) {
    let name = |text: &str| FunctionName::parse(text).expect("a name");
    let (mut random, mut execution, mut log) = (Random(7), Execution::new(modules), Vec::new());
    let lines = |step: u64| {
        let (one, two, three) =
            (version(modules, "a", 1), version(modules, "a", 2), version(modules, "a", 3));
        let b = Deployment { live: Some(version(modules, "b", 5)), ..Deployment::default() };
        let live = |live: &Version| Deployment { live: Some(live.clone()), ..Deployment::default() };
        let canary = |percent| Some(Canary { version: two.clone(), percent });
        match step {
            0 => vec![("a", Some(live(&one))), ("b", Some(b))],
            1 => vec![("a", Some(Deployment { canary: canary(20), ..live(&one) }))],
            2 => vec![(
                "a",
                Some(Deployment {
                    canary: canary(60),
                    dark: Some(three),
                    dark_since: Offset(9),
                    ..live(&one)
                }),
            )],
            3 => vec![("a", Some(live(&two))), ("b", None)],
            4 => vec![
                ("a", Some(Deployment { dark: Some(one), dark_since: Offset(99), ..live(&three) })),
                ("b", Some(b)),
            ],
            _ => vec![],
        }
    };
    let take = |execution: &mut Execution, log: &mut Vec<Record>, record: Record| {
        let offset = base.append(&record);
        match &record {
            Record::Event(at, event) => {
                execution.event(*at, offset, event);
                execution.turn(*at);
            }
            Record::Deployment(name, deployment) => execution.deploy(offset, *name, deployment.as_deref()),
        }
        log.push(record);
    };
    for number in 0..EVENTS {
        if number % (EVENTS / 5) == 0 {
            for (of, deployment) in lines(number / (EVENTS / 5)) {
                take(&mut execution, &mut log, Record::Deployment(name(of), deployment.map(Box::new)));
            }
        }
        let now_ms = 1_700_000_000_000 + number * STEP_MS;
        let event = outside(&mut random, now_ms);
        take(&mut execution, &mut log, event);
        if number % 16 == 0 {
            for record in execution.lead_to(now_ms) {
                take(&mut execution, &mut log, record);
            }
        }
    }
    let mut now_ms = 1_700_000_000_000 + EVENTS * STEP_MS;
    loop {
        let records = execution.lead_to(now_ms);
        if records.is_empty() {
            return (log, execution.result());
        }
        records.into_iter().for_each(|record| take(&mut execution, &mut log, record));
        now_ms += 60_000;
    }
}

#[test]
fn one_log_gives_one_result_whatever_turns_workers_and_kills() {
    let data = tempfile::tempdir().expect("a directory");
    let modules = Modules::open(data.path()).expect("opens");
    let base = Base::open(&data.path().join("base"));
    let (log, made) = make(&modules, &base);
    let end = base.close();
    let events: Vec<_> = log
        .iter()
        .filter_map(|record| match record {
            Record::Event(_, bytes) => Event::decode(bytes.clone()).ok(),
            Record::Deployment(..) => None,
        })
        .collect();
    println!("{} events: {made:#?}", events.len());
    assert!(events.iter().filter(|event| event.kind().has_origin()).count() > 10_000);
    for way in [
        Way { workers: 1, read_bytes: 1 << 20, kill_every: 0 },
        Way { workers: 3, read_bytes: 10_000, kill_every: 15_000 },
    ] {
        let result = execute(&modules, &data.path().join("base"), end, &way);
        assert_eq!(result, made, "{way:?}");
    }
}
