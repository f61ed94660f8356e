//! A server with a function that keeps a diary, and devices on emulated boards.

use crate::emulated::Emulated;
use crate::harness::api::Api;
use crate::harness::server::{Server, binary};
use crate::harness::wait_until;
use fleetfn_qemu::Board;
use serde_json::Value;
use std::path::PathBuf;
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
        let token = Api::of(&self.server).add_device(id);
        Emulated::new(board, self.directory.path(), self.server.mqtt, id, &token)
    }

    /// Runs the command line, which must succeed, and returns what it prints.
    pub(crate) fn fleetfn(&self, words: &[&str]) -> String {
        let mut command = binary();
        let output = command.arg("--data").arg(self.data()).args(words).output().expect("the binary starts");
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "fleetfn {words:?}:\n{stdout}\n{stderr}");
        stdout.into_owned()
    }

    /// What the diary says of the readings that the engine has handled, oldest first.
    pub(crate) fn diary(&self) -> Vec<String> {
        let printed = self.fleetfn(&["fn", "logs", "diary", "--limit", "1000", "-o", "json"]);
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
