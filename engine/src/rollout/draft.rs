//! From what an operator writes to a whole policy: releases by name, and what is good for most where nothing is said.

use super::Error;
use crate::engine::Engine;
use crate::registry::{self, Release};
use crate::update;
use fleetfn_core::rollout::{Policy, PolicyError};
use fleetfn_protocol::ClassId;
use serde_json::{Map, Value, json};

/// Reads a policy in which a release may be written as `PRODUCT@VERSION`, and all but the release may be missing. Releases
/// are verified, and their signed manifests filled in. Blocks while an image is hashed.
pub(crate) fn policy(engine: &Engine, mut draft: Map<String, Value>) -> Result<Policy, Error> {
    let release = named(engine, "release", draft.remove("release"), None)?;
    let product = release.manifest()?.product;
    let class = release.manifest()?.class;
    if let Some(variants) = draft.get_mut("variants").and_then(Value::as_array_mut) {
        for (index, variant) in variants.iter_mut().enumerate() {
            let wanted = named(engine, &format!("variants[{index}]"), Some(variant.take()), Some(class))?;
            *variant = whole(engine, &wanted)?;
        }
    }
    if let Some(repair) = draft.get_mut("repair").and_then(Value::as_object_mut) {
        let wanted = named(engine, "repair.release", repair.remove("release"), None)?;
        repair.insert("release".into(), whole(engine, &wanted)?);
    }
    let mut filled = defaults(product.as_str(), class);
    filled.insert("release".into(), whole(engine, &release)?);
    // Who says when it stops need not hear when a device counts as silent, and the other way round.
    filled.append(&mut draft);
    filled.retain(|_, value| !value.is_null());
    Ok(Policy::parse(Value::Object(filled).to_string().as_bytes())?)
}

/// What is good for most: a few devices first and time to see how they fare, then more, then all; and it stops by itself.
fn defaults(product: &str, class: ClassId) -> Map<String, Value> {
    let phases = json!([
        {"name": "canary", "size": {"percent": 1}, "soak_s": 1_800},
        {"name": "early", "size": {"percent": 10}, "soak_s": 3_600},
        {"name": "all", "size": {"percent": 100}},
    ]);
    Map::from_iter([
        ("selection".into(), json!(format!("product=={product};class=={class}"))),
        ("phases".into(), phases),
        ("abort".into(), json!([{"of": ["ALL"], "percent": 5, "at_least": 10}])),
        ("silence".into(), json!({})),
    ])
}

/// The release that is meant; of several classes that of `class`, if that is known.
fn named(
    engine: &Engine,
    field: &str,
    value: Option<Value>,
    class: Option<ClassId>,
) -> Result<Release, Error> {
    let wrong = |wrong: &str| {
        Error::Policy(PolicyError::Field {
            field: field.into(),
            wrong: format!("{wrong}: write PRODUCT@VERSION"),
        })
    };
    let registry = engine.registry();
    match value {
        Some(Value::String(reference)) => Ok(registry.resolve_release(&reference, class)?),
        Some(Value::Object(release)) => {
            // As the policy of another rollout shows it.
            let text = |name: &str| {
                release.get(name).and_then(Value::as_str).ok_or_else(|| wrong("it is no release"))
            };
            let class = ClassId::parse(text("class")?).map_err(|error| wrong(&error.to_string()))?;
            let reference = format!("{}@{}", text("product")?, text("version")?);
            Ok(registry.resolve_release(&reference, Some(class))?)
        }
        Some(_) => Err(wrong("it is no release")),
        None => Err(wrong("there is none")),
    }
}

/// A release as a policy holds it.
fn whole(engine: &Engine, release: &Release) -> Result<Value, Error> {
    let registry = engine.registry();
    let manifest = release.manifest()?;
    registry.expect_offered(release)?;
    // The signatures were verified when it was published; once more costs less than a fleet.
    registry.verify_again(release)?;
    if manifest.not_after_s.is_some_and(|end_s| end_s < engine.clock().now_ms() / 1_000) {
        return Err(Error::Refused("its time is over: it was signed with --not-after".into()));
    }
    engine.artifacts().image(&manifest.digest).map_err(registry::Error::from)?;
    let patches = update::patches(engine, release).map_err(|error| Error::Refused(error.to_string()))?;
    let envelope: String = release.row.envelope.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(json!({
        "product": manifest.product.to_string(),
        "class": manifest.class.to_string(),
        "version": manifest.version,
        "sequence": manifest.sequence,
        "digest": manifest.digest.to_string(),
        "envelope": envelope,
        "patches": patches,
    }))
}
