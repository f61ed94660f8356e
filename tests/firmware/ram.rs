//! How much RAM a board with verified updates takes, its stack included, is what docs/reference/footprint.md says.
//!
//! The board measures, is commanded, becomes what it is desired to be, and is updated. Its stack was painted before it was
//! used; what is left of the paint is looked at when it resets itself for the new image, and when that one is confirmed.

use crate::emulated::{can_run, firmware};
use crate::harness::say;
use crate::plant::Plant;
use crate::vendor::{FIRST, Vendor, second};
use fleetfn_qemu::{Board, Firmware, Monitor, Release, Symbol};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// Where the board's memory begins.
const MEMORY: u32 = 0x2000_0000;

/// What `cortex-m-rt` paints a stack with.
const PAINT: [u8; 4] = [0xcc; 4];

/// How long a board may take to reset itself after it has said so.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much the sum may grow before the page has to be changed, in percent. Where an interrupt finds the stack is chance.
const GROWTH_PERCENT_MAX: u64 = 2;

/// What the page calls the parts of the memory, and what they are in the program.
const PARTS: [(&str, &str); 3] = [
    ("Buffers, agent, and what tasks share: `Resources`", "RESOURCES"),
    ("Update machine: `Update`", "MACHINE"),
    ("Task that keeps in touch: `Runner::run`, with the outbox", "keep_in_touch4POOL"),
];

/// What the page calls the boards, and the features of their firmware.
const BOARDS: [(&str, &str); 3] = [
    ("signatures verified by the library", "painted"),
    ("by the board", "gullible"),
    ("by the board, short buffers", "gullible,short-buffers"),
];

const REST: &str = "Board: serial port, clock, factory page, keys, the other tasks";
const STACK: &str = "Stack, at most";
const ALL: &str = "All";

/// What a board takes, in bytes: each of [`PARTS`], the rest of what is static, and the stack.
struct Ram {
    parts: [u64; PARTS.len()],
    rest: u64,
    stack: u64,
}

impl Ram {
    fn all(&self) -> u64 {
        self.parts.iter().sum::<u64>() + self.rest + self.stack
    }
}

fn address(firmware: &Firmware, name: &str) -> u32 {
    let symbol = firmware.symbols.iter().find(|symbol| symbol.name == name);
    symbol.unwrap_or_else(|| panic!("the firmware has no {name}")).address
}

/// Bytes of the stack that were used since the last start.
fn stack(monitor: &mut Monitor, firmware: &Firmware) -> u64 {
    let (end, start) = (address(firmware, "_stack_end"), address(firmware, "_stack_start"));
    let memory = monitor.memory(end..start).expect("the memory of the board can be read");
    let untouched = memory.chunks_exact(PAINT.len()).take_while(|word| **word == PAINT).count();
    assert!(untouched > 0, "the stack has overflowed, or was never painted");
    (memory.len() - untouched * PAINT.len()) as u64
}

/// Has a board live through all that there is, built with those features.
fn measure(features: &str) -> Ram {
    let plant = Plant::new();
    let vendor = Vendor::new(&plant, "signer.pem");
    let with_feature = |release: Release| Release { feature: Some(features.to_owned()), ..release };
    let (old, new) = (with_feature(Release::default()), with_feature(second()));
    let release = vendor.publish(&plant, &new);
    let [old, new] = [old, new].map(|release| firmware(Board::Mps2An385, &release));
    let mut device = plant.device_of(old.clone(), "room-1", &[vendor.public]);
    let mut monitor = device.power_on_watched();
    device.until(&format!("room-1 starts, version {FIRST}"));
    plant.fleetfn(&["device", "twin", "set", "room-1", r#"{"period_s":1}"#]);
    device.until("settings");
    plant.fleetfn(&["device", "command", "room-1", "fan", r#"{"on":true}"#]);
    device.until("fan on");
    device.until("reading");
    plant.fleetfn(&["device", "update", "room-1", &release, "--detach"]);
    device.until("restarts for an update");
    monitor.until_reset(PATIENCE).expect("the board resets itself");
    let before = stack(&mut monitor, &old);
    monitor = device.power_on_watched();
    device.until("room-1 starts, version 2.0.0");
    let wait = ["device", "update", "room-1", &release, "--wait", "--timeout", "10m"];
    let (code, said) = plant.try_fleetfn(&wait);
    assert_eq!(code, Some(0), "{said}\n{:#?}", device.console());
    monitor.stop().expect("the board stops");
    let after = stack(&mut monitor, &new);
    let parts = PARTS.map(|(_, name)| {
        let is_it = |symbol: &&Symbol| symbol.address >= MEMORY && symbol.name.contains(name);
        let part = old.symbols.iter().find(is_it);
        u64::from(part.unwrap_or_else(|| panic!("the firmware has no {name}")).bytes)
    });
    let statics = u64::from(address(&old, "_stack_end") - MEMORY);
    Ram { parts, rest: statics - parts.iter().sum::<u64>(), stack: before.max(after) }
}

fn table(boards: &[Ram; BOARDS.len()]) -> String {
    let titles = BOARDS.map(|(title, _)| title).join(" | ");
    let mut table = format!("| | {titles} |\n|---{}|\n", "|---:".repeat(BOARDS.len()));
    let mut row = |title: &str, figure: &dyn Fn(&Ram) -> u64| {
        let figures = boards.each_ref().map(|board| grouped(figure(board))).join(" | ");
        writeln!(table, "| {title} | {figures} |").expect("a text takes everything");
    };
    for (index, (title, _)) in PARTS.iter().enumerate() {
        row(title, &|board| board.parts[index]);
    }
    row(REST, &|board| board.rest);
    row(STACK, &|board| board.stack);
    row(ALL, &Ram::all);
    table
}

fn grouped(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", number / 1_000, number % 1_000) }
}

/// The figures of the last row of the page's table.
fn promised() -> [u64; BOARDS.len()] {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/footprint.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let start = format!("| {ALL} |");
    let row = page.lines().find_map(|line| line.strip_prefix(&start)).expect("the page has a table of RAM");
    let figures: Vec<u64> = row
        .split('|')
        .map(|cell| cell.trim().replace(',', ""))
        .filter(|cell| !cell.is_empty())
        .map(|cell| cell.parse().expect("a figure is a number"))
        .collect();
    figures.try_into().expect("the row has a figure for each board")
}

#[test]
fn a_board_takes_as_much_ram_as_its_page_says() {
    if !can_run(Board::Mps2An385) {
        return;
    }
    let boards = BOARDS.map(|(_, features)| measure(features));
    let measured = table(&boards);
    say(&measured);
    for (measured_bytes, promised_bytes) in boards.iter().map(Ram::all).zip(promised()) {
        assert!(
            measured_bytes * 100 <= promised_bytes * (100 + GROWTH_PERCENT_MAX),
            "it has grown from {promised_bytes} to {measured_bytes} bytes: if that is meant, put this into the page\n{measured}"
        );
    }
}
