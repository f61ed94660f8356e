//! One device on a stage: its rows, its job as the partition folds it, its timers, and what it sends.
//!
//! Each event is handled twice, as after a crash, and must give the same effects; orders are followed as the partition does,
//! and one that it would not follow fails the test.

use bytes::Bytes;
use fleetfn_core::effect::Effect;
use fleetfn_core::event::{Event, EventParts, Firing, Origin, Purpose};
use fleetfn_core::invocation::{StateReader, StateUnavailable};
use fleetfn_core::rollout::{
    DEVICE_FUNCTION, FUNCTION, OFFER, Offer, Release, WATCH, WITHDRAW, Watch, Withdraw,
};
use fleetfn_core::update::{JobError, Moves, Update, handle_event};
use fleetfn_core::{Entity, EventKind, Offset, PartitionId};
use fleetfn_protocol::limits::OFFER_BYTES_MAX;
use fleetfn_protocol::update::{
    Delivery, Dependencies, Digest, Envelope, KeyId, Manifest, Phase, Reason, SIGNATURE_BYTES, Signature,
    Status,
};
use fleetfn_protocol::{ClassId, DeviceId, FunctionName, ProductId};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) const START_MS: u64 = 1_774_872_000_000;
pub(crate) const MINUTE_MS: u64 = 60_000;

/// Sequence that the device runs at first.
pub(crate) const RUNNING: u32 = 3;

/// What is stored of the device, as the function reads it.
#[derive(Debug, Clone, Default)]
struct Rows {
    state: BTreeMap<Vec<u8>, Bytes>,
    update: Update,
    listeners: BTreeMap<String, Vec<FunctionName>>,
}

impl StateReader for Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.state.get(key).cloned())
    }

    fn scan(
        &self,
        _: &[u8],
        _: Option<&[u8]>,
        _: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        Err(StateUnavailable("nobody scans".into()))
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(None)
    }

    fn config(&self, _: &str) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(None)
    }

    fn update(&self) -> Result<Option<Update>, StateUnavailable> {
        Ok(Some(self.update.clone()))
    }

    fn listeners(&self, message: &str) -> Result<Vec<FunctionName>, StateUnavailable> {
        Ok(self.listeners.get(message).cloned().unwrap_or_default())
    }
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) to: String,
    pub(crate) name: String,
    pub(crate) payload: Value,
}

impl Sent {
    /// Rollout and message in one line, with the phase of a report.
    pub(crate) fn line(&self) -> String {
        let to = self.to.strip_prefix("rollout/").unwrap_or(&self.to);
        let name = self.name.strip_prefix("rollout/").unwrap_or(&self.name);
        match self.payload.get("phase").and_then(Value::as_str) {
            Some(phase) => format!("{to} {name} {phase}"),
            None => format!("{to} {name}"),
        }
    }
}

pub(crate) struct Stage {
    id: DeviceId,
    rows: Rows,
    pub(crate) now_ms: u64,
    timers: BTreeMap<String, (u64, Bytes)>,
    pub(crate) sent: Vec<Sent>,
    /// Orders that the device was given: the job's number, and whether it was withdrawn.
    pub(crate) orders: Vec<(u32, bool)>,
    /// The sequence that each job brings.
    pub(crate) brought: Vec<u32>,
    /// Each offer that became a job, in words.
    pub(crate) jobs: Vec<String>,
    pub(crate) moves: Moves,
    offset: u64,
}

pub(crate) fn function(name: &str) -> FunctionName {
    FunctionName::parse(name).expect("a name")
}

/// A signed manifest that nobody verifies here.
pub(crate) fn envelope(sequence: u32) -> Vec<u8> {
    signed("2.0", sequence)
}

fn signed(version: &str, sequence: u32) -> Vec<u8> {
    let manifest = Manifest {
        product: ProductId::parse("fan").expect("a name"),
        class: ClassId::parse("m3").expect("a name"),
        version,
        sequence,
        size: 8_000,
        digest: Digest([7; 32]),
        not_after_s: None,
        dependencies: Dependencies::NONE,
    };
    let mut room = [0; 600];
    let body = manifest.write(&mut room).expect("it fits").to_owned();
    let signature = Signature { key: KeyId([1; 8]), bytes: &[1; SIGNATURE_BYTES] };
    Envelope::write(&mut [0; 1_000], &[signature], &body).expect("it fits").to_owned()
}

pub(crate) fn release(sequence: u32) -> Release {
    named("2.0", sequence)
}

fn named(version: &str, sequence: u32) -> Release {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Release {
        product: ProductId::parse("fan").expect("a name"),
        class: ClassId::parse("m3").expect("a name"),
        version: version.into(),
        sequence,
        digest: Digest([7; 32]),
        envelope: Some(hex(signed(version, sequence))),
        patches: Vec::new(),
    }
}

impl Stage {
    /// A device that has said what it runs.
    pub(crate) fn new() -> Self {
        Self::of("fan-7")
    }

    /// The same with another name.
    pub(crate) fn of(id: &str) -> Self {
        let mut stage = Self {
            id: DeviceId::parse(id).expect("a name"),
            rows: Rows::default(),
            now_ms: START_MS,
            timers: BTreeMap::new(),
            sent: Vec::new(),
            orders: Vec::new(),
            brought: Vec::new(),
            jobs: Vec::new(),
            moves: Moves::default(),
            offset: 0,
        };
        stage.says(0, RUNNING, Phase::Idle, 0);
        stage
    }

    pub(crate) fn listen(&mut self, message: &str, functions: &[&str]) {
        let functions = functions.iter().map(|name| function(name)).collect();
        self.rows.listeners.insert(message.into(), functions);
    }

    pub(crate) fn update(&self) -> &Update {
        &self.rows.update
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.rows.state.contains_key(fleetfn_core::update::WATCH_ROW.as_bytes())
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.rows.state.values().map(Bytes::len).sum()
    }

    /// What was sent since this was last asked, a line each.
    pub(crate) fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent).iter().map(Sent::line).collect()
    }

    pub(crate) fn offer(&mut self, rollout: &str, generation: u32, weight: u16, sequence: u32) {
        self.offer_release(rollout, generation, weight, release(sequence), false);
    }

    pub(crate) fn offer_release(
        &mut self,
        rollout: &str,
        generation: u32,
        weight: u16,
        release: Release,
        whole: bool,
    ) {
        let expires_ms = self.now_ms + 60 * MINUTE_MS;
        let (rollout, variants) = (rollout.into(), Vec::new());
        self.told(OFFER, &Offer { rollout, generation, release, variants, weight, whole, expires_ms });
    }

    /// Offers sequence 7, with variants of these versions and sequences.
    pub(crate) fn offer_variants(&mut self, rollout: &str, generation: u32, variants: &[(&str, u32)]) {
        let variants = variants.iter().map(|(version, sequence)| named(version, *sequence)).collect();
        let (release, expires_ms) = (release(7), self.now_ms + 60 * MINUTE_MS);
        let rollout = rollout.into();
        self.told(
            OFFER,
            &Offer { rollout, generation, release, variants, weight: 100, whole: false, expires_ms },
        );
    }

    pub(crate) fn withdraw(&mut self, rollout: &str, generation: u32, await_device: bool) {
        let withdraw = Withdraw { rollout: rollout.into(), generation, await_device, why: "because".into() };
        self.told(WITHDRAW, &withdraw);
    }

    pub(crate) fn watch(&mut self, rollout: &str, quiet_ms: u64, for_s: u32) {
        self.told(WATCH, &Watch { rollout: rollout.into(), quiet_ms, for_s });
    }

    fn told<T: Serialize>(&mut self, name: &str, payload: &T) {
        let payload = serde_json::to_vec(payload).expect("it is one");
        self.message(name, FUNCTION, &payload).expect("it can be handled");
    }

    /// A message of a function.
    pub(crate) fn message(&mut self, name: &str, sender: &str, payload: &[u8]) -> Result<(), JobError> {
        let origin = Origin {
            cause: Offset(1),
            function: function(sender),
            partition: PartitionId(0),
            sequence: self.offset,
            hops: 1,
            source: "",
        };
        self.event(EventKind::Message { name }, Some(origin), payload)
    }

    /// The device publishes its status.
    pub(crate) fn says(&mut self, job: u32, sequence: u32, phase: Phase, have: u32) {
        self.says_why(job, sequence, phase, Reason::None, have);
    }

    /// The same with a reason.
    pub(crate) fn says_why(&mut self, job: u32, sequence: u32, phase: Phase, reason: Reason, have: u32) {
        let status = Status { job, sequence, version: "1.0", phase, reason, have, of: 8_000 };
        let payload = status.write(&mut [0; 64]).expect("it fits").to_owned();
        self.event(EventKind::UpdateStatus, None, &payload).expect("it can be handled");
    }

    pub(crate) fn connects(&mut self) {
        self.event(EventKind::Connected, None, b"").expect("it can be handled");
    }

    pub(crate) fn telemetry(&mut self) {
        if self.is_watched() {
            self.event(EventKind::Telemetry { channel: "t" }, None, b"21").expect("it can be handled");
        }
    }

    /// An operator gives it a job, as `fleetfn device update` does.
    pub(crate) fn operator_orders(&mut self, sequence: u32) {
        let job = self.rows.update.next_job().expect("there is one");
        let mut room = [0; OFFER_BYTES_MAX];
        let offer =
            fleetfn_protocol::update::Offer::write(&mut room, job, Delivery::Whole, &envelope(sequence))
                .expect("it fits")
                .to_owned();
        self.event(EventKind::UpdateRequested, None, &offer).expect("it can be handled");
    }

    /// An operator withdraws the newest job.
    pub(crate) fn operator_withdraws(&mut self) {
        let job = self.rows.update.job.as_ref().expect("there is one").number;
        let mut room = [0; 8];
        let offer =
            fleetfn_protocol::update::Offer::write_withdrawn(&mut room, job).expect("it fits").to_owned();
        self.event(EventKind::UpdateRequested, None, &offer).expect("it can be handled");
    }

    /// Lets time pass; timers fire when they are due.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while let Some((name, due_ms)) = self
            .timers
            .iter()
            .map(|(name, (due_ms, _))| (name.clone(), *due_ms))
            .min_by_key(|(_, due_ms)| *due_ms)
            && due_ms <= end_ms
        {
            let (_, payload) = self.timers.remove(&name).expect("it was there");
            self.now_ms = self.now_ms.max(due_ms);
            let firing = Firing { next_ms: 0, purpose: Purpose::Named(&name).to_bytes(), payload };
            let origin = Origin {
                cause: Offset(1),
                function: function(DEVICE_FUNCTION),
                partition: PartitionId(0),
                sequence: due_ms,
                hops: 0,
                source: "",
            };
            self.event(EventKind::TimerFired, Some(origin), &firing.encode()).expect("it can be handled");
        }
        self.now_ms = end_ms;
    }

    fn event(
        &mut self,
        kind: EventKind<'_>,
        origin: Option<Origin<'_>>,
        payload: &[u8],
    ) -> Result<(), JobError> {
        let parts = EventParts {
            entity: Entity::Device(self.id),
            kind,
            received_at_ms: self.now_ms,
            expiry_s: 0,
            message_id: "",
            origin,
            payload,
        };
        let event = Event::decode(parts.encode().expect("it can be encoded")).expect("it is one");
        self.offset += 1;
        let decision = handle_event(&event, &self.rows)?;
        assert_eq!(handle_event(&event, &self.rows).as_ref(), Ok(&decision), "after a crash");
        // What the partition does before functions.
        match kind {
            EventKind::UpdateStatus => drop(self.rows.update.handle_status(payload, self.now_ms)),
            EventKind::UpdateRequested => {
                drop(self.rows.update.handle_order(event.payload(), Offset(self.offset), self.now_ms));
            }
            _ => {}
        }
        for line in &decision.moves.lines {
            if let Some((offer, _)) = line.split_once(" is job ") {
                self.jobs.push(offer.into());
            }
        }
        self.moves = decision.moves;
        decision.effects.into_iter().for_each(|effect| self.apply(effect));
        Ok(())
    }

    /// Offers whose end is open although the device has not begun with them.
    pub(crate) fn open_offers(&self) -> Vec<String> {
        let begun = |job: &Value| {
            let newest =
                self.rows.update.job.as_ref().filter(|newest| Some(u64::from(newest.number)) == job.as_u64());
            newest.is_some_and(|newest| {
                newest.paused || newest.reached.is_some_and(|phase| phase != Phase::Idle)
            })
        };
        let mut open = self.standings();
        open.retain(|(_, one)| match &one["stage"] {
            Value::Object(stage) if stage.contains_key("given") => !begun(&one["job"]),
            Value::Object(_) => true,
            _ => false,
        });
        open.into_iter().map(|(name, _)| name).collect()
    }

    /// Whether the device is at the job of a rollout.
    pub(crate) fn is_installing(&self, rollout: &str) -> bool {
        self.standings().iter().any(|(name, one)| name == rollout && one["stage"].get("given").is_some())
    }

    fn standings(&self) -> Vec<(String, Value)> {
        let Some(row) = self.rows.state.get(b"offers".as_slice()) else { return Vec::new() };
        let row: Value = serde_json::from_slice(row).expect("JSON");
        let of = row["of"].as_object().cloned().unwrap_or_default();
        of.into_iter().collect()
    }

    fn apply(&mut self, effect: Effect) {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).expect("text");
        match effect {
            Effect::StatePut { key, value, .. } => drop(self.rows.state.insert(key.to_vec(), value)),
            Effect::StateDelete { key } => drop(self.rows.state.remove(&key.to_vec())),
            Effect::Send { entity, name, payload, .. } => {
                let to = Entity::from_canonical(&entity).expect("an entity").to_string();
                let payload = serde_json::from_slice(&payload).expect("JSON");
                self.sent.push(Sent { to, name: text(&name), payload });
            }
            Effect::TimerSet { name, payload, delay_s } => {
                let due_ms = self.now_ms + u64::from(delay_s) * 1_000;
                self.timers.insert(text(&name), (due_ms, payload));
            }
            Effect::TimerCancel { name } => drop(self.timers.remove(&text(&name))),
            Effect::UpdateOrder { offer } => {
                let parsed = fleetfn_protocol::update::Offer::parse(&offer).expect("an offer");
                let withdrawn = parsed.content == fleetfn_protocol::update::Content::Withdrawn;
                self.orders.push((parsed.job, withdrawn));
                let followed = self.rows.update.handle_order(offer.clone(), Offset(self.offset), self.now_ms);
                assert_eq!(followed, Ok(()), "the partition would not follow");
                let job = self.rows.update.job.as_ref().and_then(|job| job.manifest().ok());
                self.brought.extend(job.map(|manifest| manifest.sequence));
            }
            other => unreachable!("the function of jobs does not ask for {other:?}"),
        }
    }
}
