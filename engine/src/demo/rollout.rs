//! The last act of the demo: new firmware goes to the fleet, to a few devices first, and a gate reads their telemetry before
//! it goes to all.

use super::engine::Node;
use crate::engine::Engine;
use crate::registry::{self, Mode, Told};
use crate::rollout::{self, Nobody};
use anyhow::Context;
use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use fleetfn_core::rollout::{Line, State, Status};
use fleetfn_protocol::limits::{ENVELOPE_BYTES_MAX, MANIFEST_BYTES_MAX};
use fleetfn_protocol::update::{Dependencies, Digest, Envelope, Manifest, Signature, UpdateKey};
use fleetfn_protocol::{ClassId, FunctionName, ProductId, RolloutName};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// What the devices of the demo are.
pub(super) const PRODUCT: &str = "demo";

/// The hardware that they are said to have.
pub(super) const CLASS: &str = "room";

/// What they run before.
pub(super) const OLD: &str = "1.0.0";

/// What is rolled out, and its sequence.
const NEW: &str = "2.0.0";
pub(super) const NEW_SEQUENCE: u32 = 2;

/// The tag of those that go first.
pub(super) const CANARY: &str = "canary";

/// The gate, and where it keeps what it has gathered.
const GUARD: &str = "firmware-guard";
const GUARD_ENTITY: &str = "guard/firmware";

/// How often devices tell the gate how warm they are: a demo is short.
const TELL_MS: &str = "500";

/// Length of the image: some windows of blocks for each device.
const IMAGE_BYTES: usize = 32 * 1_024;

/// Seconds to let telemetry of the updated devices come in before the gate is asked.
const SOAK_S: u32 = 3;

/// Who acts.
const WHO: &str = "demo";

/// When it begins: after a fifth of the time, or this.
const BEGINS_MAX: Duration = Duration::from_secs(5);

/// Devices that go first: a tenth, and as many as the gate wants to hear at least.
pub(super) fn canaries(devices: u16) -> u16 {
    (devices / 10).max(5)
}

/// When the rollout begins in a demo of that length.
pub(super) fn begins_after(time: Option<Duration>) -> Duration {
    time.map_or(BEGINS_MAX, |time| time / 5).min(BEGINS_MAX)
}

/// How a rollout went.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) status: Status,
    pub(super) history: Vec<Line>,
}

fn name() -> anyhow::Result<RolloutName> {
    Ok(RolloutName::parse("demo-2.0.0")?)
}

/// Tells the gate how often it hears of devices, and publishes the new firmware, signed by a key that nobody keeps.
pub(super) async fn prepare(engine: &Engine) -> anyhow::Result<()> {
    let registry = engine.registry();
    let told = Told::new(Some(WHO.into()), Some("a demo".into()), Mode::Perform)?;
    registry
        .set_config(FunctionName::parse(GUARD)?, "tell_ms", Bytes::from_static(TELL_MS.as_bytes()), &told)
        .await?;
    let mut image = vec![0; IMAGE_BYTES];
    let mut seed = [0; 32];
    getrandom::fill(&mut image).map_err(registry::Error::Random)?;
    getrandom::fill(&mut seed).map_err(registry::Error::Random)?;
    let key = SigningKey::from_bytes(&seed);
    let digest = Digest(Sha256::digest(&image).into());
    let (artifacts, bytes) = (engine.artifacts().clone(), image.clone());
    let stored = tokio::task::spawn_blocking(move || {
        let mut upload = artifacts.upload(digest)?;
        upload.write(&bytes)?;
        upload.finish()
    });
    stored.await?.context("cannot store the image")?;
    let product = ProductId::parse(PRODUCT)?;
    registry.add_update_key(product, UpdateKey(key.verifying_key().to_bytes()), &told).await?;
    let manifest = Manifest {
        product,
        class: ClassId::parse(CLASS)?,
        version: NEW,
        sequence: NEW_SEQUENCE,
        size: u32::try_from(image.len())?,
        digest,
        not_after_s: None,
        dependencies: Dependencies::NONE,
    };
    registry.publish(envelope(&manifest, &key)?, &told).await?;
    Ok(())
}

fn envelope(manifest: &Manifest<'_>, key: &SigningKey) -> anyhow::Result<Bytes> {
    let (mut body_room, mut room) = ([0; MANIFEST_BYTES_MAX], [0; ENVELOPE_BYTES_MAX]);
    let body = manifest.write(&mut body_room)?;
    let signature = key.sign(body).to_bytes();
    let signed = Signature { key: UpdateKey(key.verifying_key().to_bytes()).id(), bytes: &signature };
    Ok(Bytes::copy_from_slice(Envelope::write(&mut room, &[signed], body)?))
}

/// Begins: the canaries first, and when the gate has heard of them and says GO, all others.
pub(super) async fn start(engine: &Engine) -> anyhow::Result<()> {
    let draft = json!({
        "release": format!("{PRODUCT}@{NEW}"),
        "phases": [
            {"name": CANARY, "size": {"tag": CANARY}, "soak_s": SOAK_S,
             "gates": [{"function": GUARD, "entity": GUARD_ENTITY}]},
            {"name": "all", "size": {"percent": 100}},
        ],
    });
    let Value::Object(draft) = draft else { return Ok(()) };
    let draft: Map<String, Value> = draft;
    let reader = engine.clone();
    let policy = tokio::task::spawn_blocking(move || rollout::policy_of(&reader, draft)).await??;
    let why = Some("the demo has shown the old one".into());
    let told = Told::new(Some(WHO.into()), why, Mode::Perform)?;
    rollout::start(engine, &name()?, policy, Nobody::Slip, told).await?;
    Ok(())
}

/// How it goes.
pub(super) fn story(node: &Node) -> anyhow::Result<Story> {
    let name = name()?;
    let reader = rollout::reader(&node.engine, &name)?;
    let history = fleetfn_core::rollout::history(&reader)?;
    Ok(Story { status: rollout::status(&node.engine, &name)?, history })
}

impl Story {
    /// Whether nothing more happens by itself.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.status.state, State::Completed | State::Aborted)
    }

    /// How it goes, in a few words.
    pub(super) fn line(&self) -> String {
        let Status { state, phase: (phase, phases), .. } = &self.status;
        let updated: u32 = self.status.phases.iter().map(|line| line.tally.updated()).sum();
        format!("{PRODUCT} {NEW}: phase {phase} of {phases} {state}, {updated} updated")
    }

    /// How it goes, as `fleetfn rollout status` shows it.
    pub(super) fn table(&self) -> String {
        format!("\n{}", self.status)
    }

    /// What happened, for the end of the demo: the table, and who did what and why.
    pub(super) fn tell(&self) -> String {
        let mut text = self.status.to_string();
        let begun_ms = self.history.first().map_or(0, |first| first.at_ms);
        for Line { at_ms, by, what, why } in &self.history {
            let since_ms = at_ms.saturating_sub(begun_ms);
            let because = if why.is_empty() { String::new() } else { format!(": {why}") };
            text += &format!("{:>4}.{} s  {by} {what}{because}\n", since_ms / 1_000, since_ms % 1_000 / 100);
        }
        if !self.is_over() {
            text += "the demo ended before the rollout did\n";
        }
        text
    }
}
