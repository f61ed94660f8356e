//! The binary as a person uses it: a served engine, and commands that find it by its data directory.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest that anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn fleetfn(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetfn"));
    command.env("FLEETFN_DATA", data).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Waits until a process has ended, and takes what it printed; fails if it takes too long.
fn finish(mut child: Child) -> Output {
    let deadline = Instant::now() + PATIENCE;
    let mut overdue = false;
    while !overdue && child.try_wait().expect("it is a child").is_none() {
        std::thread::sleep(Duration::from_millis(2));
        overdue = Instant::now() >= deadline;
    }
    if overdue {
        let _ = child.kill();
    }
    let output = child.wait_with_output().expect("it has ended");
    assert!(!overdue, "does not end: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// `fleetfn serve` on free ports; killed when dropped.
struct Server {
    child: Child,
    data: TempDir,
    ready: String,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let mut child = fleetfn(data.path())
            .args(["serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("is piped"));
        let mut stderr = child.stderr.take().expect("is piped");
        let (lines, line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut first = String::new();
            stdout.read_line(&mut first).expect("UTF-8");
            let _ = lines.send(first);
            let mut rest = String::new();
            stdout.read_to_string(&mut rest).expect("UTF-8");
            let _ = lines.send(rest);
        });
        // Read, so that a full pipe does not stop the engine.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::stderr()));
        let ready = line.recv_timeout(PATIENCE).expect("is ready in time");
        Self { child, data, ready: ready.trim_end().to_owned() }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// The exit code, once the engine has ended.
    fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("it is a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = fleetfn(self.data.path());
        finish(command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts"))
    }

    /// The same, with something on standard input.
    fn tell(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = fleetfn(self.data.path());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        child.stdin.take().expect("is piped").write_all(input.as_bytes()).expect("is read");
        finish(child)
    }

    /// stdout of a command that succeeds.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Exit code and stderr of a command that fails.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} must fail");
        assert!(output.stdout.is_empty(), "{arguments:?}: stdout is for data");
        (output.status.code().expect("an exit code"), String::from_utf8(output.stderr).expect("UTF-8"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_served_engine_says_so_in_one_line_and_ends_with_0_when_terminated() {
    let mut server = Server::start(&[]);
    let words: Vec<&str> = server.ready.split(' ').collect();
    let [name, ready, mqtt, http] = words[..] else { panic!("four words: {}", server.ready) };
    assert_eq!((name, ready), ("fleetfn", "ready"));
    for (word, key) in [(mqtt, "mqtt="), (http, "http=")] {
        let address: std::net::SocketAddr = word.strip_prefix(key).expect(key).parse().expect("an address");
        assert!(address.port() > 0 && std::net::TcpStream::connect(address).is_ok());
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn devices_are_added_listed_and_removed_by_the_data_directory_alone() {
    let server = Server::start(&[]);
    let added: Value =
        serde_json::from_str(&server.ok(&["device", "add", "lamp-1", "-o", "json"])).expect("JSON");
    assert_eq!(added["token"].as_str().map(str::len), Some(64));
    let listed: Value = serde_json::from_str(&server.ok(&["device", "ls", "-o", "json"])).expect("JSON");
    assert_eq!((&listed[0]["id"], listed.as_array().map(Vec::len)), (&"lamp-1".into(), Some(1)));

    let (code, text) = server.refused(&["device", "add", "lamp-1"]);
    assert_eq!(code, 1);
    assert!(text.contains("exists already") && text.contains("next: fleetfn device ls"), "{text}");
    assert_eq!(server.refused(&["device", "rm", "lamp-1"]).0, 2, "it must not be removed unasked");
    server.ok(&["device", "rm", "lamp-1", "-y"]);
    assert_eq!(server.refused(&["device", "rm", "lamp-1", "-y"]).0, 1);
    assert_eq!(server.refused(&["fn", "deploy", "/nowhere.wasm"]).0, 1);
    assert_eq!(server.refused(&["fn", "logs", "nothing"]).0, 1);
}

#[test]
fn what_is_published_by_one_operator_another_receives() {
    let server = Server::start(&[]);
    let mut subscriber = fleetfn(server.data.path())
        .args(["sub", "-t", "alerts/#", "-v", "-C", "1", "-W", "60"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    // A subscription shows itself by nothing but what it receives: publish until it has.
    let deadline = Instant::now() + PATIENCE;
    while subscriber.try_wait().expect("it is a child").is_none() {
        assert!(Instant::now() < deadline, "nothing is received");
        server.ok(&["pub", "-t", "alerts/fire", "-m", "hot", "-q", "1"]);
    }
    let output = finish(subscriber);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"alerts/fire hot\n"[..]));
    assert_eq!(server.refused(&["sub", "-t", "quiet", "-W", "100ms"]).0, 124);
}

#[test]
fn a_device_publishes_with_its_token_and_on_its_own_topics_only() {
    let server = Server::start(&[]);
    let added: Value =
        serde_json::from_str(&server.ok(&["device", "add", "d-1", "-o", "json"])).expect("JSON");
    let token = added["token"].as_str().expect("a token");
    let publish = |token: &str, topic: &str, at: &[&str]| {
        let arguments = ["pub", "-u", "d-1", "-P", token, "-q", "1", "-m", "x", "-t", topic];
        server.run(&[&arguments[..], at].concat())
    };
    let refusal = |output: Output| (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"));
    let mqtt = server.ready.split(' ').find_map(|word| word.strip_prefix("mqtt=127.0.0.1:")).expect("a port");
    let at = ["-h", "127.0.0.1", "-p", mqtt];

    let own = "devices/d-1/telemetry/climate";
    assert!(publish(token, own, &[]).status.success());
    assert!(publish(token, own, &at).status.success());
    let (code, text) = refusal(publish(token, "devices/d-2/telemetry/climate", &[]));
    assert!(code == Some(1) && text.contains("NotAuthorized"), "{text}");
    let (code, text) = refusal(publish("wrong", own, &[]));
    assert!(code == Some(1) && text.contains("refused the connection"), "{text}");
}

#[test]
fn an_open_engine_takes_any_device_and_listens_on_loopback_only() {
    let server = Server::start(&["--open"]);
    server.ok(&["pub", "-u", "anything", "-t", "devices/anything/telemetry/a", "-m", "x", "-q", "1"]);
    let (code, text) = server.refused(&["serve", "--open", "--mqtt", "0.0.0.0:0"]);
    assert!(code == 2 && text.contains("loopback"), "{text}");
}

#[test]
fn a_second_engine_in_the_same_directory_is_refused() {
    let server = Server::start(&[]);
    let (code, text) = server.refused(&["serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    assert!(code == 1 && text.contains("in use"), "{text}");
}

#[test]
fn without_an_engine_commands_say_how_to_start_one() {
    let data = tempfile::tempdir().expect("a directory");
    for arguments in
        [&["fn", "ls"][..], &["device", "ls"], &["pub", "-t", "a", "-m", "b"], &["sub", "-t", "a"]]
    {
        let mut command = fleetfn(data.path());
        let output = finish(command.args(arguments).stderr(Stdio::piped()).spawn().expect("starts"));
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("next: fleetfn serve --data"), "{text}");
    }
}

/// A module that handles every event and does nothing; `nops` makes versions of it.
fn module(directory: &Path, nops: usize) -> String {
    let manifest = r##"{"abi":1,"name":"climate","triggers":[{"telemetry":"#"}]}"##;
    let text = format!(
        r#"(module
            (memory (export "memory") 2)
            (func (export "fleetfn_v1_buffer") (result i64) (i64.const 17592186045440))
            (func (export "fleetfn_v1_on_event") (param i32) (result i32) {} (i32.const 0))
            (@custom "fleetfn_v1_manifest" {manifest:?}))"#,
        "nop ".repeat(nops)
    );
    let path = directory.join(format!("{nops}.wasm"));
    std::fs::write(&path, wat::parse_str(text).expect("a module")).expect("writes");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_function_is_split_listed_rolled_back_and_deployed_again_without_its_file() {
    let server = Server::start(&[]);
    let (one, two) = (module(server.data.path(), 1), module(server.data.path(), 2));
    server.ok(&["fn", "deploy", &one, "-m", "the first"]);
    let split = server.run(&["fn", "deploy", &two, "--canary", "10%", "--max-errors", "5%"]);
    let told = String::from_utf8(split.stderr).expect("UTF-8");
    assert!(split.status.success() && told.contains(" 90%, canary ") && told.contains("guard: "), "{told}");
    let versions = || -> Vec<Value> {
        let list = server.ok(&["fn", "versions", "clim", "-o", "json"]);
        serde_json::from_str(&list).expect("JSON")
    };
    let states = |versions: &[Value]| versions.iter().map(|one| one["state"].clone()).collect::<Vec<_>>();
    let listed = versions();
    assert_eq!(states(&listed), ["canary", "live"]);
    assert!(server.ok(&["fn", "ls"]).contains("<=5% errors"));
    let back = server.run(&["fn", "rollback", "climate", "-m", "too slow"]);
    assert!(String::from_utf8(back.stderr).expect("UTF-8").contains("Data is not rolled back"));
    assert_eq!(states(&versions()), ["old", "live"]);

    let hash = listed[0]["version"].as_str().expect("a hash");
    assert!(server.ok(&["fn", "deploy", "climate", "--version", &hash[..10]]).contains(hash));
    assert_eq!(states(&versions()), ["live", "previous"]);
    let (code, text) = server.refused(&["fn", "deploy", "climate", "--version", "zz"]);
    assert!(code == 1 && text.contains("next: fleetfn fn versions climate"), "{text}");
    server.ok(&["fn", "deploy", "--dark", &one]);
    let (code, text) = server.refused(&["fn", "promote", "climate"]);
    assert!(code == 1 && text.contains("no event was compared") && text.contains("--approve"), "{text}");
    assert!(server.ok(&["fn", "diff", "climate"]).contains("0 events since"));
    server.ok(&["fn", "rollback", "climate", "--dark"]);
    assert_eq!(server.refused(&["fn", "diff", "climate"]).0, 1);
    server.ok(&["fn", "pause", "climate"]);
    assert!(server.ok(&["fn", "ls"]).contains("PAUSED"));
    server.ok(&["fn", "resume", "climate"]);
    for wrong in
        [&["--canary", "0"][..], &["--canary", "5", "--dark"], &["--max-fuel", "5"], &["--after", "5"]]
    {
        assert_eq!(server.refused(&[&["fn", "deploy", one.as_str()], wrong].concat()).0, 2, "{wrong:?}");
    }
}

#[test]
fn settings_are_set_and_listed_and_a_secret_is_read_from_standard_input_only() {
    let server = Server::start(&[]);
    server.ok(&["fn", "config", "set", "climate", "limit=30", "unit=a=b"]);
    assert_eq!(server.ok(&["fn", "config", "get", "climate", "unit"]), "a=b\n");
    assert_eq!(server.refused(&["fn", "config", "rm", "climate", "unit"]).0, 2, "it must not go unasked");
    server.ok(&["fn", "config", "rm", "climate", "unit", "-y"]);
    assert_eq!(server.ok(&["fn", "config", "ls", "climate"]), "KEY    VALUE\nlimit  30\n");

    let set = server.tell(&["fn", "secret", "set", "climate", "token"], "hunter2\n");
    let told = String::from_utf8([set.stdout, set.stderr].concat()).expect("UTF-8");
    assert!(set.status.success() && !told.contains("hunter2"), "{told}");
    assert_eq!(server.ok(&["fn", "secret", "ls", "climate"]), "SECRET  STATE\ntoken   set, not asked for\n");
    assert_eq!(server.refused(&["fn", "secret", "set", "climate", "token", "hunter2"]).0, 2);
    assert!(!server.tell(&["fn", "secret", "set", "climate", "token"], "").status.success());
    server.ok(&["fn", "secret", "rm", "climate", "token", "-y"]);
    server.ok(&["fn", "budget", "set", "acme", "5000"]);
    assert_eq!(server.ok(&["fn", "budget", "ls"]), "OWNER  FUEL/S\nacme   5000\n");
}

#[test]
fn a_twin_is_set_for_the_version_that_was_seen() {
    let server = Server::start(&[]);
    server.ok(&["device", "add", "lamp-1", "--time-zone", "Europe/Berlin"]);
    assert_eq!(server.refused(&["device", "add", "lamp-2", "--time-zone", "Nowhere"]).0, 1);
    assert!(server.ok(&["device", "get", "lamp-1"]).contains("time zone  Europe/Berlin"));
    let twin: Value =
        serde_json::from_str(&server.ok(&["device", "twin", "set", "lamp-1", r#"{"led":"on"}"#]))
            .expect("JSON");
    assert_eq!((&twin["version"], &twin["desired"]["led"]), (&1.into(), &"on".into()));
    let (code, text) = server.refused(&["device", "twin", "set", "lamp-1", "{}", "--if-version", "0"]);
    assert!(code == 1 && text.contains("version 1, not 0"), "{text}");
    let told = server.tell(&["device", "twin", "set", "lamp-1", "-"], r#"{"led":null}"#);
    assert!(told.status.success());
    assert!(server.ok(&["device", "twin", "get", "lamp-1"]).contains("\"version\": 2"));
    assert!(
        server.ok(&["device", "command", "lamp-1", "blink", "{}", "--ttl", "10m"]).ends_with(".0.operator\n")
    );
    assert_eq!(server.refused(&["device", "command", "lamp-1", "blink", "--ttl", "0"]).0, 2);
    assert!(server.ok(&["device", "state", "lamp-1"]).starts_with("FUNCTION"));
}
