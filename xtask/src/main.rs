//! House rules, benchmarks, footprints, fuzzing, emulated boards and failing cases: `cargo xtask tidy`,
//! `cargo xtask bench event-path|functions|rollout|fleet|update`, `cargo xtask footprint`, `cargo xtask fuzz TARGET`, `cargo xtask miri`,
//! `cargo xtask qemu NAME`, `cargo xtask replay`.

mod bench;
mod footprint;
mod fuzz;
mod header;
mod image;
mod miri;
mod qemu;
mod replay;
mod repository;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy                                 check the house rules that a machine can check
  bench event-path [--seconds N] ...   measure the event path against its peer; prints a Markdown table
                                       (all flags: cargo xtask bench event-path --help)
  bench functions [--parts ...] ...    measure what functions cost, beside native and wasmtime; prints Markdown tables
  bench rollout [--devices N] ...      measure a rollout to a simulated fleet; prints a Markdown table
  bench fleet [--devices N] ...        measure a large fleet that is registered; prints a Markdown table
  bench update                         count what an update of 64 KB costs in time, bytes and flash; prints a Markdown table
  footprint --memory                   run a board with updates on the emulator, and measure its RAM, stack included
  footprint [--check]                  count what the device SDK takes of a microcontroller's flash; prints a Markdown
                                       table; --check fails if a figure has grown over the one in the docs
  fuzz TARGET [SECONDS | keep]         fuzz one of tests/fuzz/corpus, or keep what reached new code; needs cargo-fuzz
  miri                                 run the parsers of what comes from outside under Miri; needs a nightly compiler
  header [--check]                     write the header of the C library, or fail if it is not that of the source
  qemu NAME --device ID --token TOKEN  run a firmware example on an emulated board, as that device of a running fleetfn
                                       (all flags: cargo xtask qemu --help)
  image NAME -o FILE                   build a firmware example and write its image, for a release
                                       (all flags: cargo xtask image --help)
  replay FILE                          go step by step through a case in which the core's model failed";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["tidy"] => tidy::run(),
        ["bench", what @ ("event-path" | "functions" | "rollout" | "fleet"), rest @ ..] => {
            bench::run(what, rest)
        }
        ["bench", "update"] => bench::update(),
        ["footprint"] => footprint::run(false),
        ["footprint", "--check"] => footprint::run(true),
        ["footprint", "--memory"] => footprint::memory(),
        ["fuzz", target] => fuzz::run(target, None),
        ["fuzz", target, seconds] => fuzz::run(target, Some(seconds)),
        ["header"] => header::run(false),
        ["header", "--check"] => header::run(true),
        ["image", rest @ ..] => image::run(rest),
        ["miri"] => miri::run(),
        ["qemu", rest @ ..] => qemu::run(rest),
        ["replay", file] => replay::run(file),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
