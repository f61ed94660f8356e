//! Data directories whose engines go by a clock that an operator sets.
//!
//! Such a clock is ahead of the real one, or behind it, and time in a data directory never goes backwards: its timers,
//! tokens and windows would wait for years, or be over at once. So a directory is for rehearsals from its first start on,
//! says so in the file `rehearsal`, and never becomes anything else; nor does one that was used with the real time.

use crate::cli::failure::Failure;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// The file that says so.
const MARK: &str = "rehearsal";

/// What is in it, for whoever wonders.
const WORDS: &str = "The times in this directory are those of rehearsals: fleetfn serve --clock TIME.\n";

/// What a start says about its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// The real time.
    Real,
    /// One that the operator sets.
    Set,
}

/// Whether a data directory may be used with a clock; one that is new is marked.
pub(super) fn check(data: &Path, clock: Clock) -> Result<(), Failure> {
    let is_marked = data.join(MARK).exists();
    match clock {
        Clock::Real if is_marked => {
            let next = "say at what time to go on: fleetfn serve --clock TIME, or take another directory: --data DIR";
            Err(refused(data, "it is for rehearsals: its times are not the real ones").next(next))
        }
        Clock::Set if !is_marked => mark(data),
        Clock::Real | Clock::Set => Ok(()),
    }
}

fn mark(data: &Path) -> Result<(), Failure> {
    let unreadable = |error: io::Error| refused(data, error);
    std::fs::create_dir_all(data).map_err(unreadable)?;
    if std::fs::read_dir(data).map_err(unreadable)?.next().is_some() {
        let why = "it is in use with the real time, and time never goes backwards";
        return Err(refused(data, why).next("rehearse in another directory: --data DIR"));
    }
    // Before anything else is there: what has no mark is of the real time.
    let synced = |mut file: File| file.write_all(WORDS.as_bytes()).and_then(|()| file.sync_all());
    File::create(data.join(MARK)).and_then(synced).map_err(unreadable)?;
    File::open(data).and_then(|directory| directory.sync_all()).map_err(unreadable)
}

fn refused(data: &Path, why: impl fmt::Display) -> Failure {
    Failure::new(format!("cannot start the engine in {}", data.display()), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_for_rehearsals_or_for_the_real_time_and_stays_so() {
        let home = tempfile::tempdir().expect("a directory");
        let (rehearsal, real) = (home.path().join("rehearsal"), home.path().join("real"));
        for _ in 0..2 {
            assert!(check(&rehearsal, Clock::Set).is_ok());
        }
        assert!(check(&rehearsal, Clock::Real).is_err());
        assert!(check(&real, Clock::Real).is_ok());
        std::fs::create_dir_all(real.join("log")).expect("made");
        assert!(check(&real, Clock::Set).is_err());
        assert!(check(&real, Clock::Real).is_ok());
    }
}
