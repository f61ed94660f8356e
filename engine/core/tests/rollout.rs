//! Rollouts, decided event by event: what operators rely on, as sentences; and a fleet that does what it likes.

#[path = "update/stage.rs"]
#[expect(dead_code, reason = "the tests of one device's jobs need more of it")]
mod jobs;
#[path = "rollout/stage.rs"]
mod stage;

#[path = "rollout/acts.rs"]
mod acts;
#[path = "rollout/attempts.rs"]
mod attempts;
#[path = "rollout/changes.rs"]
mod changes;
#[path = "rollout/devices.rs"]
mod devices;
#[path = "rollout/gates.rs"]
mod gates;
#[path = "rollout/hostile.rs"]
mod hostile;
#[path = "rollout/lost.rs"]
mod lost;
#[path = "rollout/night.rs"]
mod night;
#[path = "rollout/phases.rs"]
mod phases;
#[path = "rollout/plan.rs"]
mod plan;
#[path = "rollout/presence.rs"]
mod presence;
#[path = "rollout/rehearsal.rs"]
mod rehearsal;
#[path = "rollout/removal.rs"]
mod removal;
#[path = "rollout/rules.rs"]
mod rules;
#[path = "rollout/together.rs"]
mod together;
#[path = "rollout/words.rs"]
mod words;
#[path = "rollout/world.rs"]
mod world;

/// A case that fails is told of by its seed, and not written into the tree.
fn config() -> proptest::prelude::ProptestConfig {
    proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() }
}
