//! A board that a test switches on and off, with what it says.

use fleetfn_device::factory::Factory;
use fleetfn_protocol::DeviceId;
use fleetfn_qemu::{Board, Console, Firmware, Flash, Machine, Modem, Monitor, Release, clang};
use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Environment variable that is `all` where every emulator must be there.
const FIRMWARE_VARIABLE: &str = "FLEETFN_TEST_FIRMWARE";

/// How long a board may take for anything: an emulated one is slow, and slower on a busy machine.
const BOARD_PATIENCE: Duration = Duration::from_secs(300);

/// How often its console is looked at.
const MOMENT: Duration = Duration::from_millis(5);

/// Whether a board can be tried: its emulator answers, and its compiler if it is not rustc.
pub(crate) fn can_run(board: Board) -> bool {
    let compiler = board.is_in_c().then(clang);
    let mut programs = std::iter::once(OsString::from(board.program())).chain(compiler);
    let answers = |program: &OsString| {
        let mut asked = Command::new(program);
        asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        asked.status().is_ok_and(|status| status.success())
    };
    let Some(missing) = programs.find(|program| !answers(program)) else { return true };
    let program = missing.display();
    let wants_all = std::env::var_os(FIRMWARE_VARIABLE).is_some_and(|value| value == "all");
    assert!(!wants_all, "{program} is missing, and {FIRMWARE_VARIABLE}=all wants every board");
    eprintln!("not run: {program} is missing; {FIRMWARE_VARIABLE}=all makes that a failure");
    false
}

/// A release of the firmware of a board, built once.
pub(crate) fn firmware(board: Board, release: &Release) -> Firmware {
    type Built = HashMap<(Board, Release), Firmware>;
    static BUILT: OnceLock<Mutex<Built>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let build =
        || Firmware::build(board, release).unwrap_or_else(|error| panic!("{}: {error:#}", board.name()));
    built.entry((board, release.clone())).or_insert_with(build).clone()
}

/// A board with its flash and its modem.
pub(crate) struct Emulated {
    firmware: Firmware,
    flash: Flash,
    pub(crate) modem: Modem,
    machine: Option<Machine>,
    /// Writes down what it says while it has power.
    listener: Option<JoinHandle<()>>,
    console: Arc<Mutex<Vec<String>>>,
    /// How much of the console was waited for.
    read: usize,
}

impl Emulated {
    /// A new device, without power yet.
    pub(crate) fn new(
        firmware: Firmware,
        directory: &Path,
        server: SocketAddr,
        id: &str,
        token: &str,
        keys: &[[u8; 32]],
    ) -> Self {
        let device = DeviceId::parse(id).expect("a name");
        let factory = Factory { device, token: token.as_bytes(), seed: 4711, keys };
        let path = directory.join(format!("{id}.bin"));
        let flash = Flash::make(&path, &firmware, &factory).expect("a flash can be made");
        let modem = Modem::start(server).expect("a modem can be started");
        Self { firmware, flash, modem, machine: None, listener: None, console: Arc::default(), read: 0 }
    }

    /// Switches it on.
    pub(crate) fn power_on(&mut self) {
        self.power_off();
        let (machine, lines) =
            Machine::start(&self.firmware, &self.flash, &self.modem).expect("the emulator starts");
        self.listen(machine, lines);
    }

    /// Switches it on, to stand still when it resets itself.
    pub(crate) fn power_on_watched(&mut self) -> Monitor {
        self.power_off();
        let (machine, lines, monitor) =
            Machine::start_watched(&self.firmware, &self.flash, &self.modem).expect("the emulator starts");
        self.listen(machine, lines);
        monitor
    }

    fn listen(&mut self, machine: Machine, lines: Console) {
        let console = Arc::clone(&self.console);
        self.listener = Some(thread::spawn(move || {
            for line in lines {
                console.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        }));
        self.machine = Some(machine);
    }

    /// Takes the power away, whatever it is doing.
    pub(crate) fn power_off(&mut self) {
        self.machine = None;
        if let Some(listener) = self.listener.take() {
            listener.join().expect("it only listens");
        }
    }

    /// Passes over what it has said so far.
    pub(crate) fn skip(&mut self) {
        self.read = self.console().len();
    }

    /// Waits for a line that begins so, behind those that were waited for before, and returns it.
    pub(crate) fn until(&mut self, start: &str) -> String {
        let deadline = Instant::now() + BOARD_PATIENCE;
        loop {
            let lines = self.console();
            while let Some(line) = lines.get(self.read) {
                self.read += 1;
                if line.starts_with(start) {
                    return line.clone();
                }
            }
            let name = self.firmware.board.name();
            let (dialled, passed) = (self.modem.dialled(), self.modem.passed_down());
            assert!(
                Instant::now() < deadline,
                "{name} does not say '{start}', but {lines:#?}; it has dialled {dialled} times and was given {passed} bytes"
            );
            thread::sleep(MOMENT);
        }
    }

    /// How long its first image is.
    pub(crate) fn image_bytes(&self) -> u64 {
        self.firmware.image.len() as u64
    }

    /// All that it has said.
    pub(crate) fn console(&self) -> Vec<String> {
        self.console.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
