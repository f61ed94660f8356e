//! `fleetfn dev` as an author uses it: saves while it runs, time that goes faster, and what it says at its end.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest that anything may take here: a first build of a function on a busy machine takes minutes.
const PATIENCE: Duration = Duration::from_secs(600);

fn fleetfn() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetfn"));
    // Beside what cargo has locked while it tests, and where other tests of functions build.
    let functions = Path::new(env!("CARGO_TARGET_TMPDIR")).join("functions");
    command.env("CARGO_TARGET_DIR", functions).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A function as a module, so that no compiler is needed: it keeps `n` for every event, logs `seen`, and returns a code.
fn module(directory: &Path, triggers: &Value, code: u32) -> PathBuf {
    let manifest = json!({"abi": 1, "name": "f", "triggers": triggers}).to_string();
    let text = format!(
        r#"(module (@custom "fleetfn_v1_manifest" {manifest:?})
        (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "n")
        (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
        (func (export "fleetfn_v1_on_event") (param i32) (result i32)
            (drop (call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))) (i32.const {code})))"#
    );
    let path = directory.join("f.wasm");
    std::fs::write(&path, wat::parse_str(text).expect("a module")).expect("written");
    path
}

fn scenario(directory: &Path, group: &Value) {
    let text = json!({ "groups": [group] }).to_string();
    std::fs::write(directory.join("scenario.json"), text).expect("written");
}

/// Runs to the end by itself, and gives code, stdout and stderr.
fn run(arguments: &[&str], path: &Path) -> (Option<i32>, String, String) {
    let output: Output = fleetfn().arg("dev").arg(path).args(arguments).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A run that goes on beside the test; killed when dropped.
struct Dev {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Dev {
    fn start(arguments: &[&str], path: &Path) -> Self {
        let mut command = fleetfn();
        command.arg("dev").arg(path).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let out = lines(child.stdout.take().expect("is piped"));
        let err = lines(child.stderr.take().expect("is piped"));
        Self { child, out, err }
    }

    /// Asks it to end as Ctrl-C does, and waits for its code.
    fn interrupt(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
        self.child.wait().expect("it is a child").code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    receiver
}

/// The next line that fits.
fn expect(from: &Receiver<String>, what: &str, fits: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let received = from.recv_timeout(left);
        assert!(received.is_ok(), "there is no {what} among\n{}", seen.join("\n"));
        let line = received.unwrap_or_default();
        if fits(&line) {
            return line;
        }
        seen.push(line);
    }
}

/// The version in a line of an invocation: `12:34:56.789 door@abababababab done ...`.
fn version(line: &str) -> String {
    let (_, rest) = line.split_once('@').expect("a line of an invocation");
    rest.split(' ').next().expect("a version").to_owned()
}

#[test]
fn a_save_is_built_and_goes_live_and_one_that_does_not_build_changes_nothing() {
    let directory = TempDir::new().expect("a directory");
    let made = fleetfn().args(["fn", "new", "door"]).current_dir(directory.path()).status();
    assert!(made.expect("the binary starts").success());
    let door = directory.path().join("door");
    let source = door.join("src/lib.rs");
    let first = std::fs::read_to_string(&source).expect("the source of a new function");

    let mut dev = Dev::start(&["--speed", "60x"], &door);
    let line = expect(&dev.out, "invocation", |line| line.contains("door@") && line.contains(" done "));
    let old = version(&line);
    expect(&dev.out, "key that changed", |line| line.starts_with("    state on = "));

    std::fs::write(&source, first.replace("fan on: {on}", "the fan is {on}")).expect("written");
    expect(&dev.err, "second deployment", |line| line.starts_with("deployed door ") && !line.contains(&old));
    let line = expect(&dev.out, "new version", |line| line.contains("door@") && version(line) != old);
    let new = version(&line);
    expect(&dev.out, "line of the new version", |line| line.starts_with("    info the fan is "));

    std::fs::write(&source, first.replace("let on =", "let on = nonsense;")).expect("written");
    expect(&dev.err, "word of the compiler", |line| line.contains("nonsense"));
    expect(&dev.err, "end of the build", |line| line == "the version before goes on");
    while dev.out.try_recv().is_ok() {}
    let line = expect(&dev.out, "invocation", |line| line.contains("door@"));
    assert_eq!(version(&line), new);

    assert_eq!(dev.interrupt(), Some(0));
    let sum = expect(&dev.err, "summary", |line| line.contains(" invocations, "));
    assert!(sum.contains(" at 60x: ") && sum.ends_with(" 0 failed"), "{sum}");
}

#[test]
fn at_sixty_times_a_minute_of_the_calendar_comes_every_second() {
    let directory = TempDir::new().expect("a directory");
    let triggers = json!([{"cron": "* * * * *"}, {"quiet": "t", "for_s": 30}]);
    let path = module(directory.path(), &triggers, 0);
    // One reading, then silence for thirty seconds of a clock that runs sixty times as fast.
    let reading = json!({"channel": "t", "payload": 1});
    scenario(directory.path(), &json!({"devices": ["d"], "messages": [reading]}));
    let begun = Instant::now();
    let (code, out, err) = run(&["--speed", "60x", "--for", "10m", "-o", "json"], &path);
    assert_eq!(code, Some(0), "{err}");
    assert!(begun.elapsed() < Duration::from_secs(300), "ten minutes took {:?}", begun.elapsed());
    let invocations: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    let times = |detail: &str| {
        let of = invocations.iter().filter(|invocation| invocation["event"]["detail"] == detail);
        of.map(|invocation| invocation["event"]["received_at_ms"].as_u64().expect("a time"))
            .collect::<Vec<_>>()
    };
    let minutes: Vec<u64> = times("cron * * * * *").iter().map(|at_ms| at_ms / 60_000).collect();
    // A machine that stands still for a second misses a minute, and what was missed comes once.
    assert!((6..=12).contains(&minutes.len()), "{minutes:?}");
    assert!(minutes.windows(2).all(|pair| pair[0] < pair[1]), "no minute comes twice: {minutes:?}");
    assert_eq!(times("quiet t for 30 s").len(), 1, "{out}");
}

#[test]
fn a_run_in_which_an_invocation_failed_ends_with_1_and_says_why() {
    let directory = TempDir::new().expect("a directory");
    let path = module(directory.path(), &json!([{"telemetry": "t"}]), 7);
    let (code, out, err) = run(&["--speed", "60x", "--for", "6s"], &path);
    assert_eq!(code, Some(1), "{err}");
    assert!(out.contains(" rejected devices/device-1 telemetry:t "), "{out}");
    assert!(!out.contains("state n"), "nothing comes of what failed: {out}");
    assert!(err.contains("as the manifest suggests") && err.contains("the first: rejected: "), "{err}");
}

#[test]
fn a_scenario_that_is_not_understood_is_refused_before_anything_is_built() {
    let directory = TempDir::new().expect("a directory");
    let path = module(directory.path(), &json!([{"telemetry": "t"}]), 0);
    scenario(directory.path(), &json!({"devices": 1, "message": []}));
    let (code, out, err) = run(&["--for", "1s"], &path);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("unknown field `message`") && err.contains("line 1"), "{err}");
    assert!(!err.contains("building"), "{err}");
    assert_eq!(run(&["--speed", "4000x"], &path).0, Some(2));
    let (code, _, err) = run(&["--for", "1s"], &directory.path().join("nowhere"));
    assert!(code == Some(1) && err.contains("fleetfn fn new"), "{err}");
}

#[test]
fn a_scenario_that_is_saved_is_played_and_one_that_is_not_understood_is_not() {
    let directory = TempDir::new().expect("a directory");
    let path = module(directory.path(), &json!([{"telemetry": "#"}]), 0);
    let message = |channel: &str| json!([{"channel": channel, "every": "1s", "payload": {"$counter": {}}}]);
    scenario(directory.path(), &json!({"devices": ["one"], "messages": message("a")}));
    let mut dev = Dev::start(&["--speed", "10x"], &path);
    expect(&dev.out, "first scenario", |line| line.contains(" devices/one telemetry:a 3 "));
    scenario(directory.path(), &json!({"devices": ["one", "two"], "messages": message("b")}));
    expect(&dev.out, "second scenario", |line| line.contains(" devices/one telemetry:b 0 "));
    expect(&dev.out, "second device", |line| line.contains(" devices/two telemetry:b "));
    scenario(directory.path(), &json!({"devices": "many"}));
    expect(&dev.err, "refusal", |line| line.contains("a number, or a list of names"));
    expect(&dev.err, "what goes on", |line| line == "the devices go on as before");
    while dev.out.try_recv().is_ok() {}
    expect(&dev.out, "second scenario", |line| line.contains(" devices/two telemetry:b "));
    assert_eq!(dev.interrupt(), Some(0));
}

#[test]
fn a_recorded_slice_is_published_again_with_its_spacing() {
    let directory = TempDir::new().expect("a directory");
    let path = module(directory.path(), &json!([{"telemetry": "t"}, {"presence": true}]), 0);
    let case = json!({"name": "n", "device": "lamp-7", "events": [
        {"telemetry": "t", "payload": {"a": 1}},
        {"telemetry": "t", "payload": "two", "after_s": 60},
        {"presence": "disconnected", "source": "connection lost", "after_s": 30},
    ]});
    let file = directory.path().join("slice.json");
    std::fs::write(&file, case.to_string()).expect("written");
    let file = file.to_str().expect("UTF-8");
    let (code, out, err) = run(&["--replay", file, "--speed", "60x", "--for", "2m", "-o", "json"], &path);
    assert_eq!(code, Some(0), "{err}");
    let events: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a JSON object")["event"].clone())
        .collect();
    let shown: Vec<_> = events.iter().map(|event| (event["entity"].clone(), event["kind"].clone())).collect();
    let expected = ["connected", "telemetry", "telemetry", "disconnected"];
    assert_eq!(shown, expected.map(|kind| (json!("devices/lamp-7"), json!(kind))), "{out}");
    assert_eq!((&events[1]["payload"], &events[2]["payload"]), (&json!("{\"a\":1}"), &json!("two")));
    let at_ms = |place: usize| events[place]["received_at_ms"].as_u64().expect("a time");
    let apart_ms = at_ms(2) - at_ms(1);
    assert!((55_000..90_000).contains(&apart_ms), "{apart_ms} ms apart");
}

#[test]
fn a_data_directory_that_is_kept_goes_on_where_it_was_and_its_time_never_goes_back() {
    let directory = TempDir::new().expect("a directory");
    let path = module(directory.path(), &json!([{"telemetry": "t"}]), 0);
    scenario(directory.path(), &json!({"devices": 1, "messages": [{"channel": "t", "payload": 1}]}));
    let data = directory.path().join("data");
    let data = data.to_str().expect("UTF-8");
    let time = || {
        let (code, out, err) = run(&["--data", data, "--speed", "3600x", "--for", "1h", "-o", "json"], &path);
        assert_eq!(code, Some(0), "{err}");
        let line: Value = serde_json::from_str(out.lines().next().expect("an invocation")).expect("JSON");
        line["event"]["received_at_ms"].as_u64().expect("a time")
    };
    let (first, second) = (time(), time());
    assert!(second >= first + 3_000_000, "an hour later, at {first} and {second}");
}
