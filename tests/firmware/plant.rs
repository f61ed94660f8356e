//! A server with a function that keeps a diary, and devices on emulated boards.

use crate::emulated::{Emulated, firmware};
use crate::harness::api::Api;
use crate::harness::server::{Server, binary};
use crate::harness::wait_until;
use fleetfn_qemu::{Board, Firmware, Release};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

/// A running server.
pub(crate) struct Plant {
    directory: TempDir,
    pub(crate) server: Server,
}

impl Plant {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Server::start(&directory.path().join("data"));
        let diary = wat::parse_str(include_str!("diary.wat")).expect("diary.wat is well formed");
        Api::of(&server).deploy(&diary);
        Self { directory, server }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Registers a device, and puts it on a board without power.
    pub(crate) fn device(&self, board: Board, id: &str) -> Emulated {
        self.device_with_keys(board, id, &[])
    }

    /// As [`Plant::device`], with keys that may update it.
    pub(crate) fn device_with_keys(&self, board: Board, id: &str, keys: &[[u8; 32]]) -> Emulated {
        self.device_of(firmware(board, &Release::default()), id, keys)
    }

    /// As [`Plant::device_with_keys`], with another firmware than boards have at first.
    pub(crate) fn device_of(&self, firmware: Firmware, id: &str, keys: &[[u8; 32]]) -> Emulated {
        Emulated::new(firmware, self.directory.path(), self.server.mqtt, id, &self.register(id), keys)
    }

    /// Registers a device, and returns its token.
    pub(crate) fn register(&self, id: &str) -> String {
        let words = ["device", "add", id, "--product", "room-sensor", "-o", "json"];
        let added: Value = serde_json::from_str(&self.fleetfn(&words)).expect("JSON");
        added["token"].as_str().unwrap_or_else(|| panic!("no token in {added}")).to_owned()
    }

    /// Runs the command line, which must succeed, and returns what it prints.
    pub(crate) fn fleetfn(&self, words: &[&str]) -> String {
        let (code, said) = self.try_fleetfn(words);
        assert_eq!(code, Some(0), "fleetfn {words:?}:\n{said}");
        said
    }

    /// Runs the command line, and returns its exit code and what it prints, complaints last.
    pub(crate) fn try_fleetfn(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut command = binary();
        command.arg("--data").arg(self.data()).args(words).stdin(Stdio::null()).env("RUST_LOG", "off");
        let output = command.output().expect("the binary starts");
        let complaints = if output.status.success() { Vec::new() } else { output.stderr };
        let said = [output.stdout, complaints].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Where a test may put its files.
    pub(crate) fn file(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Builds a function among the examples, and deploys it.
    pub(crate) fn deploy_example(&self, name: &str) {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../function-sdk/examples").join(name);
        // Beside what cargo has locked while it tests.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("functions");
        let mut build = binary();
        build.args(["fn", "build"]).arg(package).env("CARGO_TARGET_DIR", target);
        let built = build.stderr(Stdio::inherit()).output().expect("the binary starts");
        assert!(built.status.success(), "fleetfn fn build failed");
        let module = String::from_utf8(built.stdout).expect("a path");
        self.fleetfn(&["fn", "deploy", module.trim()]);
    }

    /// What the diary says of the readings that the engine has handled, oldest first.
    pub(crate) fn diary(&self) -> Vec<String> {
        self.logs("diary")
    }

    /// What a function has logged, oldest first.
    pub(crate) fn logs(&self, function: &str) -> Vec<String> {
        let printed = self.fleetfn(&["fn", "logs", function, "--limit", "1000", "-o", "json"]);
        let lines: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("not JSON: {printed}"));
        let lines = lines.as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line["text"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until the twin of a device reports that.
    pub(crate) fn until_reported(&self, id: &str, reported: &Value) {
        wait_until(&format!("{id} reports {reported}"), || {
            let printed = self.fleetfn(&["device", "twin", "get", id]);
            serde_json::from_str::<Value>(&printed).is_ok_and(|twin| twin["reported"] == *reported)
        });
    }

    /// Kills the server.
    pub(crate) fn outage(self) -> Outage {
        self.server.kill();
        Outage { directory: self.directory }
    }
}

/// A server that is down.
pub(crate) struct Outage {
    directory: TempDir,
}

impl Outage {
    /// Starts it again, somewhere else.
    pub(crate) fn end(self) -> Plant {
        let server = Server::start(&self.directory.path().join("data"));
        Plant { directory: self.directory, server }
    }
}

/// The last job of a device, as the server knows it.
pub(crate) fn job(plant: &Plant, id: &str) -> Value {
    update(plant, id)["job"].clone()
}

/// What a device has said of its firmware.
pub(crate) fn reported(plant: &Plant, id: &str) -> Value {
    update(plant, id)["reported"].clone()
}

fn update(plant: &Plant, id: &str) -> Value {
    let printed = plant.fleetfn(&["device", "get", id, "-o", "json"]);
    let shown: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("not JSON: {printed}"));
    shown["update"].clone()
}
