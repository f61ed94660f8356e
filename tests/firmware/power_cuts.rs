//! Power cuts at any moment of an update leave a board that boots an image that was verified.

use crate::emulated::can_run;
use crate::harness::random::Random;
use crate::harness::say;
use crate::plant::{Plant, job};
use crate::vendor::{FIRST, Vendor, second};
use fleetfn_qemu::Board;
use std::thread;
use std::time::Duration;

/// Power cuts of each of two boards that are updated at the same time.
const CUTS_MIN: usize = 100;

/// How long a board has power, in milliseconds: short enough to hit each step, and now and then long enough to get on.
const SHORT_MS: u64 = 700;
const LONG_MS: u64 = 4_000;

#[test]
fn two_hundred_power_cuts_leave_boards_that_boot_a_verified_image() {
    if !can_run(Board::Mps2An385) {
        return;
    }
    let plant = Plant::new();
    let vendor = Vendor::new(&plant, "signer.pem");
    let release = vendor.publish(&plant, &second());
    let counts = thread::scope(|scope| {
        let boards = ["east", "west"].map(|board| {
            let (plant, vendor, release) = (&plant, &vendor, &release);
            scope.spawn(move || update_while_cut(plant, vendor, release, board))
        });
        boards.map(|board| board.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let [cuts, updates] = counts.iter().fold([0, 0], |[cuts, updates], (more_cuts, more_updates)| {
        [cuts + more_cuts, updates + more_updates]
    });
    say(&format!("{cuts} power cuts, {updates} updates begun, every board boots"));
    assert!(cuts >= 2 * CUTS_MIN);
}

/// Updates new devices, one after the other, while their power is cut; returns how many cuts and updates that were.
fn update_while_cut(plant: &Plant, vendor: &Vendor, release: &str, board: &str) -> (usize, usize) {
    let mut random = Random::new(&format!("power cuts of the boards in the {board}"));
    // Another part of the same stream for each.
    for _ in 0..board.bytes().map(u64::from).sum::<u64>() {
        let _ = random.below(2);
    }
    let (mut cuts, mut updates) = (0, 0);
    while cuts < CUTS_MIN {
        updates += 1;
        let id = format!("{board}-{updates}");
        let mut device = plant.device_with_keys(Board::Mps2An385, &id, &[vendor.public]);
        plant.fleetfn(&["device", "update", &id, release, "--detach"]);
        // Until the new image is kept, or the job has ended otherwise: trials that are cut count as failed.
        loop {
            device.power_on();
            let longest_ms = if random.below(4) == 0 { LONG_MS } else { SHORT_MS };
            thread::sleep(Duration::from_millis(random.below(longest_ms)));
            device.power_off();
            cuts += 1;
            if cuts.is_multiple_of(8) && job(plant, &id)["done"] == true {
                break;
            }
        }
        // And now it is left in peace.
        device.skip();
        device.power_on();
        device.until(&format!("{id} starts, version "));
        device.until("reading 1");
        for line in device.console() {
            let known =
                ["reading", "boot: a new image is on trial", "boot: the old image is back", "restarts"];
            let starts = [FIRST, "2.0.0"].map(|version| format!("{id} starts, version {version}"));
            // The last line before a cut may be cut, too.
            let is_known = known.iter().any(|start| line.starts_with(start) || start.starts_with(&line))
                || starts.iter().any(|start| start.starts_with(&line) || *start == line);
            assert!(is_known, "'{line}' of {:#?}", device.console());
        }
    }
    (cuts, updates)
}
