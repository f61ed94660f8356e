//! Runs cases in the sandbox that the engine runs functions in.

use super::case::{Case, Expect, Step};
use super::effect;
use super::event::{self, Place};
use super::value::{Difference, compare};
use super::world::World;
use fleetfn_core::deployment::{Deployment, Manifest, ModuleHash, Version};
use fleetfn_core::invocation::Role;
use fleetfn_core::{Effect, Entity, Invocation, Offset, Outcome, Routes};
use fleetfn_host::{Call, Host, Limits, ModuleSource};
use fleetfn_protocol::{DeviceId, FunctionName};
use serde_json::Value;

/// The device of a case that names none.
const DEVICE_DEFAULT: &str = "device-1";

/// Time of the first event of a case that says nothing: 14 November 2023.
const START_MS_DEFAULT: u64 = 1_700_000_000_000;

/// One module, ready to run cases.
pub(super) struct Bench {
    host: Host,
    routes: Routes,
    manifest: Manifest,
    version: ModuleHash,
}

/// The module that is tested, and no other.
struct Only(Vec<u8>);

impl ModuleSource for Only {
    fn read(&self, _hash: &ModuleHash) -> std::io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }
}

/// What came of one step.
pub(super) struct Ran {
    /// The step, counted from 1, and what it is called.
    pub(super) title: String,
    /// Where it differs from what is expected.
    pub(super) differences: Vec<Difference>,
    /// What to expect for it not to differ.
    pub(super) happened: Expect,
}

impl Bench {
    /// Admits a module as the engine does.
    pub(super) fn new(wasm: Vec<u8>) -> Result<Self, String> {
        let module = fleetfn_host::admit(&wasm).map_err(|error| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })?;
        let manifest = module.manifest().clone();
        let version = Version { hash: module.hash(), manifest: manifest.clone(), deployed_at_ms: 0 };
        let mut routes = Routes::default();
        let deployment = Deployment { live: Some(version), ..Deployment::default() };
        routes.handle_deployment(Offset(0), manifest.name, Some(&deployment));
        let host = Host::new(Limits::default(), Box::new(Only(wasm)));
        Ok(Self { host, routes, manifest, version: module.hash() })
    }

    /// Runs a case from its beginning to its end. The error is one of the case, not of the function.
    pub(super) fn run(&mut self, case: &Case) -> Result<Vec<Ran>, String> {
        let entity = match (&case.entity, &case.device) {
            (Some(name), _) => Entity::parse(name).filter(|entity| matches!(entity, Entity::Named(_))),
            (None, device) => {
                let id = device.as_deref().unwrap_or(DEVICE_DEFAULT);
                DeviceId::parse(id).ok().map(Entity::Device)
            }
        };
        let entity = entity.ok_or("its device or entity has no valid name")?;
        let mut world = World::new(case)?;
        let mut now_ms = case.start_ms.unwrap_or(START_MS_DEFAULT);
        let mut ran = Vec::new();
        for (number, step) in (1_u64..).zip(&case.events) {
            let after_s = step.after_s.unwrap_or(u64::from(number > 1));
            now_ms = now_ms.saturating_add(after_s.saturating_mul(1_000));
            let title = format!("event {number} ({})", event::title(step));
            let place = Place { entity, offset: Offset(number), received_at_ms: now_ms };
            let (happened, differences) =
                self.step(step, place, &mut world).map_err(|why| format!("{title}: {why}"))?;
            ran.push(Ran { title, differences, happened });
        }
        Ok(ran)
    }

    fn step(
        &mut self,
        step: &Step,
        place: Place<'_>,
        world: &mut World,
    ) -> Result<(Expect, Vec<Difference>), String> {
        let event = event::event(step, &self.manifest, place)?;
        if step.twin.is_some() {
            world.report(&event.payload())?;
        }
        let function: FunctionName = self.manifest.name;
        let routed = self.routes.route(place.offset, &event, None, &place.entity.canonical());
        let own = routed.targets.iter().find(|target| target.version == self.version);
        let trigger = own.map(|target| target.trigger);
        let trigger = trigger.ok_or("no trigger of the manifest takes this event")?;
        let (offset, version) = (place.offset, self.version);
        let call = Call { function, version, trigger, event: &event, offset, role: Role::Live };
        let invocation = self.host.call(&call, world.reader(place.received_at_ms));
        world.apply(&invocation.effects, place.received_at_ms)?;
        let expected = step.expect.clone().unwrap_or_default();
        let happened = happened(&invocation, &expected, world, place.received_at_ms)?;
        let differences = differences(&expected, &happened, &invocation.outcome);
        Ok((happened, differences))
    }
}

/// What an invocation did, with the parts that are expected although they are not written without being asked for.
fn happened(
    invocation: &Invocation,
    expected: &Expect,
    world: &World,
    now_ms: u64,
) -> Result<Expect, String> {
    let effects = invocation.effects.iter().filter(|effect| !is_note_of_version(effect));
    let effects = effects.map(|effect| effect::effect(effect, invocation.function));
    Ok(Expect {
        outcome: Some(effect::outcome(&invocation.outcome).into()),
        error: effect::error(&invocation.outcome),
        effects: Some(effects.collect::<Result<_, _>>()?),
        logs: Some(invocation.logs.iter().map(effect::line).collect()),
        state: expected.state.as_ref().map(|_| world.state(now_ms)),
        twin: expected.twin.as_ref().map(|_| world.twin()),
    })
}

/// The host notes the version of the state under a key that no function can name.
fn is_note_of_version(effect: &Effect) -> bool {
    matches!(effect, Effect::StatePut { key, .. } if key.is_empty())
}

fn differences(expected: &Expect, happened: &Expect, ended: &Outcome) -> Vec<Difference> {
    let mut differences = Vec::new();
    let outcome = expected.outcome.as_deref().unwrap_or(effect::outcome(&Outcome::Done));
    let outcome_there = effect::outcome(ended);
    if outcome != outcome_there {
        let detail = ended.failure().map(|(_, detail)| format!(": {detail}")).unwrap_or_default();
        differences.push(Difference {
            path: "outcome".into(),
            expected: Some(outcome.into()),
            actual: Some(format!("{outcome_there}{detail}").into()),
        });
    }
    let list = |list: &Option<Vec<Value>>| list.clone().map(Value::Array);
    let parts = [
        ("error", expected.error.clone(), happened.error.clone()),
        ("effects", list(&expected.effects), list(&happened.effects)),
        ("logs", list(&expected.logs), list(&happened.logs)),
        ("twin", expected.twin.clone(), happened.twin.clone()),
    ];
    for (path, expected, happened) in parts {
        if let Some(expected) = expected {
            compare(path, &expected, &happened.unwrap_or(Value::Null), &mut differences);
        }
    }
    if let (Some(expected), Some(happened)) = (&expected.state, &happened.state) {
        compare("state", &expected.clone().into(), &happened.clone().into(), &mut differences);
        // All keys are expected to be named.
        differences.extend(happened.iter().filter(|(key, _)| !expected.contains_key(*key)).map(
            |(key, value)| Difference {
                path: format!("state.{key}"),
                expected: None,
                actual: Some(value.clone()),
            },
        ));
    }
    differences
}
