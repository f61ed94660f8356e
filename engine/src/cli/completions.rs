//! `fleetfn completions SHELL`.

use super::failure::Failure;
use super::{Cli, output};
use clap::CommandFactory;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell that is to complete
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "fleetfn", &mut script);
    output::write(&script)
}
