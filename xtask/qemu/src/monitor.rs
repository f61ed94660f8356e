//! The monitor of an emulator: stops a board, and reads its memory.
//!
//! A board that is watched stands still when it resets itself, with its memory as it left it. It goes on when it is switched
//! off and on.

use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the emulator may take to open its monitor, and to answer: it may have to wait for a processor.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked whether a board stands still.
const MOMENT: Duration = Duration::from_millis(5);

/// What the monitor says when it waits for a command.
const PROMPT: &[u8] = b"(qemu) ";

/// What the emulator is started with to be watched, its monitor at a socket of that name.
pub(crate) fn arguments(socket: &Path) -> [String; 4] {
    let monitor = format!("unix:{},server=on,wait=off", socket.display());
    ["-monitor".into(), monitor, "-action".into(), "reboot=shutdown,shutdown=pause".into()]
}

/// The monitor of one run of a board.
#[derive(Debug)]
pub struct Monitor {
    stream: UnixStream,
    /// Where the emulator puts what was asked for.
    file: PathBuf,
}

impl Monitor {
    /// Waits for the monitor of an emulator that was started with [`arguments`].
    pub(crate) fn open(socket: &Path) -> Result<Self> {
        let started = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if started.elapsed() > PATIENCE => {
                    return Err(error).with_context(|| format!("opening the monitor {}", socket.display()));
                }
                Err(_) => std::thread::sleep(MOMENT),
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).context("opening the monitor")?;
        let mut monitor = Self { stream, file: socket.with_extension("memory") };
        monitor.answer()?;
        Ok(monitor)
    }

    /// Waits until the board has reset itself, and stands still.
    ///
    /// # Errors
    /// If it does not within `patience`, or the emulator has ended.
    pub fn until_reset(&mut self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !self.ask("info status")?.contains("paused (shutdown)") {
            ensure!(Instant::now() < deadline, "the board does not reset itself");
            std::thread::sleep(MOMENT);
        }
        Ok(())
    }

    /// Stops the board where it is.
    ///
    /// # Errors
    /// If the emulator has ended.
    pub fn stop(&mut self) -> Result<()> {
        self.ask("stop").map(drop)
    }

    /// What is in the memory of a board that stands still.
    ///
    /// # Errors
    /// If there is no such memory, or the emulator has ended.
    pub fn memory(&mut self, range: Range<u32>) -> Result<Vec<u8>> {
        let bytes = range.end.saturating_sub(range.start);
        let said = self.ask(&format!("pmemsave {:#x} {bytes} \"{}\"", range.start, self.file.display()))?;
        let memory = std::fs::read(&self.file).with_context(|| format!("reading the memory: {said}"))?;
        ensure!(memory.len() == bytes as usize, "the memory cannot be read: {said}");
        Ok(memory)
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        writeln!(self.stream, "{command}").with_context(|| format!("asking the monitor for '{command}'"))?;
        self.answer()
    }

    /// All that is said up to the next prompt.
    fn answer(&mut self) -> Result<String> {
        let (mut said, mut chunk) = (Vec::new(), [0; 1024]);
        while !said.ends_with(PROMPT) {
            let count = self.stream.read(&mut chunk).context("waiting for the monitor")?;
            ensure!(count > 0, "the emulator has ended");
            said.extend_from_slice(chunk.get(..count).unwrap_or_default());
        }
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}
