//! `fleetfn fn new NAME`.
use crate::cli::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name of the function
    name: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    Err(Failure::new("x", &arguments.name))
}
