//! `fleetfn fn promote NAME`.

use super::act::{Act, Subject};
use super::diff;
use crate::api::{ComparisonView, FunctionView, Order};
use crate::cli::confirm;
use crate::cli::failure::Failure;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// Promote the dark version, where there is a canary as well
    #[arg(long, conflicts_with = "canary")]
    dark: bool,
    /// Promote the canary, where there is a dark version as well
    #[arg(long)]
    canary: bool,
    /// Promote a dark version whatever it did differently
    #[arg(long)]
    approve: bool,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let act = Act::on(&arguments.subject, "promote a version of", data)?;
    let candidate = match (arguments.dark, arguments.canary) {
        (true, _) => Some("dark"),
        (false, true) => Some("canary"),
        (false, false) => None,
    };
    let approve = arguments.approve || approved(&act, candidate)?;
    act.perform("promote", Order { candidate: candidate.map(Into::into), approve, ..Order::default() })
}

/// Shows what a dark version did differently, if that is what is to be promoted, and asks.
fn approved(act: &Act<'_>, candidate: Option<&str>) -> Result<bool, Failure> {
    let (name, (client, tried)) = (&act.name, act.client());
    let function: FunctionView = client.get(tried, &format!("/functions/{name}"))?;
    let (canary, dark) = (function.traffic.canary.is_some(), function.traffic.dark.is_some());
    if candidate == Some("canary") || !dark || (canary && candidate.is_none()) {
        return Ok(false);
    }
    let comparison: ComparisonView = client.get(tried, &format!("/functions/{name}/diff"))?;
    eprintln!("{}", diff::summary(&comparison));
    let Some(objection) = &comparison.objection else {
        return Ok(false);
    };
    let next = format!("fleetfn fn diff {name}, then: fleetfn fn promote {name} --approve");
    if confirm::is_possible() {
        return confirm::ask(&format!("{objection}: promote it nevertheless"));
    }
    Err(Failure::new(tried, objection).next(next))
}
