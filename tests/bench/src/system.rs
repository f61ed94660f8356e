//! What is measured: the server's processes, started on free ports and ended when dropped.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to come up.
const START_MAX: Duration = Duration::from_secs(60);

/// Whether our server syncs before it acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Fsync,
    None,
}

/// A running broker with what belongs to it.
pub(crate) struct System {
    processes: Vec<Child>,
    pub(crate) mqtt: SocketAddr,
    http: Option<SocketAddr>,
    data: TempDir,
}

impl System {
    /// Our server on a fresh data directory under `directory`, open to any device.
    pub(crate) fn ours(directory: &Path, durability: Durability) -> Result<Self> {
        Self::ours_with(directory, durability, &[])
    }

    /// The same with further flags of `serve`.
    pub(crate) fn ours_with(directory: &Path, durability: Durability, flags: &[&str]) -> Result<Self> {
        let data = TempDir::with_prefix_in("fleetfn-bench-", directory)?;
        Self::ours_on(data, durability, flags)
    }

    /// Our server on a data directory that exists.
    fn ours_on(data: TempDir, durability: Durability, flags: &[&str]) -> Result<Self> {
        let mut command = Command::new(our_binary()?);
        command.args(["serve", "--open", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"]);
        command.arg(data.path()).args(flags).env("RUST_LOG", "warn").stdout(Stdio::piped());
        if durability == Durability::None {
            command.args(["--durability", "none"]);
        }
        let mut process = command.spawn().context("starting fleetfn serve")?;
        let line = first_line(&mut process)?;
        let mut system = Self { processes: vec![process], mqtt: address(&line, "mqtt=")?, http: None, data };
        system.http = Some(address(&line, "http=")?);
        Ok(system)
    }

    /// Stops our server with SIGKILL and starts it again on the same data; returns how long the start took.
    pub(crate) fn restart(mut self, durability: Durability) -> Result<(Self, Duration)> {
        for process in &mut self.processes {
            process.kill()?;
            process.wait()?;
        }
        self.processes.clear();
        let data = std::mem::replace(&mut self.data, TempDir::new()?);
        let started = Instant::now();
        let system = Self::ours_on(data, durability, &[])?;
        Ok((system, started.elapsed()))
    }

    /// Puts a module live.
    pub(crate) fn deploy(&self, module: &Path) -> Result<()> {
        self.function(|command| command.arg("deploy").arg(module))
    }

    /// Lets a module run dark.
    pub(crate) fn deploy_dark(&self, module: &Path) -> Result<()> {
        self.function(|command| command.args(["deploy", "--dark"]).arg(module))
    }

    /// Runs `fleetfn fn` with these arguments against our server.
    fn function(&self, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
        let mut command = Command::new(our_binary()?);
        arguments(command.arg("fn")).arg("--data").arg(self.data.path());
        let ran = command.stdout(Stdio::null()).stderr(Stdio::piped()).output();
        let ran = ran.context("running fleetfn fn")?;
        if !ran.status.success() {
            bail!("{command:?} failed: {}", String::from_utf8_lossy(&ran.stderr));
        }
        Ok(())
    }

    /// Bytes of all files in the data directory.
    pub(crate) fn disk_bytes(&self) -> Result<u64> {
        fn below(directory: &Path) -> Result<u64> {
            let mut bytes = 0;
            for entry in std::fs::read_dir(directory)? {
                let entry = entry?;
                let kind = entry.metadata()?;
                bytes += if kind.is_dir() { below(&entry.path())? } else { kind.len() };
            }
            Ok(bytes)
        }
        below(self.data.path())
    }

    /// Waits until everything that is durable was handled, or dropped as something that had come before.
    pub(crate) fn settle(&self) -> Result<()> {
        let handled = || {
            let handled = self.metric("fleetfn_events_handled_total")?;
            anyhow::Ok(handled + self.metric("fleetfn_duplicates_total")?)
        };
        while handled()? < self.metric("fleetfn_events_total")? {
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// A stock broker without persistence and the worker of [`crate::peer`].
    pub(crate) fn peer(directory: &Path) -> Result<Self> {
        let data = TempDir::with_prefix_in("fleetfn-peer-", directory)?;
        let mqtt = free_port()?;
        let config = data.path().join("mosquitto.conf");
        let mut file = std::fs::File::create(&config)?;
        writeln!(file, "listener {} 127.0.0.1\nallow_anonymous true\npersistence false", mqtt.port())?;
        writeln!(
            file,
            "set_tcp_nodelay true\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_type none"
        )?;
        let broker = Command::new(mosquitto()).arg("-c").arg(&config).stderr(Stdio::null()).spawn();
        let broker = broker.context("starting mosquitto: is the package installed?")?;
        let mut system = Self { processes: vec![broker], mqtt, http: None, data };
        let deadline = Instant::now() + START_MAX;
        while std::net::TcpStream::connect(mqtt).is_err() {
            if Instant::now() > deadline {
                bail!("mosquitto does not listen on {mqtt}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut worker = Command::new(std::env::current_exe()?)
            .args(["peer-worker", "--broker", &mqtt.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let line = first_line(&mut worker);
        system.processes.push(worker);
        line?;
        Ok(system)
    }

    /// CPU time that the processes have used so far, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut ticks = 0;
        for process in &self.processes {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
            // The name in parentheses may hold anything; utime and stime are fields 14 and 15.
            let (_, fields) = stat.rsplit_once(')').context("a line of /proc/PID/stat")?;
            for field in fields.split_whitespace().skip(11).take(2) {
                ticks += field.parse::<u64>()?;
            }
        }
        Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
    }

    /// Resident memory of the processes in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// What the kernel says of the memory of the processes, in bytes.
    fn memory(&self, what: &str) -> Result<u64> {
        let mut bytes = 0;
        for process in &self.processes {
            let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
            let line =
                status.lines().find_map(|line| line.strip_prefix(what)).with_context(|| what.to_owned())?;
            let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
            bytes += kilobytes * 1024;
        }
        Ok(bytes)
    }

    /// The most memory that the processes have had resident, in bytes.
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    /// The data directory.
    pub(crate) fn path(&self) -> &Path {
        self.data.path()
    }

    /// The sum of all series of one metric of ours.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let http = self.http.context("only our server has metrics")?;
        let text = ureq::get(format!("http://{http}/metrics")).call()?.body_mut().read_to_string()?;
        let mut found = None;
        for line in text.lines().filter(|line| line.starts_with(name)) {
            let rest = line.get(name.len()..).unwrap_or_default();
            if rest.starts_with(['{', ' ']) {
                let value: f64 = rest.rsplit(' ').next().unwrap_or_default().parse()?;
                *found.get_or_insert(0.0) += value;
            }
        }
        found.with_context(|| format!("no metric {name}"))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // The worker before its broker, so that it does not complain.
        for process in self.processes.iter_mut().rev() {
            // Already gone is what is wanted.
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// Builds a function as its author would; returns the module.
pub(crate) fn build_function(package: &Path) -> Result<PathBuf> {
    let built =
        Command::new(our_binary()?).args(["fn", "build"]).arg(package).stderr(Stdio::inherit()).output()?;
    if !built.status.success() {
        bail!("cannot build the function in {}", package.display());
    }
    Ok(PathBuf::from(String::from_utf8(built.stdout)?.trim()))
}

/// Our program, which lies beside this one.
pub(crate) fn our_binary() -> Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("fleetfn");
    if !binary.exists() {
        bail!("{} is not built: run `cargo xtask bench`", binary.display());
    }
    Ok(binary)
}

/// Debian puts it where only root's PATH looks.
fn mosquitto() -> &'static str {
    let debian = "/usr/sbin/mosquitto";
    if Path::new(debian).exists() { debian } else { "mosquitto" }
}

fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The line that a process prints when it is ready.
fn first_line(process: &mut Child) -> Result<String> {
    let output = process.stdout.take().context("a piped standard output")?;
    let mut line = String::new();
    if BufReader::new(output).read_line(&mut line)? == 0 {
        bail!("a server ended before it was ready: {}", process.wait()?);
    }
    Ok(line)
}

fn address(line: &str, key: &str) -> Result<SocketAddr> {
    let word = line.split_whitespace().find_map(|word| word.strip_prefix(key));
    word.with_context(|| format!("no {key} in {line:?}"))?.parse().context("an address")
}
