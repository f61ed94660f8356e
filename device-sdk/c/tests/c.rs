//! Programs in C against the library: a thermometer that talks to our broker, and one that passes what is wrong.

#[expect(dead_code, reason = "the tests in Rust use more of it")]
#[path = "../../tests/brokers/backend.rs"]
mod backend;

use backend::Fleet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// What names another clang, as for `fleetfn fn build`.
const CLANG_VARIABLE: &str = "CLANG";

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// The library, which cargo builds beside the tests under a name with a hash: the newest is that of this source.
fn library() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let beside = std::fs::read_dir(test.parent().expect("it lies in a directory")).expect("it can be listed");
    let is_library = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libfleetfn_device_c-") && name.ends_with(".a")
    };
    let paths = beside.filter_map(|entry| Some(entry.ok()?.path())).filter(is_library);
    paths.max_by_key(|path| path.metadata().and_then(|file| file.modified()).ok()).expect("cargo built it")
}

/// Compiles a program of the package, with every warning an error.
fn compiled(source: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("there is room");
    let program = directory.path().join("program");
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clang = std::env::var_os(CLANG_VARIABLE).unwrap_or_else(|| "clang".into());
    let compiled = Command::new(clang)
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-I"])
        .arg(package)
        .arg(package.join(source))
        .arg(library())
        .args(["-lm", "-lpthread", "-ldl", "-o"])
        .arg(&program)
        .output()
        .expect("clang is installed: .ci/run does it");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    (directory, program)
}

/// A program that ends with its value.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Reads what it prints until a line begins so; returns the rest of it.
    fn until(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.expect("it goes on printing");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_thermometer_in_c_sends_obeys_and_follows_its_twin() {
    let fleet = Fleet::start();
    let (_directory, program) = compiled("examples/posix.c");
    let mut child = Command::new(program)
        .args([&fleet.address().port().to_string(), "secret"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was compiled");
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let (send, lines) = channel();
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    let thermometer = Running { child, lines };
    thermometer.until("listening");
    fleet.deliver(4, "commands/blink", "now");
    assert_eq!(thermometer.until("command "), "blink: now (4.0.f)");
    fleet.deliver(5, "twin/desired", "{\"led\":1}");
    assert_eq!(thermometer.until("desired "), "{\"led\":1}");
    let all = ["telemetry/climate", "commands/blink/reply", "twin/reported"]
        .map(|topic| format!("devices/d1/{topic}"));
    let came = || fleet.admitted().iter().map(|(topic, _)| topic.clone()).collect::<Vec<_>>();
    while !all.iter().all(|topic| came().contains(topic)) {
        assert!(thermometer.until("delivered ").ends_with(": 0"), "it is durable");
    }
    assert_eq!(fleet.acknowledged().first().map(String::as_str), Some("4.0.f"));
}

#[test]
fn what_is_wrong_is_answered_with_a_status() {
    let (_directory, program) = compiled("tests/bad_arguments.c");
    let ended = Command::new(program).status().expect("it was compiled");
    assert_eq!(ended.code(), Some(0), "the code is the line of the answer that is wrong, modulo 256");
}
