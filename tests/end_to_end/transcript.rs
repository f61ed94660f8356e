//! Pages of the documentation, walked as they are written: their files are written, their commands run in one shell, and
//! what they print is compared with what the page says. And what operators do with rollouts: commands in a file `.txt`, each
//! a line, and beside it all that they print in a file `.out`.

mod page;
mod readme;
mod shell;

use crate::harness::server::binary;
use page::{Page, Step};
use shell::Shell;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is around the package")
}

fn shell(directory: &Path) -> Shell {
    let program = binary();
    Shell::start(directory, Path::new(program.get_program()).parent().expect("a program is in a directory"))
}

/// Walks a page of the documentation in an empty directory.
fn walk(page: &str) {
    let text = std::fs::read_to_string(root().join(page)).expect("the page is there");
    let directory = tempfile::tempdir().expect("a directory");
    let mut shell = shell(directory.path());
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

#[test]
fn a_first_rollout_goes_as_it_is_written() {
    walk("docs/operate/first-rollout.md");
}

/// Plays what operators do, in an empty directory, and holds what is printed against what it was.
fn play(name: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let home = root().join("tests/end_to_end/transcript/rollouts");
    let read = |file: &str| std::fs::read_to_string(home.join(file)).expect("it is there");
    std::fs::write(directory.path().join("setup.sh"), read("setup.sh")).expect("written");
    for function in ["gate_hold", "gate_go", "maker", "charging"] {
        let module = wat::parse_str(read(&format!("{function}.wat"))).expect("it is well formed");
        std::fs::write(directory.path().join(format!("{function}.wasm")), module).expect("written");
    }
    let mut shell = shell(directory.path());
    let mut printed = String::new();
    let script = read(&format!("{name}.txt"));
    for command in script.lines().filter(|line| !line.starts_with('#')) {
        printed.push_str(&format!("$ {command}\n{}", shell.run(command)));
    }
    let expected = read(&format!("{name}.out"));
    assert!(
        page::fits(&expected, &printed),
        "{name}\n--- it should print\n{expected}\n--- it printed\n{printed}--- the engine said\n{}",
        std::fs::read_to_string(directory.path().join("serve.log")).unwrap_or_default()
    );
}

#[test]
fn a_rollout_that_goes_well_reads_so() {
    play("goes_well");
}

#[test]
fn a_rollout_of_an_image_that_fails_stops_by_itself_and_says_why() {
    play("aborts_by_failures");
}

#[test]
fn a_rollout_of_an_image_that_silences_devices_stops_by_itself_and_says_why() {
    play("aborts_by_silence");
}

#[test]
fn a_gate_holds_a_rollout_and_lets_it_go_on() {
    play("asks_a_gate");
}

#[test]
fn whoever_builds_the_devices_has_a_say_in_their_updates() {
    play("asks_the_maker");
}

#[test]
fn a_rollout_is_paused_resumed_and_promoted() {
    play("pauses");
}

#[test]
fn a_rollout_that_needs_approval_gets_it_from_another_person() {
    play("needs_approval");
}

#[test]
fn of_two_rollouts_for_a_device_the_weightier_goes_first() {
    play("conflicts");
}

#[test]
fn a_rollout_whose_release_is_yanked_is_aborted() {
    play("is_yanked");
}

#[test]
fn what_a_rollout_has_done_is_repaired_by_another_one() {
    play("is_repaired");
}

#[test]
fn a_rollout_that_is_over_is_removed_whatever_happens_to_the_engine() {
    play("is_removed");
}

#[test]
fn a_device_that_comes_later_takes_part() {
    play("late_devices");
}

#[test]
fn a_device_that_is_changed_joins_a_running_rollout_or_leaves_it() {
    play("changed_devices");
}

#[test]
fn a_rollout_goes_on_where_it_was_when_the_engine_is_killed_in_each_of_its_states() {
    play("is_killed_in_each_phase");
}

#[test]
fn a_gate_is_asked_once_and_its_word_counts_however_often_the_engine_is_killed() {
    play("is_killed_while_judged");
}

#[test]
fn devices_are_asked_in_the_hour_that_their_own_clock_shows_and_while_they_charge() {
    play("keeps_to_windows");
}
