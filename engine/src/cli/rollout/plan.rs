//! `fleetfn rollout plan NAME`.

mod rehearsal;

use super::start::PolicyArguments;
use crate::api::{NewPlan, PlanView};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::{bytes, duration};
use fleetfn_core::rollout::{Devices, Length, Plan};
use fleetfn_protocol::RolloutName;
use serde_json::{Map, Number, Value};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the rollout would be called: the order of devices depends on it
    name: RolloutName,
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    rehearsal: RehearsalArguments,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What a rehearsal assumes. What is not said is what is good for most.
#[derive(Debug, clap::Args)]
struct RehearsalArguments {
    /// Rehearse it, too: how long it would take, and how often it would abort
    #[arg(long)]
    rehearse: bool,
    /// Percent of devices on which the image fails [default: 1]
    #[arg(long, value_name = "PERCENT", requires = "rehearse")]
    failing: Option<Number>,
    /// Percent of devices that are silent after the update [default: 0.2]
    #[arg(long, value_name = "PERCENT", requires = "rehearse")]
    silent: Option<Number>,
    /// Percent of downloads that break off [default: 1]
    #[arg(long, value_name = "PERCENT", requires = "rehearse")]
    broken_downloads: Option<Number>,
    /// Bytes that one device fetches in a second, as in 8kB [default: 30kB]
    #[arg(long, value_name = "BYTES", value_parser = bytes::parse, requires = "rehearse")]
    link: Option<u64>,
    /// From the whole image to a word that it runs [default: 1m]
    #[arg(long, value_name = "TIME", value_parser = duration::parse, requires = "rehearse")]
    install: Option<Duration>,
    /// How often, up to 100 [default: 20]
    #[arg(long, value_name = "NUMBER", requires = "rehearse")]
    runs: Option<u32>,
    /// The same seed gives the same rehearsal [default: 1]
    #[arg(long, value_name = "NUMBER", requires = "rehearse")]
    seed: Option<u64>,
}

impl RehearsalArguments {
    /// The assumptions as far as they are said; `None` if nothing is to be rehearsed.
    fn assumptions(&self) -> Option<Map<String, Value>> {
        let said = [
            ("failing", self.failing.clone().map(Value::from)),
            ("silent", self.silent.clone().map(Value::from)),
            ("broken_downloads", self.broken_downloads.clone().map(Value::from)),
            ("link_bytes_per_s", self.link.map(Value::from)),
            ("install_s", self.install.map(|install| Value::from(install.as_secs()))),
            ("runs", self.runs.map(Value::from)),
            ("seed", self.seed.map(Value::from)),
        ];
        let assumptions = said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        self.rehearse.then(|| assumptions.collect())
    }
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { name, policy, rehearsal, output } = arguments;
    let tried = format!("cannot plan rollout {name}");
    let policy = policy.draft(&tried)?;
    let new = NewPlan { name: name.to_string(), policy, rehearse: rehearsal.assumptions() };
    let view: PlanView = Client::open(data)?
        .post(&tried, "/rollouts/plan", &new)
        .map_err(|failure| failure.or_next("fleetfn release ls, and fleetfn rollout plan --help"))?;
    if *output == Format::Json {
        return output::json(&view);
    }
    let mut text = text(&view.plan);
    if let Some(rehearsal) = &view.rehearsal {
        text.push_str(&rehearsal::text(rehearsal));
    }
    output::write(text.as_bytes())
}

/// A plan as a table and what to know of it.
fn text(plan: &Plan) -> String {
    let Plan { rollout, product, version, sequence, found, taking_part, .. } = plan;
    let mut text = format!(
        "rollout {rollout} would bring {product} {version} (sequence {sequence}) to {taking_part} of {}\n",
        Devices((*found).into())
    );
    let rows: Vec<[String; 6]> = plan
        .phases
        .iter()
        .map(|phase| {
            let soak = match phase.soak_s {
                0 => "-".into(),
                soak_s => Length(u64::from(soak_s) * 1_000).to_string(),
            };
            let gates = if phase.gates.is_empty() { "-".into() } else { phase.gates.join(", ") };
            let named = u32::try_from(phase.first.len()).unwrap_or(u32::MAX);
            [
                phase.name.clone(),
                phase.size.clone(),
                phase.devices.to_string(),
                soak,
                gates,
                some(&phase.first, named < phase.devices),
            ]
        })
        .collect();
    text.push_str(&output::align(["PHASE", "TAKES", "DEVICES", "SOAK", "GATES", "FIRST"], &rows));
    let left_out = plan.left_out.iter().map(|one| u64::from(one.devices)).sum::<u64>();
    // Writing to a string does not fail.
    if left_out > 0 {
        let _ = writeln!(text, "{} would not get it:", Devices(left_out));
    }
    for one in &plan.left_out {
        let named = u32::try_from(one.first.len()).unwrap_or(u32::MAX);
        let some = some(&one.first, named < one.devices);
        let some = if some.is_empty() { some } else { format!("  ({some})") };
        let _ = writeln!(text, "{:>7}  {}{some}", one.devices, one.why);
    }
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    super::clean(&text)
}

fn some(first: &[String], has_more: bool) -> String {
    let mut text = first.join(", ");
    if has_more && !first.is_empty() {
        text.push_str(", ...");
    }
    text
}

#[cfg(test)]
mod tests;
