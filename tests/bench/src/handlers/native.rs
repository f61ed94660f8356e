//! The handlers compiled into this program: no sandbox, no isolation, no limits.

use super::event::DEVICE;
use super::world::World;
use super::{Case, Contender};
use anyhow::Result;
use bench_stateful::{COMMAND_EVERY, Mean};
use bytes::Bytes;
use fleetfn_core::Effect;
use std::hint::black_box;

pub(super) struct Native {
    case: Case,
    payload: Vec<u8>,
    world: World,
}

impl Native {
    pub(super) fn new(case: Case, payload: &[u8]) -> Self {
        Self { case, payload: payload.to_vec(), world: World::default() }
    }
}

impl Contender for Native {
    fn handle(&mut self, offset: u64) -> Result<()> {
        let payload = black_box(&self.payload[..]);
        let effects = match self.case {
            Case::Empty => Vec::new(),
            Case::Stateful => stateful(payload, &self.world),
            Case::Json => json(payload, &self.world)?,
        };
        self.world.apply(black_box(effects));
        black_box(offset);
        Ok(())
    }

    fn world(&self) -> World {
        self.world.clone()
    }
}

fn stateful(payload: &[u8], world: &World) -> Vec<Effect> {
    let kept = world.read(b"mean").unwrap_or_default();
    let mean = Mean::read(&kept).with(payload);
    let mut effects = vec![put(b"mean", &mean.to_bytes())];
    if mean.count.is_multiple_of(COMMAND_EVERY) {
        effects.push(Effect::Command {
            name: Bytes::copy_from_slice(b"fan"),
            payload: Bytes::copy_from_slice(&mean.mean.to_le_bytes()),
            ttl_s: 0,
            timeout_s: 0,
        });
    }
    effects
}

fn json(payload: &[u8], world: &World) -> Result<Vec<Effect>> {
    let before = world.read(b"summary");
    let (kept, summary) = bench_json::step(DEVICE, before.as_deref(), payload)?;
    let topic = Bytes::copy_from_slice(b"summaries");
    Ok(vec![put(b"summary", &kept), Effect::Publish { topic, payload: summary.into() }])
}

fn put(key: &'static [u8], value: &[u8]) -> Effect {
    Effect::StatePut { key: Bytes::copy_from_slice(key), value: Bytes::copy_from_slice(value), ttl_s: 0 }
}
