//! Pages of the documentation, walked as they are written: their files are written, their commands run in one shell, and
//! what they print is compared with what the page says.

mod page;
mod shell;

use crate::harness::server::binary;
use page::{Page, Step};
use shell::Shell;
use std::path::Path;

/// Walks a page of the documentation in an empty directory.
fn walk(page: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is around the package");
    let text = std::fs::read_to_string(root.join(page)).expect("the page is there");
    let directory = tempfile::tempdir().expect("a directory");
    let program = binary();
    let programs = Path::new(program.get_program()).parent().expect("a program is in a directory").to_owned();
    let mut shell = Shell::start(directory.path(), &programs);
    for step in Page::parse(&text).steps {
        match step {
            Step::File { path, text } => {
                let path = directory.path().join(path);
                std::fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("made");
                std::fs::write(&path, text).expect("written");
            }
            Step::Command { line, command, expected } => {
                let printed = shell.run(&command);
                let fits = page::fits(&expected, &printed);
                assert!(
                    fits,
                    "{page}:{line}: $ {command}\n--- the page says\n{expected}\n--- it printed\n{printed}"
                );
            }
        }
    }
}

#[test]
fn the_tour_goes_as_it_is_written() {
    walk("docs/start/tour.md");
}

#[test]
fn firmware_is_released_as_it_is_written() {
    walk("docs/operate/firmware.md");
}
