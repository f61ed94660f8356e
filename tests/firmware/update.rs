//! A board is updated, or says why it is not.

use crate::emulated::{Emulated, can_run};
use crate::harness::wait_until;
use crate::plant::{Plant, job, reported};
use crate::vendor::{FIRST, Vendor, broken, first, second};
use fleetfn_qemu::Board;

/// After how many bytes of the network the power is cut: a quarter of an image.
const CUT_BYTES: u64 = 32_000;

/// A server, somebody who signs, and a board that runs and listens to them.
struct Field {
    plant: Plant,
    vendor: Vendor,
    device: Emulated,
}

impl Field {
    /// `None` if there is no emulator.
    fn new() -> Option<Self> {
        if !can_run(Board::Mps2An385) {
            return None;
        }
        let plant = Plant::new();
        let vendor = Vendor::new(&plant, "signer.pem");
        let mut device = plant.device_with_keys(Board::Mps2An385, "room-1", &[vendor.public]);
        device.power_on();
        device.until(&format!("room-1 starts, version {FIRST}"));
        Some(Self { plant, vendor, device })
    }

    /// Has the board updated, and returns the exit code and what is said about it.
    fn update(&self, release: &str) -> (Option<i32>, String) {
        self.plant.try_fleetfn(&["device", "update", "room-1", release, "--wait", "--timeout", "10m"])
    }

    /// The update fails, for that reason, and the first image runs on.
    fn fails(&mut self, release: &str, reason: &str) {
        let (code, said) = self.update(release);
        assert_eq!(code, Some(1), "{said}\n{:#?}", self.device.console());
        assert_eq!(job(&self.plant, "room-1")["reason"], reason, "{said}");
        self.device.power_off();
        self.device.power_on();
        self.device.until(&format!("room-1 starts, version {FIRST}"));
        self.device.until("reading 1");
    }
}

#[test]
fn an_image_is_downloaded_tried_and_kept() {
    let Some(mut field) = Field::new() else { return };
    let release = field.vendor.publish(&field.plant, &second());
    let (code, said) = field.update(&release);
    assert_eq!(code, Some(0), "{said}\n{:#?}", field.device.console());
    field.device.until("boot: a new image is on trial");
    field.device.until("room-1 starts, version 2.0.0");
    // It is the one from now on.
    field.device.power_off();
    field.device.power_on();
    field.device.until("room-1 starts, version 2.0.0");
    field.device.until("reading 1");
    let boots: Vec<String> =
        field.device.console().into_iter().filter(|line| line.starts_with("boot:")).collect();
    assert_eq!(boots, ["boot: a new image is on trial"]);
}

#[test]
fn an_image_is_made_of_the_one_that_runs_and_a_patch() {
    let Some(mut field) = Field::new() else { return };
    field.vendor.publish(&field.plant, &first());
    wait_until("the server knows what runs", || reported(&field.plant, "room-1")["sequence"] == 1);
    let release = field.vendor.publish(&field.plant, &second());
    let passed_before = field.device.modem.passed_down();
    let (code, said) = field.update(&release);
    assert_eq!(code, Some(0), "{said}\n{:#?}", field.device.console());
    assert_eq!(job(&field.plant, "room-1")["delivery"], "patch");
    field.device.until("room-1 starts, version 2.0.0");
    let (passed, image) = (field.device.modem.passed_down() - passed_before, field.device.image_bytes());
    assert!(passed < image / 4, "{passed} bytes for an image of {image}");
}

#[test]
fn a_download_goes_on_where_the_power_cut_it() {
    let Some(mut field) = Field::new() else { return };
    let release = field.vendor.publish(&field.plant, &second());
    field.plant.fleetfn(&["device", "update", "room-1", &release, "--detach"]);
    for cut in 1..=3 {
        wait_until("more of the image has come", || field.device.modem.passed_down() > cut * CUT_BYTES);
        field.device.power_off();
        field.device.power_on();
        field.device.until(&format!("room-1 starts, version {FIRST}"));
    }
    let (code, said) = field.update(&release);
    assert_eq!(code, Some(0), "{said}\n{:#?}", field.device.console());
    field.device.until("room-1 starts, version 2.0.0");
    let (passed, image) = (field.device.modem.passed_down(), field.device.image_bytes());
    assert!(3 * CUT_BYTES < image, "the power was cut in the middle of it");
    assert!(passed < image + image / 2, "{passed} bytes for an image of {image}: it began anew");
}

#[test]
fn an_image_that_nobody_trusted_has_signed_is_refused() {
    let Some(mut field) = Field::new() else { return };
    // The server trusts this key, the board does not.
    let stranger = Vendor::new(&field.plant, "stranger.pem");
    let release = stranger.publish(&field.plant, &second());
    field.fails(&release, "unknown_key");
}

#[test]
fn an_image_for_other_hardware_is_refused() {
    let Some(mut field) = Field::new() else { return };
    let release = field.vendor.publish_for(&field.plant, &second(), "mps2-an386");
    field.fails(&release, "class");
}

#[test]
fn an_image_that_hangs_is_put_back_by_the_watchdog() {
    let Some(mut field) = Field::new() else { return };
    let release = field.vendor.publish(&field.plant, &broken("hangs"));
    field.fails(&release, "reset");
    let console = field.device.console();
    assert!(console.iter().any(|line| line == "and hangs"), "it was tried: {console:#?}");
    assert!(console.iter().any(|line| line == "boot: the old image is back"), "{console:#?}");
}

#[test]
fn an_image_that_never_says_that_it_works_is_put_back() {
    let Some(mut field) = Field::new() else { return };
    let release = field.vendor.publish(&field.plant, &broken("unhealthy"));
    field.fails(&release, "unhealthy");
    let console = field.device.console();
    assert!(console.iter().any(|line| line == "room-1 starts, version 2.0.0-unhealthy"), "{console:#?}");
}
