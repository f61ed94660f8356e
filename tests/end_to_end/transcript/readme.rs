//! The five minutes of the README, walked as they are written by a reader whose ports are taken: each line of the section's
//! shell blocks, with stock MQTT clients. What the text behind a block says that something prints is waited for.

use super::shell::Shell;
use super::{root, shell};
use crate::harness::{server::binary, wait_until};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What the shell says of a command that failed.
const FAILED: &str = "[exit ";

/// One part of the section.
enum Part<'a> {
    /// Lines of a shell block.
    Block(Vec<&'a str>),
    /// What something prints, as the text says.
    Promise(&'a str),
}

/// The parts of a section, in their order.
fn parts(section: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for (index, piece) in section.split("```").enumerate() {
        match piece.strip_prefix("sh\n") {
            Some(block) if index % 2 == 1 => parts.push(Part::Block(block.lines().collect())),
            _ => {
                let promises = piece.split("prints `").skip(1).filter_map(|rest| rest.split('`').next());
                parts.extend(promises.map(Part::Promise));
            }
        }
    }
    parts
}

/// Programs that say what the README tells whose ports are taken to say: `--mqtt` and `--http`, and `-p`.
fn write_programs(directory: &Path) {
    let engine = binary();
    let serve =
        "if [ \"$1\" = serve ]; then shift; set -- serve --mqtt 127.0.0.1:0 --http 127.0.0.1:0 \"$@\"; fi";
    let own = format!("{serve}\nexec {} \"$@\"", Path::new(engine.get_program()).display());
    // Behind this directory in the path is the program itself.
    let stock = |name| (name, format!("PATH=${{PATH#*:}} exec {name} -p \"$PORT\" \"$@\""));
    for (name, script) in [("fleetfn", own), stock("mosquitto_sub"), stock("mosquitto_pub")] {
        let path = directory.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("made a program");
    }
}

struct Walk {
    shell: Shell,
    printed: String,
}

impl Walk {
    /// Runs a line; what it prints. What goes on until Ctrl-C is ended when it has printed something.
    fn run(&mut self, line: &str) {
        let printed = if line.contains("until Ctrl-C") {
            let (command, _) = line.split_once('#').expect("that is said behind the command");
            let begun = format!("{command} >endless.out & until [ -s endless.out ]; do sleep 0.05; done");
            self.shell.run(&format!("{begun}; kill $!; wait $! 2>/dev/null; cat endless.out"))
        } else {
            self.shell.run(line)
        };
        assert!(!printed.contains(FAILED), "$ {line}\n{printed}");
        self.printed.push_str(&printed);
    }

    /// Waits until something was printed, also by what runs in the background.
    fn wait_for(&mut self, text: &str) {
        let Self { shell, printed } = self;
        wait_until(&format!("{text:?} is printed"), || {
            printed.push_str(&shell.run("sleep 0.02"));
            printed.contains(text)
        });
    }
}

#[test]
fn the_five_minutes_of_the_readme_go_as_they_are_written() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("it is there");
    let (_, rest) = readme.split_once("\n## Five minutes\n").expect("it has the section");
    let (section, _) = rest.split_once("\n## ").expect("another section follows");
    let directory = tempfile::tempdir().expect("a directory");
    let programs = directory.path().join("programs");
    std::fs::create_dir(&programs).expect("made");
    write_programs(&programs);
    let mut walk = Walk { shell: shell(directory.path()), printed: String::new() };
    walk.run("export PATH=\"$PWD/programs:$PATH\"");
    let parts = parts(section);
    assert!(parts.iter().any(|part| matches!(part, Part::Promise(_))), "it says what is printed");
    for part in parts {
        match part {
            Part::Promise(text) => walk.wait_for(text),
            Part::Block(lines) => {
                // What is tried has been built.
                for line in lines.into_iter().filter(|line| !line.starts_with("cargo build")) {
                    walk.run(line);
                    if line.starts_with("fleetfn serve") {
                        walk.wait_for("fleetfn ready");
                        let port =
                            walk.printed.split("mqtt=127.0.0.1:").nth(1).map(|rest| rest.split(' ').next());
                        walk.run(&format!("export PORT={}", port.flatten().expect("it says where it is")));
                    }
                }
            }
        }
    }
    let told = &walk.printed;
    for text in ["test result: ok", "overheat", "{\"on\":true}", "INVOCATIONS", "OFFSET"] {
        assert!(told.contains(text), "{text:?} is not in\n{told}");
    }
    for left in ["data", "overheat"] {
        assert!(!directory.path().join(left).exists(), "{left} is left");
    }
}
