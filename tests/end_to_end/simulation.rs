//! `fleetfn sim` as an operator uses it: a fleet that is registered in one command, is away for a while, and has slow
//! links; and an engine that is killed under it.

use crate::harness::server::{Server, binary};
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Output, Stdio};

/// A fleet with an absence and with slow links.
fn scenario(directory: &Path) -> std::path::PathBuf {
    let every = |span: &str| json!([{"channel": "t", "every": span, "jitter": "100ms", "payload": {"n": {"$counter": {}}}}]);
    let text = json!({"seed": 7, "groups": [
        {"devices": 80, "prefix": "away", "messages": every("500ms"),
         "offline": [{"after": "2s", "for": "2s", "abruptly": true}]},
        {"devices": 20, "prefix": "slow", "messages": every("1s"),
         "link": {"bytes_per_s": 2_000, "round_trip": "300ms"}},
    ]});
    let file = directory.join("scenario.json");
    std::fs::write(&file, text.to_string()).expect("written");
    file
}

fn simulate(data: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output: Output =
        binary().arg("sim").arg("--data").arg(data).args(arguments).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A number of the summary.
fn row(out: &str, name: &str) -> u64 {
    let line = out.lines().find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with(' ')));
    let number = line.and_then(|rest| rest.trim().parse().ok());
    number.unwrap_or_else(|| panic!("there is no '{name}' in\n{out}"))
}

#[test]
fn a_fleet_is_registered_plays_and_everything_that_was_acknowledged_arrives() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data);
    let file = scenario(directory.path());
    let file = file.to_str().expect("UTF-8");

    let (code, out, err) = simulate(&data, &["--scenario", file, "--devices", "20", "--for", "1s"]);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("bad user name or password") && err.contains("--register"), "{err}");

    let arguments = ["--scenario", file, "--devices", "300", "--register", "--for", "6s"];
    let (code, out, err) = simulate(&data, &arguments);
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert_eq!((row(&out, "devices"), row(&out, "not acknowledged")), (300, 0));
    assert_eq!(row(&out, "connects"), 300 + 240, "those that were away came back:\n{out}");
    let sent = row(&out, "sent");
    assert_eq!(row(&out, "acked"), sent);
    assert!((240 * 6..=240 * 10 + 60 * 8).contains(&sent), "{out}");
    assert!(row(&out, "events of the engine") >= sent + 300, "{out}");

    // The same devices again: nothing is to be registered.
    let (code, out, err) = simulate(&data, &["--scenario", file, "--devices", "300", "--for", "1s"]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert!(!err.contains("regist"), "{err}");

    // Devices whose tokens nobody kept cannot be played.
    std::fs::remove_file(data.join("sim-tokens")).expect("it is there");
    let (code, _, err) = simulate(&data, &["--scenario", file, "--register", "--for", "1s"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("are registered") && err.contains("prefix"), "{err}");
    assert_eq!(server.terminate().code(), Some(0));
}

/// A process that goes on beside the test; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn an_engine_that_is_killed_under_a_fleet_loses_nothing_of_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data);
    let mqtt = server.mqtt.to_string();
    let mut command = binary();
    command.arg("sim").arg("--data").arg(&data).args(["-n", "100", "--register", "--for", "12s"]);
    let file = scenario(directory.path());
    command.arg("--scenario").arg(file).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(command.spawn().expect("the binary starts"));
    let mut lines = BufReader::new(running.0.stdout.take().expect("is piped"));
    let mut line = String::new();
    while !line.contains("connected=100/100") || line.contains("acked=0 ") {
        line.clear();
        assert!(lines.read_line(&mut line).expect("UTF-8") > 0, "it ended early");
    }
    server.kill();
    let mut command = binary();
    command.args(["serve", "--http", "127.0.0.1:0", "--mqtt", &mqtt, "--data"]).arg(&data);
    let again = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _again = Running(again.expect("the binary starts"));
    let mut out = String::new();
    lines.read_to_string(&mut out).expect("UTF-8");
    assert_eq!(running.0.wait().expect("it ends").code(), Some(0), "{out}");
    assert!(row(&out, "reconnects") > 0, "{out}");
    assert_eq!((row(&out, "refused"), row(&out, "not acknowledged")), (0, 0), "{out}");
}

#[test]
fn an_engine_in_the_process_needs_no_sockets_and_no_registration() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let (code, out, err) =
        simulate(&data, &["--in-process", "-n", "500", "--speed", "10x", "--for", "20s", "--seed", "1"]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert_eq!((row(&out, "connects"), row(&out, "reconnects")), (500, 0));
    assert!(row(&out, "acked") >= 500, "{out}");
}

#[test]
fn a_fleet_updates_as_the_engine_asks_and_fails_as_its_scenario_says() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data);
    let run = |arguments: &[&str]| {
        let output = binary().arg("--data").arg(&data).args(arguments).current_dir(directory.path()).output();
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(directory.path().join("app.bin"), vec![0xa5; 20_000]).expect("written");
    run(&["release", "keygen", "k"]);
    let names = ["--product", "node", "--class", "m3", "--version", "2.0.0", "--sequence", "2", "--key", "k"];
    run(&[&["release", "sign", "app.bin"], &names[..]].concat());
    run(&["release", "key", "add", "node", "k.pub"]);
    run(&["release", "publish", "app.bin.signed", "app.bin"]);
    let text = json!({"seed": 1, "groups": [{
        "devices": 12, "prefix": "u", "product": "node", "class": "m3",
        "messages": [{"channel": "t", "every": "1s", "payload": 1}],
        "updates": {"version": "1.0.0", "sequence": 1, "restart": "500ms", "trial": "1s", "failures": [
            {"share": 0.3, "as": "rolled_back", "reason": "unhealthy"},
            {"share": 0.3, "as": "failed", "reason": "flash"},
        ]},
    }]});
    let file = directory.path().join("scenario.json");
    std::fs::write(&file, text.to_string()).expect("written");
    let file = file.to_str().expect("UTF-8");
    let (code, out, err) = simulate(&data, &["--scenario", file, "--register", "--for", "1s"]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    // The offers wait for the devices.
    for number in 1..=12 {
        run(&["device", "update", &format!("u-{number}"), "node@2.0.0", "--detach"]);
    }
    let (code, out, err) = simulate(&data, &["--scenario", file, "--for", "15s"]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    let ends = ["updates confirmed", "updates rolled back", "updates failed"].map(|name| row(&out, name));
    assert_eq!(ends.iter().sum::<u64>(), 12, "{out}");
    assert!(ends.iter().all(|count| *count > 0), "{out}");
    assert_eq!(server.terminate().code(), Some(0));
}
