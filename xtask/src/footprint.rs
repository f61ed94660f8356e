//! `cargo xtask footprint`: links what the device SDK is made of for bare targets and counts the bytes of flash.
//!
//! Each program uses one layer whole and is never run. What is counted is the whole program: code, constants and
//! initialised data of layer, main loop and the compiler's own routines. A program that can panic or format is refused,
//! but for the panics that `panics` lists. `boot` counts the boot loader of a board.

mod boot;
mod elf;
mod panics;

use crate::repository;
use anyhow::{Context, Result, bail, ensure};
use panics::Panic;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

const TARGETS: [&str; 3] = ["thumbv6m-none-eabi", "thumbv7em-none-eabihf", "riscv32imc-unknown-none-elf"];

/// A program, what the table calls it, and the panics that may be linked into it.
struct Program {
    binary: &'static str,
    title: &'static str,
    panics: Panics,
}

/// Which panics may be linked into a program.
#[derive(Clone, Copy)]
enum Panics {
    Only(&'static [Panic]),
    /// It is not ours, and not looked at.
    Any,
}

const PROGRAMS: [Program; 9] = [
    Program { binary: "footprint-mqtt", title: "MQTT client", panics: Panics::Only(&[]) },
    Program {
        binary: "footprint-agent",
        title: "Agent: telemetry, commands, twin",
        panics: Panics::Only(&[]),
    },
    Program { binary: "footprint-outbox", title: "Agent with outbox", panics: Panics::Only(&panics::OUTBOX) },
    Program {
        binary: "footprint-update-without-ed25519",
        title: "Agent with updates, signatures verified by the board",
        panics: Panics::Only(&panics::UPDATE_WITHOUT_ED25519),
    },
    Program {
        binary: "footprint-whole-without-ed25519",
        title: "Agent with outbox and such updates",
        panics: Panics::Only(&panics::WHOLE),
    },
    Program {
        binary: "footprint-update",
        title: "Agent with verified updates",
        panics: Panics::Only(&panics::UPDATE),
    },
    Program {
        binary: "footprint-whole",
        title: "Agent with outbox and verified updates",
        panics: Panics::Only(&panics::WHOLE),
    },
    Program { binary: "footprint-minimq", title: "For comparison: minimq 0.13.5", panics: Panics::Any },
    Program { binary: "footprint-rust-mqtt", title: "For comparison: rust-mqtt 0.6.0", panics: Panics::Any },
];

/// The linker needs no script to count, but an entry. Nothing unwinds, so tables for it are left out. SHA-2 is to be short
/// rather than fast, which boards have to ask for as well.
const FLAGS: &str = "-Clink-arg=--entry=_start -Cforce-unwind-tables=no --cfg sha2_backend_soft=\"compact\"";

/// Where the table stands.
const PAGE: &str = "docs/reference/footprint.md";

/// How much a figure may grow before the table has to be changed, in percent.
const GROWTH_PERCENT_MAX: u64 = 2;

/// Measures and prints the table; with `checks`, fails if a figure has grown over what the page says.
pub(crate) fn run(checks: bool) -> Result<ExitCode> {
    let root = repository::root()?;
    let mut table = String::new();
    writeln!(table, "| | {} |", TARGETS.join(" | "))?;
    writeln!(table, "|---|{}", "---:|".repeat(TARGETS.len()))?;
    for program in &PROGRAMS {
        let mut row = format!("| {} |", program.title);
        for target in TARGETS {
            let bytes = measure(&root, program, target)?;
            write!(row, " {} |", grouped(bytes))?;
        }
        writeln!(table, "{row}")?;
    }
    print!("{table}");
    for program in &PROGRAMS {
        let Panics::Only(allowed) = program.panics else { continue };
        for Panic { path, reason } in allowed {
            println!("{} may call {path}: {reason}", program.binary);
        }
    }
    let boot_bytes = boot::measure(&root)?;
    println!("{}", boot::line(boot_bytes));
    if !checks {
        return Ok(ExitCode::SUCCESS);
    }
    let page = std::fs::read_to_string(root.join(PAGE)).with_context(|| format!("reading {PAGE}"))?;
    let mut grown = grown(&page, &table)?;
    let boot_bytes_before = boot::figure(&page)?;
    if has_grown(boot_bytes_before, boot_bytes) {
        grown.push(format!("the boot loader has grown from {boot_bytes_before} to {boot_bytes} bytes"));
    }
    for what in &grown {
        println!("{what}: if that is meant, put what is printed above into {PAGE}");
    }
    Ok(if grown.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures the RAM of a board with updates, as the test does that compares it with the page.
pub(crate) fn memory() -> Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(cargo)
        .args(["test", "--quiet", "--locked", "--workspace", "--test", "firmware", "ram::"])
        .env("FLEETFN_TEST_FIRMWARE", "all")
        .current_dir(repository::root()?)
        .status()
        .context("running cargo test")?;
    Ok(if ran.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds a program for a target, and counts.
fn measure(root: &Path, program: &Program, target: &str) -> Result<u64> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--package", "fleetfn-footprint", "--bin", program.binary])
        .args(["--profile", "footprint", "--target", target, "--message-format", "json"])
        .env("RUSTFLAGS", FLAGS)
        .stderr(std::process::Stdio::inherit())
        .current_dir(root)
        .output()
        .context("running cargo build")?;
    ensure!(
        built.status.success(),
        "{} does not build for {target}: is the target installed? rustup target add {target}",
        program.binary
    );
    let messages = String::from_utf8(built.stdout).context("reading what cargo built")?;
    let path = executable(&messages).context("cargo built no program")?;
    let file = std::fs::read(path).with_context(|| format!("reading {path}"))?;
    let elf = elf::Elf::parse(&file).with_context(|| format!("{path} is not a program for {target}"))?;
    if let Panics::Only(allowed) = program.panics {
        let unwanted = panics::unwanted(elf.symbols()?, allowed);
        if !unwanted.is_empty() {
            bail!("{} can panic or format on {target}, it holds {}", program.binary, unwanted.join(", "));
        }
    }
    elf.flash_bytes()
}

/// The program that cargo's messages name.
fn executable(messages: &str) -> Option<&str> {
    let (_, rest) = messages.split_once("\"executable\":\"")?;
    rest.split_once('"').map(|(path, _)| path)
}

/// What is larger in `measured` than in `page` by more than it may be. Rows are found by their titles.
fn grown(page: &str, measured: &str) -> Result<Vec<String>> {
    let mut grown = Vec::new();
    for program in &PROGRAMS {
        let (old, new) = (figures(page, program.title)?, figures(measured, program.title)?);
        for ((target, old), new) in TARGETS.iter().zip(old).zip(new) {
            if has_grown(old, new) {
                grown.push(format!("{} on {target} has grown from {old} to {new} bytes", program.title));
            }
        }
    }
    Ok(grown)
}

fn has_grown(old: u64, new: u64) -> bool {
    new * 100 > old * (100 + GROWTH_PERCENT_MAX)
}

/// The figures of a row.
fn figures(table: &str, title: &str) -> Result<Vec<u64>> {
    let start = format!("| {title} |");
    let row = table.lines().find_map(|line| line.strip_prefix(&start));
    let row = row.with_context(|| format!("there is no row '{title}' in {PAGE}"))?;
    let figures: Vec<u64> = row
        .split('|')
        .map(|cell| cell.trim().replace(',', ""))
        .filter(|cell| !cell.is_empty())
        .map(|cell| cell.parse().with_context(|| format!("'{cell}' in the row '{title}' is not a number")))
        .collect::<Result<_>>()?;
    ensure!(figures.len() == TARGETS.len(), "the row '{title}' has not one figure for each target");
    Ok(figures)
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::{PROGRAMS, executable, grouped, grown};

    #[test]
    fn a_figure_may_grow_by_two_percent_and_no_more() {
        let rows = |first: u32, last: u32| {
            PROGRAMS.iter().fold("| | a | b | c |\n|---|---:|---:|---:|\n".to_owned(), |table, program| {
                table + &format!("| {} | {first} | 500 | {last} |\n", program.title)
            })
        };
        let page = format!("# Footprint\n\n{}", rows(10_000, 600)).replace("10000", "10,000");
        assert_eq!(grown(&page, &rows(10_200, 300)).expect("two tables").len(), 0);
        assert_eq!(grown(&page, &rows(10_201, 300)).expect("two tables").len(), PROGRAMS.len());
        assert!(grown("# Footprint\n", &rows(1, 1)).is_err());
        assert!(grown(&page.replace(" 500 |", ""), &rows(1, 1)).is_err());
    }

    #[test]
    fn numbers_and_paths_are_read_and_written() {
        assert_eq!((grouped(7), grouped(999), grouped(1_000)), ("7".into(), "999".into(), "1,000".into()));
        assert_eq!(grouped(1_234_567), "1,234,567");
        let messages = "{\"executable\":null}\n{\"executable\":\"/t/footprint-mqtt\",\"fresh\":true}\n";
        assert_eq!(executable(messages), Some("/t/footprint-mqtt"));
    }
}
