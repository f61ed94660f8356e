//! Timers of functions: read ahead, and made events when their time has come; timers of the calendar set.

use super::Worker;
use crate::admit::Waiter;
use crate::calendar;
use anyhow::Context;
use fleetfn_core::commit::{DeviceRow, Due};
use fleetfn_core::deployment::{Deployment, Per, Trigger};
use fleetfn_core::event::Purpose;
use fleetfn_core::partition::{Cron, Fire};
use fleetfn_core::wheel::PAGE_TIMERS;
use fleetfn_core::{Entity, Offset};
use fleetfn_protocol::{DeviceId, FunctionName};
use fleetfn_store::{AppendError, Haste};

/// Timers of a partition that are fired before events are handled again.
const FIRES_PER_TURN: usize = 256;

/// Devices that are looked at together when timers of the calendar are set.
const DEVICES_PER_PAGE: usize = 1_000;

/// A `cron` trigger of a version that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    function: FunctionName,
    expression: String,
    per: Per,
    cause: Offset,
}

/// The `cron` triggers of the versions of a deployment that count.
pub(super) fn schedules(name: FunctionName, since: Offset, deployment: &Deployment) -> Vec<Schedule> {
    let canary = deployment.canary.as_ref().map(|canary| &canary.version);
    let triggers = deployment.live.iter().chain(canary).flat_map(|version| &version.manifest.triggers);
    let schedule = |trigger: &Trigger| match trigger {
        Trigger::Cron { expression, per } => {
            Some(Schedule { function: name, expression: expression.clone(), per: *per, cause: since })
        }
        _ => None,
    };
    triggers.filter_map(schedule).collect()
}

/// The entity that a function itself is.
fn of_function(name: &FunctionName) -> String {
    format!("functions/{name}")
}

impl Worker {
    /// Makes events of the timers whose time has come.
    pub(super) fn fire(&mut self, now_ms: u64) -> anyhow::Result<()> {
        for place in 0..self.lanes.len() {
            self.read_ahead(place)?;
            for _ in 0..FIRES_PER_TURN {
                if !self.fire_one(place, now_ms)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads the next timers of a partition, if it has used up those that it knows.
    fn read_ahead(&mut self, place: usize) -> anyhow::Result<()> {
        let Some(lane) = self.lanes.get_mut(place).filter(|lane| lane.partition.wanted_timers().is_some())
        else {
            return Ok(());
        };
        let turn = lane.partition.poll_rest();
        self.commit(place, turn)?;
        if let Some(lane) = self.lanes.get_mut(place)
            && let Some(after) = lane.partition.wanted_timers()
        {
            let page = self.store.view().due(lane.partition.id(), Some(after), PAGE_TIMERS);
            lane.partition.handle_timers(page.context("cannot read the timers of a partition")?);
        }
        Ok(())
    }

    /// Whether there may be another one to fire.
    fn fire_one(&mut self, place: usize, now_ms: u64) -> anyhow::Result<bool> {
        let Self { lanes, store, tally, .. } = self;
        let Some(lane) = lanes.get_mut(place).filter(|lane| !lane.lost) else {
            return Ok(false);
        };
        let partition = &mut lane.partition;
        let facts = store.view().partition(partition.id());
        let (due, row) = match partition.poll_fire(now_ms, &facts)? {
            None => return Ok(false),
            Some(Fire::Nothing) => return Ok(true),
            Some(Fire::Event { due, row }) => (due, row),
        };
        let next_ms = match next(store.view(), &due, now_ms)? {
            Next::Gone => {
                partition.drop_timer(&due, now_ms, &facts)?;
                return Ok(true);
            }
            Next::At(next_ms) => next_ms,
        };
        let Some(event) = Fire::encode(&due, &row, next_ms, now_ms, partition) else {
            tracing::error!(?due, "a timer cannot be made an event");
            partition.drop_timer(&due, now_ms, &facts)?;
            return Ok(true);
        };
        match store.admit(partition.id(), event, Haste::Now, Waiter::Nobody) {
            Ok(_) => {
                tally.fired += 1;
                Ok(true)
            }
            Err(AppendError::Full(_)) => {
                partition.handle_unfired(due);
                Ok(false)
            }
            Err(error) => Err(anyhow::anyhow!("a timer cannot be made durable: {error}")),
        }
    }

    /// Takes note of the `cron` triggers of a deployment, and sets their timers.
    pub(super) fn schedule(
        &mut self,
        name: FunctionName,
        since: Offset,
        deployment: Option<&Deployment>,
        now_ms: u64,
    ) -> anyhow::Result<()> {
        self.schedules.retain(|schedule| schedule.function != name);
        let new = deployment.map(|deployment| schedules(name, since, deployment)).unwrap_or_default();
        self.set_timers(&new, now_ms)?;
        self.schedules.extend(new);
        Ok(())
    }

    /// Sets the timers of all `cron` triggers, where they are not set.
    pub(super) fn set_timers(&mut self, schedules: &[Schedule], now_ms: u64) -> anyhow::Result<()> {
        for schedule in schedules.iter().filter(|schedule| schedule.per == Per::Function) {
            self.set_timer(schedule, Entity::Named(&of_function(&schedule.function)), None, now_ms)?;
        }
        if !schedules.iter().any(|schedule| schedule.per == Per::Device) {
            return Ok(());
        }
        let mut after = None;
        loop {
            let devices = self.store.view().devices(after, DEVICES_PER_PAGE)?;
            for (id, row) in &devices {
                self.set_timers_of(schedules, *id, row, now_ms)?;
            }
            after = devices.last().map(|(id, _)| *id);
            if devices.len() < DEVICES_PER_PAGE {
                return Ok(());
            }
        }
    }

    /// A device was added, or has moved to another time zone.
    pub(super) fn handle_device(&mut self, id: DeviceId, row: &DeviceRow, now_ms: u64) -> anyhow::Result<()> {
        let schedules = self.schedules.clone();
        self.set_timers_of(&schedules, id, row, now_ms)
    }

    fn set_timers_of(
        &mut self,
        schedules: &[Schedule],
        id: DeviceId,
        row: &DeviceRow,
        now_ms: u64,
    ) -> anyhow::Result<()> {
        for schedule in schedules.iter().filter(|schedule| schedule.per == Per::Device) {
            self.set_timer(schedule, Entity::Device(id), row.time_zone.as_deref(), now_ms)?;
        }
        Ok(())
    }

    /// Sets one timer, if its entity is of one of this worker's partitions.
    fn set_timer(
        &mut self,
        schedule: &Schedule,
        entity: Entity<'_>,
        zone: Option<&str>,
        now_ms: u64,
    ) -> anyhow::Result<()> {
        let partition = entity.partition(self.partitions);
        if self.inboxes.worker_of(partition) != self.number {
            return Ok(());
        }
        let place = usize::from(partition.0) / self.inboxes.all().len();
        let (Some(lane), Some(next_ms)) =
            (self.lanes.get_mut(place), calendar::next_ms(&schedule.expression, zone, now_ms))
        else {
            return Ok(());
        };
        let Schedule { function, expression, cause, .. } = schedule;
        let cron = Cron { entity: &entity.canonical(), function: *function, expression, cause: *cause };
        let facts = self.store.view().partition(partition);
        lane.partition.arm_cron(&cron, next_ms, now_ms, &facts)?;
        Ok(())
    }
}

/// When a timer is due again.
enum Next {
    /// At this time; 0 for never.
    At(u64),
    /// Its device is registered no more.
    Gone,
}

fn next(view: &fleetfn_store::View, due: &Due, now_ms: u64) -> anyhow::Result<Next> {
    let Some(Purpose::Cron(expression)) = Purpose::from_bytes(&due.key.purpose) else {
        return Ok(Next::At(0));
    };
    let zone = match Entity::from_canonical(&due.key.entity) {
        Some(Entity::Device(id)) => match view.device(id)? {
            Some(row) => row.time_zone,
            None => return Ok(Next::Gone),
        },
        Some(Entity::Named(_)) | None => None,
    };
    Ok(Next::At(calendar::next_ms(expression, zone.as_deref(), now_ms).unwrap_or(0)))
}
