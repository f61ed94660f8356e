//! `fleetfn fn test [PATH]`: builds a function and runs the cases in its `tests/*.json` in the engine's own sandbox,
//! without an engine: state and time are those of the case.
//!
//! stdout has one line for each case; how a case differs is told on stderr.

mod bench;
mod case;
mod effect;
mod event;
mod layout;
mod value;
mod world;

pub(crate) use case::{Case, Step};
pub(crate) use value::bytes;

use super::build;
use crate::cli::failure::Failure;
use crate::cli::output;
use bench::{Bench, Ran};
use case::Expect;
use serde_json::Value;
use std::path::{Path, PathBuf};
use value::Difference;

/// Directory of the cases, below that of the function.
const CASES_DIRECTORY: &str = "tests";

/// Most characters of a value that are shown of a difference.
const SHOWN_CHARACTERS_MAX: usize = 2_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the function's source, or a module
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
    /// Directory of the cases [default: tests beside the source]
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Run only cases whose name or file contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Write what happens into the cases that differ or expect nothing yet
    #[arg(long)]
    update: bool,
}

/// How often which end was seen.
#[derive(Debug, Default)]
struct Tally {
    passed: u32,
    failed: u32,
    updated: u32,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.path;
    let tried = format!("cannot test the function in {}", path.display());
    let built = build::build(path)?;
    let wasm = std::fs::read(&built.path)
        .map_err(|error| Failure::new(&tried, format!("{} cannot be read: {error}", built.path.display())))?;
    let mut bench = Bench::new(wasm).map_err(|why| Failure::new(&tried, why))?;
    let beside = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
    let directory = arguments.cases.clone().unwrap_or_else(|| beside.join(CASES_DIRECTORY));
    let files = files(&directory).map_err(|error| {
        Failure::new(&tried, format!("{}: {error}", directory.display()))
            .next("write a case; docs/reference/testing.md shows how")
    })?;
    let mut tally = Tally::default();
    for file in &files {
        one(&mut bench, file, arguments, &mut tally)?;
    }
    let Tally { passed, failed, updated } = tally;
    if passed + failed + updated == 0 {
        return Err(Failure::new(&tried, format!("{} holds no case that is to be run", directory.display()))
            .next("write a case; docs/reference/testing.md shows how"));
    }
    eprintln!("{passed} passed, {failed} failed, {updated} updated");
    if failed > 0 {
        let failure = Failure::new(format!("{failed} of {} cases failed", files.len()), "see above");
        return Err(
            failure.next(format!("if what happens is right: fleetfn fn test {} --update", path.display()))
        );
    }
    Ok(())
}

/// The files of a directory that hold cases, by name.
fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let file = entry?.path();
        if file.is_file() && file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs the case of one file and tells what came of it.
fn one(bench: &mut Bench, file: &Path, arguments: &Arguments, tally: &mut Tally) -> Result<(), Failure> {
    let shown = file.display();
    let told = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let mut case = match told.and_then(|text| Case::parse(&text)) {
        Ok(case) => case,
        Err(why) => {
            tally.failed += 1;
            eprintln!("{shown}: {why}");
            return output::line(&format!("FAIL {shown}: not a case"));
        }
    };
    let name = case.name.clone();
    if let Some(only) = &arguments.only
        && !name.contains(only)
        && !shown.to_string().contains(only)
    {
        return Ok(());
    }
    let ran = match bench.run(&case) {
        Ok(ran) => ran,
        Err(why) => {
            tally.failed += 1;
            eprintln!("{shown}: {why}");
            return output::line(&format!("FAIL {shown}: {name}"));
        }
    };
    if arguments.update && update(&mut case, &ran) {
        let written =
            case.text().and_then(|text| std::fs::write(file, text).map_err(|error| error.to_string()));
        written.map_err(|why| Failure::new(format!("cannot update {shown}"), why))?;
        tally.updated += 1;
        return output::line(&format!("new  {shown}: {name}"));
    }
    if ran.iter().all(|ran| ran.differences.is_empty()) {
        tally.passed += 1;
        return output::line(&format!("ok   {shown}: {name}"));
    }
    tally.failed += 1;
    tell(&ran);
    output::line(&format!("FAIL {shown}: {name}"))
}

/// Makes a case expect what happened, where it does not; whether that changed it.
fn update(case: &mut Case, ran: &[Ran]) -> bool {
    let mut changed = false;
    for (step, ran) in case.events.iter_mut().zip(ran) {
        if !ran.differences.is_empty() || step.expect.is_none() {
            step.expect = Some(readable(ran.happened.clone()));
            changed = true;
        }
    }
    changed
}

/// The same, with objects and lists of JSON written as such and not as text.
fn readable(mut happened: Expect) -> Expect {
    for effect in happened.effects.iter_mut().flatten() {
        let Value::Object(members) = effect else { continue };
        for (_, value) in members.iter_mut() {
            let parsed = value.as_str().and_then(|text| serde_json::from_str(text).ok());
            if let Some(parsed @ (Value::Object(_) | Value::Array(_))) = parsed {
                *value = parsed;
            }
        }
    }
    happened
}

/// Tells where a case differs, event by event.
fn tell(ran: &[Ran]) {
    for ran in ran.iter().filter(|ran| !ran.differences.is_empty()) {
        eprintln!("  {}", ran.title);
        for Difference { path, expected, actual } in &ran.differences {
            eprintln!("    {path}");
            eprintln!("      expected: {}", side(expected.as_ref()));
            eprintln!("      actual:   {}", side(actual.as_ref()));
        }
    }
}

fn side(value: Option<&Value>) -> String {
    let text = match value {
        // Several lines are easier to read as such: a failure with its backtrace.
        Some(Value::String(text)) if text.contains('\n') => text.replace('\n', "\n        "),
        value => value.map_or_else(|| "nothing".into(), Value::to_string),
    };
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
