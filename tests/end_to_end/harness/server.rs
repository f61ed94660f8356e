//! One server process on one data directory: started, killed, asked to stop; never left behind.

use super::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The binary under test.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetfn"));
    command.env("RUST_LOG", "info").env("NO_COLOR", "1");
    command
}

/// A server that has said that it is ready. Killed when dropped.
pub(crate) struct Server {
    process: Child,
    /// Where MQTT clients connect.
    pub(crate) mqtt: SocketAddr,
    /// Where the API answers.
    pub(crate) http: SocketAddr,
    data: PathBuf,
}

impl Server {
    /// Starts on `data` and waits for the ready line.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, |_| {})
    }

    /// As [`Server::start`], after `adjust` has had its way with the command.
    pub(crate) fn start_with(data: &Path, adjust: impl FnOnce(&mut Command)) -> Self {
        Self::ready(data, Self::spawn(data, adjust))
    }

    /// SIGKILL, and another server on the same data directory at the same addresses, where clients look for it.
    pub(crate) fn kill_and_start(self) -> Self {
        let (data, addresses) =
            (self.data.clone(), [self.mqtt, self.http].map(|address| address.to_string()));
        self.kill();
        let [mqtt, http] = &addresses;
        Self::ready(&data, Self::spawn_at(&data, [mqtt, http], |_| {}))
    }

    /// Waits for the ready line.
    fn ready(data: &Path, mut process: Child) -> Self {
        let output = process.stdout.take().expect("standard output is piped");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(output).lines();
            drop(sender.send(lines.next()));
            // Reads on, so that the server never blocks on a full pipe.
            lines.for_each(drop);
        });
        let line = match receiver.recv_timeout(PATIENCE) {
            Ok(Some(Ok(line))) => line,
            not_ready => {
                drop(process.kill());
                let status = process.wait();
                panic!("the server is not ready ({not_ready:?}, {status:?}); its log:\n{}", read_log(data));
            }
        };
        assert!(line.starts_with("fleetfn ready "), "the first line says that it is ready: {line:?}");
        let address = |key: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(key));
            word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no {key} in {line:?}"))
        };
        Self { mqtt: address("mqtt="), http: address("http="), process, data: data.to_owned() }
    }

    /// Starts without waiting for anything.
    pub(crate) fn spawn(data: &Path, adjust: impl FnOnce(&mut Command)) -> Child {
        Self::spawn_at(data, ["127.0.0.1:0"; 2], adjust)
    }

    fn spawn_at(data: &Path, [mqtt, http]: [&str; 2], adjust: impl FnOnce(&mut Command)) -> Child {
        let mut command = binary();
        command.args(["serve", "--mqtt", mqtt, "--http", http, "--data"]).arg(data);
        let log: File =
            OpenOptions::new().create(true).append(true).open(log_path(data)).expect("a log file");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        adjust(&mut command);
        command.spawn().expect("the binary starts")
    }

    /// The data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Everything that servers on this data directory wrote to standard error.
    pub(crate) fn log(&self) -> String {
        read_log(&self.data)
    }

    /// Whether the process is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("the server was still running");
        self.process.wait().expect("a killed child can be waited for");
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).expect("the server was still running");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "SIGTERM did not end the server; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("the end of the server's log:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
            eprintln!("all of it: {}", log_path(&self.data).display());
        }
    }
}

/// Not on the data directory's disk: that is cut, or filled.
fn log_path(data: &Path) -> PathBuf {
    let name: String = data.to_string_lossy().replace('/', "_");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"))
}

fn read_log(data: &Path) -> String {
    std::fs::read_to_string(log_path(data)).unwrap_or_default()
}
