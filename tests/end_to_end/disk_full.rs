//! The disk is full: acknowledgements are withheld, nothing acknowledged is lost, and with room they come again.

use crate::harness::fleet::Fleet;
use crate::harness::server::Server;
use crate::harness::{enlist, say, wait_until};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Size of the file system: room for the segments that three rounds fill, and for the view.
const SIZE: &str = "1g";

const DEVICES: usize = 10;
const IN_FLIGHT: usize = 8;

/// Large, so that the log needs a new segment before the devices have to wait for answers.
const PAYLOAD_BYTES: usize = 16 * 1024;

/// Acknowledgements have stopped when none came for this long.
const SILENCE: Duration = Duration::from_secs(2);

/// A file system in memory, in a mount namespace of its own: it is gone when the process that holds it is.
struct SmallDisk {
    holder: Child,
    mount: TempDir,
}

impl SmallDisk {
    fn new() -> Self {
        let mount = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let script = "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && echo mounted && read line";
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh", SIZE])
            .arg(mount.path());
        let mut holder =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare of util-linux");
        let mut line = String::new();
        let output = holder.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("the holder says that it is mounted");
        assert_eq!(line, "mounted\n", "a small file system needs a mount namespace");
        Self { holder, mount }
    }

    /// The file system as seen from here.
    fn path(&self) -> PathBuf {
        let inside = self.mount.path().strip_prefix("/").expect("temporary directories are absolute");
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(inside)
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut filler = OpenOptions::new().create(true).append(true).open(self.filler()).expect("a file");
        for block in [1 << 20, 4096, 1] {
            let block = vec![1_u8; block];
            while filler.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("the filler is there");
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Already gone is what is wanted.
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

#[test]
fn a_full_disk_withholds_acknowledgements_and_a_freed_one_gives_them() {
    let disk = SmallDisk::new();
    let data = disk.path().join("data");
    let mut server = Server::start(&data);
    let fleet = Fleet::start(enlist(&server, DEVICES), IN_FLIGHT, PAYLOAD_BYTES);
    for round in 1..=3 {
        fleet.point_at(Some(server.mqtt));
        fleet.wait_for_acks(200);
        wait_for_silence(&disk, &fleet);
        let withheld = fleet.unacknowledged();
        assert!(withheld > 0, "acknowledgements are withheld (round {round})");
        assert!(server.is_running(), "a full disk does not end the server (round {round})");
        if round == 2 {
            // Dies while the disk is full; the next one starts when there is room.
            server.kill();
            fleet.point_at(None);
            disk.free();
            server = Server::start(&data);
        } else {
            disk.free();
        }
    }
    fleet.point_at(Some(server.mqtt));
    fleet.wait_for_acks(200);
    let books = fleet.settle();
    say(&format!("disk_full: 3 times full, {books}"));
    books.assert_balanced();
}

/// Fills the disk until no acknowledgement comes any more: the log may have some room of its own left.
fn wait_for_silence(disk: &SmallDisk, fleet: &Fleet) {
    let (mut acked, mut since) = (fleet.acked(), Instant::now());
    wait_until("acknowledgements stop on a full disk", || {
        disk.fill();
        if fleet.acked() != acked {
            (acked, since) = (fleet.acked(), Instant::now());
        }
        since.elapsed() > SILENCE
    });
}
