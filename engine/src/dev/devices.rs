//! Where the devices of a run come from: a recorded slice, a scenario, or what the manifest suggests.

use super::Plan;
use super::scenario::suggested::{Example, scenario};
use super::scenario::{self, Device, FILE_BYTES_MAX};
use super::{builder, replay};
use crate::api::ManifestView;
use crate::cli::{Case, Failure, Step};
use serde_json::Value;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Name of the scenario beside the source.
pub(crate) const SCENARIO_FILE: &str = "scenario.json";

/// Where the format is described.
const PAGE: &str = "docs/reference/emulator.md";

/// Cases that are looked through for examples of payloads.
const CASES_MAX: usize = 64;

/// The devices of a run.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) devices: Vec<Device>,
    /// Where they come from, in words.
    origin: String,
    example: Option<(String, String)>,
}

impl Cast {
    /// A channel and a payload to try by hand.
    pub(super) fn example(&self) -> Option<(&str, &str)> {
        self.example.as_ref().map(|(channel, payload)| (channel.as_str(), payload.as_str()))
    }

    fn new(devices: Vec<Device>, origin: String) -> Self {
        let example = devices.first().and_then(|device| device.program.clone().example());
        Self { devices, origin, example }
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

/// The devices that a file tells of, if there is one.
pub(super) fn given(plan: &Plan) -> Result<Option<Cast>, Failure> {
    if let Some(file) = &plan.replay {
        let tried = format!("cannot replay {}", file.display());
        let refused = |why: String| Failure::new(&tried, why).next("fleetfn record --help");
        let text = read(file).map_err(|error| refused(error.to_string()))?;
        let replay::Replay { device, remarks } = replay::parse(&text).map_err(refused)?;
        remarks.iter().for_each(|remark| eprintln!("{}: {remark}", file.display()));
        return Ok(Some(Cast::new(vec![device], format!("as recorded in {}", file.display()))));
    }
    let beside = || directory(&plan.path).join(SCENARIO_FILE);
    let (file, must_be) = match &plan.scenario {
        Some(file) => (file.clone(), true),
        None => (beside(), false),
    };
    let refused = |why: String| {
        Failure::new(format!("cannot read the scenario {}", file.display()), why).next(format!("see {PAGE}"))
    };
    let text = match read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && !must_be => return Ok(None),
        Err(error) => return Err(refused(error.to_string())),
    };
    let devices = scenario::parse(&text).map_err(refused)?;
    Ok(Some(Cast::new(devices, format!("as {} says", file.display()))))
}

/// The devices that a manifest suggests.
pub(super) fn suggested(path: &Path, manifest: &ManifestView) -> Result<Cast, Failure> {
    let text = scenario(manifest, &examples(path)).to_string();
    let devices = scenario::parse(&text).map_err(|why| {
        Failure::new("cannot simulate what the manifest suggests", why).next(format!("see {PAGE}"))
    })?;
    let origin = format!(
        "as the manifest suggests; to change it: fleetfn dev --print-scenario > {SCENARIO_FILE}, see {PAGE}"
    );
    Ok(Cast::new(devices, origin))
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
    let cases = files.iter().take(CASES_MAX).filter_map(|file| Case::parse(&read(file).ok()?).ok());
    cases.flat_map(|case| case.events).filter_map(example).collect()
}

fn example(step: Step) -> Option<Example> {
    let is_done = step.expect.and_then(|expect| expect.outcome).is_none_or(|outcome| outcome == "done");
    let (channel, payload) = (step.telemetry?, step.payload?);
    is_done.then_some(Example { channel, payload })
}

fn read(file: &Path) -> std::io::Result<String> {
    if std::fs::metadata(file)?.len() > FILE_BYTES_MAX {
        let why = format!("it is larger than {FILE_BYTES_MAX} bytes");
        return Err(std::io::Error::new(ErrorKind::InvalidData, why));
    }
    std::fs::read_to_string(file)
}
