//! `fleetfn fn resume NAME`.

use super::act::{Act, Subject};
use crate::api::Order;
use crate::cli::failure::Failure;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: Subject,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    Act::on(&arguments.subject, "resume", data)?.perform("resume", Order::default())
}
