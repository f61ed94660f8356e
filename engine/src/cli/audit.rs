//! `fleetfn audit`: who did what to releases and keys.

use super::client::Client;
use super::failure::Failure;
use super::list::{self, ListFormat};
use super::timestamp::rfc3339;
use crate::api::AuditView;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many acts, the newest
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
    last: usize,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let mut lines: Vec<AuditView> = Client::open(data)?.list("cannot read the audit", "/audit")?;
    lines.drain(..lines.len().saturating_sub(arguments.last));
    let row = |line: &AuditView| {
        [rfc3339(line.at_ms), line.by.clone(), line.act.clone(), line.subject.clone(), line.why.clone()]
    };
    list::print(arguments.output, &lines, ["WHEN", "WHO", "ACT", "SUBJECT", "WHY"], row)
}
