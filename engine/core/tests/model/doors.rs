//! What makes events of what is in the store or in the log: timers, messages, requests, what waited, what came before.

use super::{Lane, World, at, is_cron, offset};
use crate::log::{self, EXPRESSION, Entry, PARTITIONS, has_cron, partition, place};
use crate::memory::Memory;
use crate::step::Line;
use bytes::Bytes;
use fleetfn_core::event::EventKind;
use fleetfn_core::partition::{BACKFILL, Cron, Fire, WAITED};
use fleetfn_core::wheel::PAGE_TIMERS;
use fleetfn_core::{Entity, Event, Offset};
use fleetfn_protocol::{DeviceId, FunctionName};
use std::collections::{BTreeMap, BTreeSet};

/// How far a backfill is; lost in a crash, and begun again then.
#[derive(Debug)]
pub(super) struct Feeder {
    /// The deployment that it belongs to.
    until: Offset,
    next: usize,
    seen: BTreeSet<(Vec<u8>, String, String)>,
    /// What it put into the log again, and where the last of it stands, by partition.
    causes: Vec<Offset>,
    last: BTreeMap<usize, Offset>,
}

impl World {
    pub(super) fn fire(&mut self, place: usize, mut room: usize) {
        loop {
            if self.lanes[place].partition.wanted_timers().is_some() {
                let turn = self.lanes[place].partition.poll_rest();
                self.commit(turn);
            }
            let zones = self.zones();
            let Lane { partition, memory, .. } = &mut self.lanes[place];
            if let Some(after) = partition.wanted_timers() {
                let page = memory.page(after, PAGE_TIMERS);
                partition.handle_timers(page);
            }
            let Ok(fire) = partition.poll_fire(self.now_ms, memory);
            match fire {
                None => return,
                Some(Fire::Nothing) => {}
                Some(Fire::Event { due, .. }) if room == 0 => return partition.handle_unfired(due),
                Some(Fire::Event { due, row }) => {
                    room -= 1;
                    let next_ms = match Entity::from_canonical(&due.key.entity) {
                        Some(Entity::Device(device)) if is_cron(&due.key) => {
                            log::next_ms(zones.get(&device).copied().unwrap_or_default(), self.now_ms)
                        }
                        _ => 0,
                    };
                    let event = Fire::encode(&due, &row, next_ms, self.now_ms, partition).expect("a timer");
                    self.log.push(Entry::Event(Event::decode(event).expect("an event")));
                }
            }
        }
    }

    pub(super) fn send(&mut self, place: usize, room: usize) {
        let Self { lanes, log, now_ms, .. } = self;
        let Lane { sends, sent, .. } = &mut lanes[place];
        for (sequence, send) in sends.drain(..room.min(sends.len())) {
            sent.push((sequence, log.len()));
            log.push(Entry::Event(log::message(partition(place), sequence, &send, *now_ms)));
        }
    }

    /// Answers the oldest requests, perhaps not for the first time.
    pub(super) fn fetch(&mut self, place: usize, room: usize) {
        let Self { lanes, log, now_ms, .. } = self;
        let requests = lanes[place].memory.requests.iter().take(room);
        log.extend(requests.map(|(id, request)| Entry::Event(log::response(id, request, *now_ms))));
    }

    pub(super) fn drain(&mut self, place: usize) {
        loop {
            let Self { lanes, routes, settings, next, now_ms, .. } = self;
            let partition = &mut lanes[place].partition;
            let Some(drain) = partition.poll_drain(offset(*next), *now_ms, routes, settings) else {
                return;
            };
            let turn = partition.poll_rest();
            self.commit(turn);
            let Self { lanes, log, now_ms, .. } = self;
            let Lane { memory, partition, .. } = &mut lanes[place];
            let wanted = |((name, row), _): &(&(FunctionName, Offset), &Bytes)| {
                *name == drain.function && drain.after.is_none_or(|after| *row > after)
            };
            let rows: Vec<_> = memory.backlog.iter().filter(wanted).take(drain.limit).collect();
            for ((name, row), record) in &rows {
                log.push(Entry::Event(log::again(*name, *row, WAITED, (*record).clone(), *now_ms)));
            }
            let rows: Vec<_> = rows.into_iter().map(|((_, row), _)| *row).collect();
            partition.handle_drained(drain.function, &rows);
            if rows.is_empty() {
                return;
            }
        }
    }

    /// Puts what came before the deployment of a function into the log again; once all of it is handled, the
    /// function goes on.
    pub(super) fn backfill(&mut self, room: usize) {
        for (name, (line, until)) in self.newest() {
            let Some(from) = line.backfill else { continue };
            let before = self.feeders.remove(&name).filter(|feeder| feeder.until == until);
            let mut feeder = before.unwrap_or_else(|| Feeder {
                until,
                next: usize::from(from),
                seen: BTreeSet::new(),
                causes: vec![],
                last: BTreeMap::new(),
            });
            self.feed(name, &mut feeder, room);
            let is_handled = |(place, last): (&usize, &Offset)| self.lanes[*place].memory.cursor > *last;
            if feeder.next == at(until) && feeder.last.iter().all(is_handled) {
                self.backfilled.insert((name, until), feeder.causes);
                self.deploy(name, Some(Line { backfill: None, ..line }));
            } else {
                self.feeders.insert(name, feeder);
            }
        }
    }

    fn feed(&mut self, name: FunctionName, feeder: &mut Feeder, mut room: usize) {
        while room > 0 && feeder.next < at(feeder.until) {
            let cause = offset(feeder.next);
            feeder.next += 1;
            let Some(Entry::Event(event)) = self.log.get(at(cause)).cloned() else { continue };
            let kind = event.kind();
            let wanted = matches!(
                kind,
                EventKind::Telemetry { .. }
                    | EventKind::TwinReported
                    | EventKind::CommandReply { .. }
                    | EventKind::Message { .. }
            );
            let id = event.message_id().to_string();
            let source = format!("{} {}", kind.word(), kind.detail());
            let is_new = id.is_empty() || feeder.seen.insert((event.entity().canonical(), id, source));
            if wanted && is_new {
                room -= 1;
                feeder.causes.push(cause);
                feeder.last.insert(place(&event.entity().canonical()), offset(self.log.len()));
                let record = event.bytes().clone();
                self.log.push(Entry::Event(log::again(name, cause, BACKFILL, record, self.now_ms)));
            }
        }
    }

    /// The functions that are there, and their newest acts.
    pub(crate) fn newest(&self) -> BTreeMap<FunctionName, (Line, Offset)> {
        let mut newest = BTreeMap::new();
        for (at, entry) in (0..).map(Offset).zip(&self.log) {
            match entry {
                Entry::Deploy(name, Some(line)) => drop(newest.insert(*name, (*line, at))),
                Entry::Deploy(name, None) => drop(newest.remove(name)),
                Entry::Event(_) | Entry::Budget(..) | Entry::Zone(..) | Entry::Commit(_) => {}
            }
        }
        newest
    }

    /// The time zones of the devices that have one.
    pub(crate) fn zones(&self) -> BTreeMap<DeviceId, u8> {
        let zone = |entry: &Entry| match entry {
            Entry::Zone(device, zone) => Some((*device, *zone)),
            Entry::Event(_) | Entry::Deploy(..) | Entry::Budget(..) | Entry::Commit(_) => None,
        };
        self.log.iter().filter_map(zone).collect()
    }

    /// Sees to the calendar of a function for every device.
    pub(super) fn arm_all(&mut self, name: FunctionName, line: &Line, since: Offset) {
        if [Some(line.live), line.canary].into_iter().flatten().any(has_cron) {
            (0..3).for_each(|number| self.arm(name, log::device(number), since));
        }
    }

    /// A device has moved.
    pub(super) fn arm_device(&mut self, device: DeviceId) {
        for (name, (line, since)) in self.newest() {
            if [Some(line.live), line.canary].into_iter().flatten().any(has_cron) {
                self.arm(name, device, since);
            }
        }
    }

    fn arm(&mut self, function: FunctionName, device: DeviceId, cause: Offset) {
        let next_ms = log::next_ms(self.zones().get(&device).copied().unwrap_or_default(), self.now_ms);
        let entity = Entity::Device(device).canonical();
        let cron = Cron { entity: &entity, function, expression: EXPRESSION, cause };
        debug_assert!(place(&entity) < PARTITIONS);
        let Lane { partition, memory, .. }: &mut Lane = &mut self.lanes[place(&entity)];
        let memory: &Memory = memory;
        let Ok(()) = partition.arm_cron(&cron, next_ms, self.now_ms, memory);
    }
}
