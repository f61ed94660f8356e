//! Asks before something is destroyed.

use super::failure::Failure;
use super::person::Trial;
use std::io::{BufRead, IsTerminal, Write};

/// Whether the question is already answered.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Answer {
    /// Do it without asking
    #[arg(short = 'y', long)]
    yes: bool,
}

impl Answer {
    /// Returns if it may be done: `-y` was given, or a person says yes, or it is only tried. `what` is the deed and what it
    /// entails.
    pub(super) fn or_ask(self, what: &str, trial: Trial) -> Result<(), Failure> {
        if self.yes || trial.is_dry_run() {
            return Ok(());
        }
        if !is_possible() {
            return Err(Failure::usage(format!("will not {what} unasked"), "there is no terminal to ask on")
                .next("the same command with -y"));
        }
        if ask(what)? { Ok(()) } else { Err(Failure::new(format!("did not {what}"), "the answer was no")) }
    }
}

/// Whether there is a person to ask.
pub(super) fn is_possible() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks a person; whether the answer was yes.
pub(super) fn ask(what: &str) -> Result<bool, Failure> {
    let asked = || -> std::io::Result<String> {
        let mut stderr = std::io::stderr();
        write!(stderr, "{what}? [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().map_err(|error| Failure::new("cannot ask", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
