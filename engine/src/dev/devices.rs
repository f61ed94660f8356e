//! Where the devices of a run come from: a recorded slice, a scenario, or what the manifest suggests.

use super::Plan;
use super::suggested::{Example, scenario};
use super::{builder, replay};
use crate::api::ManifestView;
use crate::cli::{Case, Failure, Step};
use crate::open_files::{self, Ends};
use crate::scenario::{self, Casting, Device, Epoch, PAGE, Scenario};
use serde_json::Value;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Name of the scenario beside the source.
pub(crate) const SCENARIO_FILE: &str = "scenario.json";

/// Devices of all groups: each is a real connection with two files of this process.
const DEVICES_MAX: usize = 10_000;

/// What a scenario is played with: what it says.
pub(super) const CASTING: Casting = Casting { devices_max: DEVICES_MAX, devices: None, seed: None };

/// Cases that are looked through for examples of payloads.
const CASES_MAX: usize = 64;

/// The devices of a run.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) devices: Vec<Device>,
    /// To be told when they begin.
    pub(super) epoch: Epoch,
    /// Of everything random in them.
    pub(super) seed: u64,
    /// Where they come from, in words.
    origin: String,
    example: Option<(String, String)>,
}

impl Cast {
    /// A channel and a payload to try by hand.
    pub(super) fn example(&self) -> Option<(&str, &str)> {
        self.example.as_ref().map(|(channel, payload)| (channel.as_str(), payload.as_str()))
    }

    fn new(scenario: Scenario, origin: String) -> Self {
        let Scenario { devices, epoch, seed } = scenario;
        let example = devices.first().and_then(|device| device.program.clone().example());
        Self { devices, epoch, seed, origin, example }
    }
}

impl fmt::Display for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.devices.first().map(|device| device.id.to_string()).unwrap_or_default();
        match self.devices.as_slice() {
            [] | [_] => write!(f, "1 device, {first}, {}", self.origin),
            [.., last] => {
                write!(f, "{} devices, {first} to {}, {}", self.devices.len(), last.id, self.origin)
            }
        }
    }
}

/// The directory that the source is or lies in.
fn directory(path: &Path) -> &Path {
    if path.is_file() { path.parent().unwrap_or(Path::new("")) } else { path }
}

/// The scenario of a run, which need not be there; `None` if a recorded slice is published instead.
pub(super) fn scenario_file(plan: &Plan) -> Option<PathBuf> {
    match (&plan.replay, &plan.scenario) {
        (Some(_), _) => None,
        (None, Some(file)) => Some(file.clone()),
        (None, None) => Some(directory(&plan.path).join(SCENARIO_FILE)),
    }
}

/// The devices that a file tells of, if there is one.
pub(super) fn given(plan: &Plan) -> Result<Option<Cast>, Failure> {
    if let Some(file) = &plan.replay {
        let tried = format!("cannot replay {}", file.display());
        let refused = |why: String| Failure::new(&tried, why).next("fleetfn record --help");
        let text = scenario::read(file).map_err(|error| refused(error.to_string()))?;
        let replay::Replay { device, remarks } = replay::parse(&text).map_err(refused)?;
        remarks.iter().for_each(|remark| eprintln!("{}: {remark}", file.display()));
        let recorded = Scenario { devices: vec![device], epoch: Epoch::default(), seed: 0 };
        return Ok(Some(Cast::new(recorded, format!("as recorded in {}", file.display()))));
    }
    let Some(file) = scenario_file(plan) else { return Ok(None) };
    let refused = |why: String| {
        Failure::new(format!("cannot read the scenario {}", file.display()), why).next(format!("see {PAGE}"))
    };
    let text = match scenario::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && plan.scenario.is_none() => return Ok(None),
        Err(error) => return Err(refused(error.to_string())),
    };
    let scenario = scenario::parse(&text, CASTING).map_err(refused)?;
    Ok(Some(Cast::new(scenario, format!("as {} says", file.display()))))
}

/// Fails if this process may not have as many connections as there are devices.
pub(super) fn check(cast: &Cast) -> Result<(), Failure> {
    open_files::for_devices(cast.devices.len(), Ends::Both).map_err(|why| {
        Failure::new("cannot connect the devices of the scenario", why)
            .next("raise it: ulimit -n, or simulate fewer devices")
    })
}

/// The devices that a manifest suggests.
pub(super) fn suggested(path: &Path, manifest: &ManifestView) -> Result<Cast, Failure> {
    let text = scenario(manifest, &examples(path)).to_string();
    let scenario = scenario::parse(&text, CASTING).map_err(|why| {
        Failure::new("cannot simulate what the manifest suggests", why).next(format!("see {PAGE}"))
    })?;
    let origin = format!(
        "as the manifest suggests; to change it: fleetfn dev --print-scenario > {SCENARIO_FILE}, see {PAGE}"
    );
    Ok(Cast::new(scenario, origin))
}

/// The scenario that the manifest of a function suggests, as a file to begin with.
pub(crate) async fn suggest(path: PathBuf) -> Result<Value, Failure> {
    let module = builder::module(&path).await?;
    Ok(scenario(&module.manifest, &examples(&path)))
}

/// Payloads that the cases of a function say are handled.
fn examples(path: &Path) -> Vec<Example> {
    let Ok(entries) = std::fs::read_dir(directory(path).join("tests")) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let cases = files.iter().take(CASES_MAX).filter_map(|file| Case::parse(&scenario::read(file).ok()?).ok());
    cases.flat_map(|case| case.events).filter_map(example).collect()
}

fn example(step: Step) -> Option<Example> {
    let is_done = step.expect.and_then(|expect| expect.outcome).is_none_or(|outcome| outcome == "done");
    let (channel, payload) = (step.telemetry?, step.payload?);
    is_done.then_some(Example { channel, payload })
}
