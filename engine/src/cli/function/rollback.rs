//! `fleetfn fn rollback NAME`.

use super::act::{Act, Subject};
use crate::api::Order;
use crate::cli::failure::Failure;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// End the dark version instead
    #[arg(long)]
    dark: bool,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let act = Act::on(&arguments.subject, "roll back", data)?;
    let candidate = arguments.dark.then(|| "dark".to_owned());
    act.perform("rollback", Order { candidate, ..Order::default() })?;
    if !arguments.dark && !arguments.subject.remark.trial.is_dry_run() {
        eprintln!("Data is not rolled back: state and commands of the version that went stay as they are.");
    }
    Ok(())
}
