//! What an example says over a scripted run is what the `.out` file beside it says.
//!
//! Readings are left out: how many there are is a matter of time.

use crate::emulated::can_run;
use crate::harness::{PATIENCE, wait_until};
use crate::plant::Plant;
use fleetfn_qemu::Board;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-examples")
}

/// Compares what was said, without readings, with a file beside an example.
fn compare(example: &str, said: &[String]) {
    let path = examples().join(example).join(format!("{example}.out"));
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let said: Vec<&str> = said.iter().map(String::as_str).filter(|line| !line.contains("reading ")).collect();
    let said = said.join("\n") + "\n";
    assert_eq!(said, expected, "{} has changed; it says:\n{said}", path.display());
}

/// What is done to a board: it becomes what it is desired to be, does what it is asked to, starts anew, and knows both. In the
/// end the server knows it no more.
fn play(board: Board, example: &str) {
    if !can_run(board) {
        return;
    }
    let plant = Plant::new();
    let mut device = plant.device(board, "room-1");
    device.power_on();
    device.until("room-1 starts");
    plant.fleetfn(&["device", "twin", "set", "room-1", r#"{"period_s":1}"#]);
    device.until("settings");
    for (name, payload, says) in [
        ("fan", r#"{"on":true}"#, "fan on"),
        ("fan", r#"{"on":"perhaps"}"#, "fan: "),
        ("dance", "", "dance: "),
        ("restart", "", "restart"),
    ] {
        plant.fleetfn(&["device", "command", "room-1", name, payload]);
        device.until(says);
    }
    if board.is_in_c() {
        // It keeps nothing over a restart, and learns with the next change what it is to become.
        device.until("room-1 starts");
        plant.fleetfn(&["device", "twin", "set", "room-1", r#"{"period_s":3}"#]);
    }
    device.until("settings");
    plant.fleetfn(&["device", "command", "room-1", "fan", r#"{"on":false}"#]);
    device.until("fan off");
    plant.fleetfn(&["device", "rm", "room-1", "-y"]);
    device.until("the server refuses");
    device.power_off();
    compare(example, &device.console());
}

#[test]
fn the_mps2_board_says_what_its_out_file_says() {
    play(Board::Mps2An385, "mps2-an385");
}

#[test]
fn the_mps2_board_with_firmware_in_c_says_what_its_out_file_says() {
    play(Board::Mps2An385C, "mps2-an385-c");
}

#[test]
fn the_risc_v_board_says_what_its_out_file_says() {
    play(Board::Riscv32Virt, "riscv32-virt");
}

/// A gateway that is killed with the test.
struct Gateway {
    process: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Gateway {
    fn start(server: &str, directory: &str, children: &[String]) -> Self {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| examples().join("../target"), PathBuf::from);
        let mut process = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--locked", "--package", "linux-gateway", "--", server, directory])
            .args(children)
            .current_dir(examples())
            .env("CARGO_TARGET_DIR", target.join("firmware"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo can be run");
        let output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { process, lines, said: Vec::new() }
    }

    fn until(&mut self, start: &str) {
        while !self.said.last().is_some_and(|line| line.starts_with(start)) {
            // It may have to be built.
            let line = self.lines.recv_timeout(10 * PATIENCE);
            self.said.push(line.unwrap_or_else(|_| panic!("'{start}' was not said, but {:#?}", self.said)));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Already gone is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn the_gateway_says_what_its_out_file_says() {
    let plant = Plant::new();
    let children = ["kitchen", "attic"].map(|id| format!("{id}={}", plant.register(id)));
    let server = plant.server.mqtt.to_string();
    let mut gateway = Gateway::start(&server, &plant.file("gateway"), &children);
    plant.fleetfn(&["device", "twin", "set", "kitchen", r#"{"period_s":1}"#]);
    gateway.until("kitchen: settings");
    plant.fleetfn(&["device", "command", "attic", "fan", r#"{"on":true}"#]);
    gateway.until("attic: fan on");
    plant.fleetfn(&["device", "command", "kitchen", "fan", r#"{"on":false}"#]);
    gateway.until("kitchen: fan off");
    wait_until("both are handled", || plant.diary().len() > 2);
    plant.fleetfn(&["device", "rm", "attic", "-y"]);
    gateway.until("attic: the server refuses");
    compare("linux-gateway", &gateway.said);
}
