//! The pages about devices, walked as they are written.

#[path = "../end_to_end/transcript/page.rs"]
mod page;
#[path = "../end_to_end/transcript/shell.rs"]
mod shell;

use crate::emulated::can_run;
use crate::harness::server::binary;
use fleetfn_qemu::Board;
use page::{Page, Step};
use shell::Shell;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(page: &str) -> String {
    std::fs::read_to_string(root().join(page)).expect("the page is there")
}

/// Runs the commands of a page, and compares what they print.
fn walk(page: &str) {
    if !can_run(Board::Mps2An385) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let program = binary();
    let programs = Path::new(program.get_program()).parent().expect("a program is in a directory").to_owned();
    let mut shell = Shell::start(directory.path(), &programs);
    // Where this test was built, so that what it has built is not built again.
    let target =
        std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| root().join("target").display().to_string());
    shell.run(&format!("export CARGO_TARGET_DIR='{target}' REPOSITORY='{}'", root().display()));
    for step in Page::parse(&read(page)).steps {
        let (line, command, expected) = match step {
            Step::Command { line, command, expected } => (line, command, expected),
            Step::File { path, text } => {
                std::fs::write(directory.path().join(path), text).expect("it is written");
                continue;
            }
        };
        let printed = shell.run(&command);
        let fits = page::fits(&expected, &printed);
        assert!(fits, "{page}:{line}: $ {command}\n--- the page says\n{expected}\n--- it printed\n{printed}");
    }
}

#[test]
fn a_device_in_forty_lines_goes_as_it_is_written() {
    walk("docs/start/device.md");
}

#[test]
fn a_firmware_of_your_own_goes_as_it_is_written() {
    walk("docs/start/own-firmware.md");
}

#[test]
fn updating_a_device_goes_as_it_is_written() {
    walk("docs/operate/updating-a-device.md");
}

#[test]
fn what_a_page_shows_of_a_firmware_is_what_is_compiled() {
    let page = read("docs/start/device.md");
    let (_, rest) = page.split_once("```rust source=").expect("it shows a source");
    let (name, rest) = rest.split_once('\n').expect("its name ends with the line");
    let (shown, _) = rest.split_once("```").expect("it has an end");
    assert!(read(name).contains(shown), "{name} has changed");
    assert!(shown.lines().count() <= 40, "forty lines are promised");
}
