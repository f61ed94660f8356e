//! One shell that runs a page's commands, as a reader's would: variables and background jobs last from one to the next.

use crate::harness::PATIENCE;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A build of a function on a busy machine takes minutes.
const COMMAND_MAX: Duration = Duration::from_secs(600);

/// Printed after each command, to know its end.
const END: &str = "-- end of command --";

/// A shell and all that it starts: killed together.
pub(super) struct Shell {
    process: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    /// Starts in a directory, with the programs under test before all others.
    pub(super) fn start(directory: &Path, programs: &Path) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        let target = programs.parent().map(|target| target.join("tour")).unwrap_or_default();
        let mut process = Command::new("bash")
            .arg("--norc")
            .current_dir(directory)
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_TERM_QUIET", "true")
            .env("NO_COLOR", "1")
            .env("TZ", "UTC")
            .env_remove("RUST_LOG")
            .env_remove("RUSTFLAGS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("there is a bash");
        let mut input = process.stdin.take().expect("standard input is piped");
        writeln!(input, "exec 2>&1").expect("the shell listens");
        let output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { process, input, lines }
    }

    /// Runs a command to its end; what it printed, and how it failed if it did.
    pub(super) fn run(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}\necho \"{END} $?\"").expect("the shell listens");
        let mut printed = String::new();
        loop {
            let line = self.lines.recv_timeout(COMMAND_MAX.max(PATIENCE));
            let line = line.unwrap_or_else(|_| panic!("$ {command}\ndoes not end; it printed\n{printed}"));
            match line.split_once(END) {
                Some((rest, status)) => {
                    // A command may end in the middle of a line.
                    printed.push_str(rest);
                    match status.trim() {
                        "0" => {}
                        status => printed.push_str(&format!("[exit {status}]\n")),
                    }
                    return printed;
                }
                None => {
                    printed.push_str(&line);
                    printed.push('\n');
                }
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            // Fails only when nothing of it is left.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.process.wait();
    }
}
