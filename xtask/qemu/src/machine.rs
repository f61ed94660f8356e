//! One run of a board: from power on to power off.

use crate::firmware::Firmware;
use crate::flash::Flash;
use crate::modem::Modem;
use crate::monitor::{self, Monitor};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A board that has power. It loses it when this is dropped, at whatever it was doing.
#[derive(Debug)]
pub struct Machine {
    emulator: Child,
    /// Takes the power away if this process ends without doing so.
    guard: Child,
    /// Its flash, for as long as it runs.
    _flash: File,
}

impl Machine {
    /// Switches a board on, and returns what it says on its console.
    ///
    /// # Errors
    /// If the emulator cannot be started.
    pub fn start(firmware: &Firmware, flash: &Flash, modem: &Modem) -> Result<(Self, Console)> {
        Self::start_with(firmware, flash, modem, &["-monitor".into(), "none".into()])
    }

    /// As [`Machine::start`], with the monitor through which its memory can be read. It stands still when it resets itself.
    ///
    /// # Errors
    /// If the emulator cannot be started, or does not open its monitor.
    pub fn start_watched(
        firmware: &Firmware,
        flash: &Flash,
        modem: &Modem,
    ) -> Result<(Self, Console, Monitor)> {
        let socket = flash.path().with_extension("monitor");
        let (machine, console) = Self::start_with(firmware, flash, modem, &monitor::arguments(&socket))?;
        Ok((machine, console, Monitor::open(&socket)?))
    }

    fn start_with(
        firmware: &Firmware,
        flash: &Flash,
        modem: &Modem,
        more: &[String],
    ) -> Result<(Self, Console)> {
        let board = firmware.board;
        let locked = flash.lock()?;
        let mut emulator = Command::new(board.program())
            .args(board.arguments(&firmware.kernel, flash.path(), modem.port()))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}: is it installed?", board.program()))?;
        let output = emulator.stdout.take().context("reading the console")?;
        let guard = guard(&emulator).inspect_err(|_| {
            // Without a guard it does not run.
            let _ = emulator.kill();
            let _ = emulator.wait();
        })?;
        Ok((Self { emulator, guard, _flash: locked }, Console(BufReader::new(output))))
    }

    /// Whether it has power still.
    pub fn is_running(&mut self) -> bool {
        matches!(self.emulator.try_wait(), Ok(None))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The guard goes first: the emulator's number may be another process's once it has been waited for. If either has
        // ended already there is nothing to do.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}

/// Starts a shell that reads from this process, which never writes, and so learns of its end, however it comes: an
/// emulator that is left behind goes on writing into its flash beside the next one.
fn guard(emulator: &Child) -> Result<Child> {
    Command::new("sh")
        .args(["-c", "trap '' INT TERM; read -r _; kill -9 \"$1\" 2>/dev/null", "sh"])
        .arg(emulator.id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting sh")
}

/// What a board says on its console, line by line, until it loses power.
#[derive(Debug)]
pub struct Console(BufReader<ChildStdout>);

impl Iterator for Console {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line) {
            Ok(1..) => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
            _ => None,
        }
    }
}
