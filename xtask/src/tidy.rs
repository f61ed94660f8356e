//! `cargo xtask tidy`: the house rules that a machine can check, each violation as `file:line: what is wrong`.
//!
//! Reads only files that git knows or would take, runs no compiler, takes well under a second.

mod edges;
mod files;
mod source;

use crate::repository;
use anyhow::{Context, Result};
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: String,
    line: usize,
    what: String,
}

impl Violation {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Checks every file; prints what is wrong and fails if anything is.
pub(crate) fn run() -> Result<ExitCode> {
    let root = repository::root()?;
    let names = repository::files(&root)?;
    let violations = check(&root, &names)?;
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        println!("tidy: {} files, nothing to complain about", names.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {} violations in {} files", violations.len(), names.len());
    Ok(ExitCode::FAILURE)
}

fn check(root: &Path, names: &[String]) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for name in names {
        let bytes = std::fs::read(root.join(name)).with_context(|| format!("reading {name}"))?;
        files::check(name, &bytes, &mut violations);
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        if name.ends_with(".rs") {
            source::check(name, text, &mut violations);
        }
        if name.ends_with("Cargo.toml") {
            edges::check(name, text, &mut violations);
        }
    }
    Ok(violations)
}

#[cfg(test)]
mod tests;
