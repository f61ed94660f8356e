//! The machine loses power at any moment: only what was synced is left, the rest was written back in any order or
//! not at all. What was acknowledged is handled, once, in order, and the store always opens.
//!
//! `tests/power_cut/simulator.c` is the machine; its first lines say what it models.

use crate::harness::fleet::Fleet;
use crate::harness::random::Random;
use crate::harness::server::Server;
use crate::harness::{enlist, say};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const CUTS: u64 = 30;
const DEVICES: usize = 20;
const IN_FLIGHT: usize = 4;
const PAYLOAD_BYTES: usize = 64;

/// Acknowledgements between two cuts, at most.
const ACKS_MAX: u64 = 1_000;

/// A directory whose unsynced changes do not survive [`Machine::cut`].
struct Machine {
    root: TempDir,
    library: PathBuf,
    boots: u64,
    random: Random,
}

impl Machine {
    fn new(test: &str) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let library = root.path().join("simulator.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/power_cut/simulator.c");
        let compiled = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o"])
            .args([library.as_os_str(), source.as_os_str()])
            .status()
            .expect("a C compiler: Rust needs one for linking, too");
        assert!(compiled.success(), "the simulator does not compile");
        let machine = Self { library, boots: 0, random: Random::new(test), root };
        fs::create_dir(machine.data()).expect("the data directory");
        machine
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn shadow(&self) -> PathBuf {
        self.root.path().join("shadow")
    }

    /// Powers up: what is in the directory is durable from now on, and the boot id is a new one.
    fn boot(&mut self) {
        self.boots += 1;
        fs::write(self.root.path().join("boot_id"), format!("00000000-0000-4000-8000-{:012}\n", self.boots))
            .expect("a boot id");
        fs::create_dir_all(self.shadow().join("pending")).expect("the shadow");
        let copied = Command::new("cp")
            .args(["-a", "--sparse=always", "-T"])
            .args([self.data(), self.shadow().join("tree")])
            .status()
            .expect("cp runs");
        assert!(copied.success(), "cp failed");
    }

    /// Puts a process on the machine. `early` percent of what it writes becomes durable without a sync.
    fn attach(&self, command: &mut Command, early: u64, seed: u64) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("POWER_CUT_SOURCE", self.data())
            .env("POWER_CUT_SHADOW", self.shadow())
            .env("POWER_CUT_BOOT_ID", self.root.path().join("boot_id"))
            .env("POWER_CUT_EARLY", early.to_string())
            .env("POWER_CUT_SEED", seed.to_string());
    }

    fn start(&mut self) -> Server {
        self.boot();
        // From a disk that writes nothing by itself to one that writes nearly everything, in any order.
        let early = [0, 5, 30, 70, 95][usize::try_from(self.random.below(5)).unwrap_or(0)];
        let seed = self.random.below(1 << 40);
        Server::start_with(&self.data(), |command| self.attach(command, early, seed))
    }

    /// What the disk holds after the processes are gone.
    fn cut(&self) {
        fs::remove_dir_all(self.data()).expect("the page cache is lost");
        fs::rename(self.shadow().join("tree"), self.data()).expect("the disk is left");
        fs::remove_dir_all(self.shadow()).expect("the shadow");
    }

    /// Runs a small program on the machine, to its end.
    fn run(&self, program: &str, arguments: &[&OsStr], early: u64) {
        let mut command = Command::new(program);
        self.attach(command.args(arguments), early, 1);
        assert!(command.status().expect("a program of coreutils").success(), "{program} failed");
    }
}

#[test]
fn thirty_power_cuts_under_load_lose_nothing_and_the_store_always_opens() {
    let mut machine = Machine::new("power_cut");
    let mut server = machine.start();
    let fleet = Fleet::start(enlist(&server, DEVICES), IN_FLIGHT, PAYLOAD_BYTES);
    for _ in 0..CUTS {
        fleet.point_at(Some(server.mqtt));
        fleet.wait_for_acks(machine.random.below(ACKS_MAX));
        server.kill();
        fleet.point_at(None);
        machine.cut();
        server = machine.start();
    }
    fleet.point_at(Some(server.mqtt));
    let books = fleet.settle();
    say(&format!("power_cut: {CUTS} cuts, {books}"));
    books.assert_balanced();
}

#[test]
fn the_simulator_drops_what_was_not_synced() {
    let mut machine = Machine::new("simulator");
    machine.boot();
    let (data, zeros) = (machine.data(), "if=/dev/zero");
    let write = |file: &str, conversion: &str, early: u64| {
        let target = format!("of={}", data.join(file).display());
        let arguments = [zeros, &target, "bs=64k", "count=2", "status=none", conversion].map(OsStr::new);
        machine.run("dd", &arguments, early);
    };
    write("nothing-synced", "conv=notrunc", 0);
    write("bytes-synced-but-not-the-name", "conv=fsync", 0);
    machine.cut();
    let left: Vec<_> = fs::read_dir(machine.data()).expect("the disk").collect();
    assert!(left.is_empty(), "after the cut there is still {left:?}");
}

#[test]
fn the_simulator_keeps_what_was_there_and_what_was_written_back() {
    let mut machine = Machine::new("simulator");
    fs::write(machine.data().join("old"), "old").expect("a file");
    machine.boot();
    let new = machine.data().join("new");
    let target = format!("of={}", new.display());
    let arguments =
        ["if=/dev/zero", &target, "bs=64k", "count=2", "status=none", "conv=fsync"].map(OsStr::new);
    // Early names: dd cannot sync the directory, and no other program knows what it changed.
    machine.run("dd", &arguments, 100);
    machine.cut();
    assert_eq!(fs::read(machine.data().join("old")).expect("what was there"), b"old");
    assert_eq!(fs::metadata(&new).expect("what was written back").len(), 128 * 1024);
}

#[test]
fn the_simulator_gives_each_boot_an_id_of_its_own() {
    let mut machine = Machine::new("simulator");
    let mut seen = Vec::new();
    for _ in 0..2 {
        machine.boot();
        let copy = format!("of={}", machine.data().join("copy").display());
        let arguments = ["if=/proc/sys/kernel/random/boot_id", &copy, "status=none"].map(OsStr::new);
        machine.run("dd", &arguments, 100);
        seen.push(fs::read(machine.data().join("copy")).expect("the copy"));
        machine.cut();
    }
    seen.push(fs::read("/proc/sys/kernel/random/boot_id").expect("the real one"));
    seen.dedup();
    assert_eq!(seen.len(), 3, "boot ids repeat");
}
