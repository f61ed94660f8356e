//! `fleetfn rollout start NAME --release PRODUCT@VERSION --why TEXT`.

use super::{act, status};
use crate::api::NewRollout;
use crate::cli::client::Client;
use crate::cli::duration;
use crate::cli::failure::Failure;
use crate::cli::output::Format;
use crate::cli::person::{Trial, who};
use fleetfn_core::rollout::{POLICY_BYTES_MAX, Status};
use fleetfn_protocol::RolloutName;
use serde_json::{Map, Value, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Under which name: no other rollout has it
    name: RolloutName,
    #[command(flatten)]
    policy: PolicyArguments,
    /// Why, for those who read its history
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    why: String,
    /// Start it though no device matches its selection now: its devices are still to come
    #[arg(long)]
    allow_empty: bool,
    #[command(flatten)]
    trial: Trial,
    /// Wait until it has completed (0) or was aborted (3): the default on a terminal
    #[arg(long, conflicts_with = "detach")]
    wait: bool,
    /// Do not wait: the default otherwise
    #[arg(long)]
    detach: bool,
    /// How long to wait, as in 10m (124 if that is over)
    #[arg(long, value_name = "TIME", value_parser = duration::parse, conflicts_with = "detach")]
    timeout: Option<Duration>,
    /// How to print how it goes
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What a rollout is to do. What is not said is what is good for most.
#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArguments {
    /// PRODUCT@VERSION, or the beginning of the release's id
    #[arg(long, value_name = "RELEASE", required_unless_present = "policy")]
    release: Option<String>,
    /// A release that a function of the manufacturer may choose for a device instead; may be repeated
    #[arg(long = "variant", value_name = "RELEASE")]
    variants: Vec<String>,
    /// For whom, as in 'tag==eu;version<2.4' (; is and, , is or) [default: all of the release's product and class]
    #[arg(long = "where", value_name = "EXPR")]
    selection: Option<String>,
    /// In which steps: each is [NAME=]SIZE[/SOAK], and SIZE a percentage of all, reached with this step, a count of devices, or
    /// tag:TAG; the last one is 100%. As in canary=tag:canary/1d,50/1h,100% [default: 1%/30m,10%/1h,100%]
    #[arg(long, value_name = "PHASES", value_parser = phases)]
    phases: Option<Value>,
    /// A file with a policy as JSON; options of the command line take the place of what it says
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl PolicyArguments {
    /// The policy as far as it is said.
    pub(super) fn draft(&self, tried: &str) -> Result<Map<String, Value>, Failure> {
        let mut draft = match &self.policy {
            Some(file) => {
                read(file).map_err(|why| Failure::new(tried, format!("{}: {why}", file.display())))?
            }
            None => Map::new(),
        };
        let said = [
            ("release", self.release.clone().map(Value::from)),
            ("variants", (!self.variants.is_empty()).then(|| Value::from(self.variants.clone()))),
            ("selection", self.selection.clone().map(Value::from)),
            ("phases", self.phases.clone()),
        ];
        for (field, value) in said {
            if let Some(value) = value {
                draft.insert(field.into(), value);
            }
        }
        Ok(draft)
    }
}

fn read(file: &Path) -> Result<Map<String, Value>, String> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    if bytes.len() > 2 * POLICY_BYTES_MAX {
        return Err(format!("a policy has at most {POLICY_BYTES_MAX} bytes"));
    }
    serde_json::from_slice(&bytes).map_err(|error| format!("this is no JSON object: {error}"))
}

/// Reads `NAME=SIZE/SOAK,...`: a size is a count, a percentage or `tag:TAG`; name and soak may be missing.
fn phases(text: &str) -> Result<Value, String> {
    let phase = |text: &str| {
        let (name, rest) = text.split_once('=').map_or((None, text), |(name, rest)| (Some(name), rest));
        let (size, soak) = rest.split_once('/').map_or((rest, None), |(size, soak)| (size, Some(soak)));
        let soak_s = soak.map(duration::parse).transpose()?.map_or(0, |soak| soak.as_secs());
        let wrong = |_| format!("'{size}' is no size: write a count, a percentage such as 10%, or tag:TAG");
        let parsed = match (size.strip_prefix("tag:"), size.strip_suffix('%')) {
            (Some(tag), _) => json!({ "tag": tag }),
            (None, Some(percent)) => {
                let percent: serde_json::Number = percent.parse().map_err(|_| wrong(()))?;
                json!({ "percent": percent })
            }
            (None, None) => json!({ "count": size.parse::<u32>().map_err(|_| wrong(()))? }),
        };
        let name = name.unwrap_or(size);
        Ok::<_, String>(json!({ "name": name, "size": parsed, "soak_s": soak_s }))
    };
    text.split(',').map(|part| phase(part.trim())).collect::<Result<Vec<_>, _>>().map(Value::from)
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { name, policy, why, allow_empty, trial, wait, detach, timeout, output } = arguments;
    let tried = format!("cannot start rollout {name}");
    let policy = policy.draft(&tried)?;
    let new = NewRollout {
        name: name.to_string(),
        policy,
        allow_empty: *allow_empty,
        by: Some(who()),
        why: why.clone(),
    };
    let client = Client::open(data)?;
    let started: Status = client
        .post(&tried, &trial.at("/rollouts"), &new)
        .map_err(|failure| failure.or_next("fleetfn release ls, and fleetfn rollout ls"))?;
    if trial.is_dry_run() {
        trial.tell("it begins so; who gets it when is said by: fleetfn rollout plan");
        return act::show(&started, *output);
    }
    if *wait || timeout.is_some() || (!*detach && std::io::stdout().is_terminal()) {
        return status::watch(*name, data, *timeout, *output);
    }
    act::show(&started, *output)?;
    eprintln!("It goes on by itself: fleetfn rollout status {name} -w");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::phases;
    use serde_json::json;

    #[test]
    fn phases_are_read_as_one_writes_them() {
        let read = phases("canary=tag:canary/30m, 2.5%/1h,50,100%").expect("phases");
        let wanted = json!([
            {"name": "canary", "size": {"tag": "canary"}, "soak_s": 1_800},
            {"name": "2.5%", "size": {"percent": 2.5}, "soak_s": 3_600},
            {"name": "50", "size": {"count": 50}, "soak_s": 0},
            {"name": "100%", "size": {"percent": 100}, "soak_s": 0},
        ]);
        assert_eq!(read, wanted);
        for wrong in ["", "many", "10%/soon", "%", "-1", "a=b=c"] {
            assert!(phases(wrong).is_err(), "{wrong:?}");
        }
    }
}
