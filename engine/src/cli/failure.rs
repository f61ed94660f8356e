//! Why a command failed, as a person reads it: what was tried, why it failed, what to run next.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Ends a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    code: u8,
    tried: String,
    why: String,
    next: Option<String>,
}

impl Failure {
    const ERROR: u8 = 1;
    const USAGE: u8 = 2;
    const ABORTED: u8 = 3;
    const TIMED_OUT: u8 = 124;

    /// Something that was `tried` did not work.
    pub(crate) fn new(tried: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { code: Self::ERROR, tried: tried.into(), why: why.to_string(), next: None }
    }

    /// The command line asks for something that cannot be.
    pub(crate) fn usage(tried: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { code: Self::USAGE, ..Self::new(tried, why) }
    }

    /// The rollout that was waited for was aborted.
    pub(super) fn aborted(tried: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { code: Self::ABORTED, ..Self::new(tried, why) }
    }

    /// The time that was given is over.
    pub(super) fn timed_out(tried: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { code: Self::TIMED_OUT, ..Self::new(tried, why) }
    }

    /// Whoever reads stdout has gone, as in `fleetfn fn tail | head`: an end, not an error.
    pub(super) fn closed() -> Self {
        Self { code: 0, tried: String::new(), why: String::new(), next: None }
    }

    /// The same with the next command to run.
    pub(crate) fn next(mut self, command: impl Into<String>) -> Self {
        self.next = Some(command.into());
        self
    }

    /// The same with the next command to run, unless there is one already.
    pub(super) fn or_next(self, command: impl Into<String>) -> Self {
        if self.next.is_some() { self } else { self.next(command) }
    }

    /// Tells the person and gives the code to exit with.
    pub(super) fn report(&self) -> ExitCode {
        if self.code != 0 {
            let mut stderr = std::io::stderr();
            let color =
                stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let (on, off) = if color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
            // Without stderr there is nobody to tell.
            let _ = writeln!(stderr, "{on}error:{off} {self}");
        }
        ExitCode::from(self.code)
    }

    /// The code that the process exits with.
    #[cfg(test)]
    pub(super) fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  why:  {}", self.tried, self.why)?;
        match &self.next {
            Some(next) => write!(f, "\n  next: {next}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
