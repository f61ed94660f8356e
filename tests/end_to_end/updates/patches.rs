//! Images that come as patches from what the device runs.

use super::{Workshop, phases};
use crate::harness::server::Server;
use crate::harness::updating::{BLOCK_BYTES, Device, Flash, News};
use crate::harness::{api::Api, wait_until};
use fleetfn_patch::{Applier, Output};
use fleetfn_protocol::update::{Delivery, Digest, Phase, Reason};
use sha2::{Digest as _, Sha256};

/// Publishes an image that differs from another one in a few places.
fn publish_next(workshop: &Workshop, before: &[u8], sequence: u32) -> Vec<u8> {
    let mut image = before.to_vec();
    for at in [1_000, 50_000, 90_000] {
        image[at] ^= 0x55;
    }
    image.splice(60_000..60_000, [7; 40]);
    let name = workshop.sign_image(&image, sequence, "key");
    workshop.done(&["release", "publish", &format!("{name}.signed"), &name]);
    image
}

/// A device that runs sequence 2, once the server knows that.
fn connect<'a>(workshop: &Workshop, server: &Server, token: &str, flash: &'a mut Flash) -> Device<'a> {
    flash.sequence = 2;
    let device = Device::connect(server.mqtt, "d1", token, flash).expect("connects");
    wait_until("it has said what runs", || workshop.update()["reported"]["sequence"] == 2);
    device
}

/// What a patch makes of an image.
fn applied(patch: &[u8], old: &[u8], new_bytes: usize) -> Vec<u8> {
    let len = |bytes: usize| u32::try_from(bytes).expect("it is small");
    let (mut applier, mut new) = (Applier::new(len(old.len()), len(new_bytes)), Vec::new());
    for byte in patch {
        applier.push(*byte).expect("a patch");
        while let Some(output) = applier.poll_output().expect("a patch") {
            new.push(match output {
                Output::Byte(byte) => byte,
                Output::Sum { at, add } => old[usize::try_from(at).expect("it is small")].wrapping_add(add),
            });
        }
    }
    new
}

/// Puts a whole image where blocks were, as if it had been made in flash.
fn put(device: &mut Device<'_>, image: &[u8]) {
    let pieces = image.chunks(BLOCK_BYTES.into()).map(<[u8]>::to_vec);
    device.flash.blocks = (0..).zip(pieces).collect();
    device.flash.offered.as_mut().expect("there is an offer").delivery = Delivery::Whole;
}

fn delivery(device: &Device<'_>) -> Delivery {
    device.flash.offered.as_ref().expect("there is an offer").delivery
}

#[test]
fn a_device_that_runs_a_published_image_gets_the_next_one_as_a_patch() {
    let mut workshop = Workshop::new("patches");
    let server = workshop.serve();
    let before = workshop.publish(2);
    let token = workshop.add_device();
    let mut flash = Flash::default();
    let mut device = connect(&workshop, &server, &token, &mut flash);
    let image = publish_next(&workshop, &before, 3);
    let waiting = workshop.start(&["device", "update", "d1", "node@1.3", "--wait", "--timeout", "60s"]);
    assert_eq!(device.job().expect("connected"), News::Job(1));
    let Delivery::Patch { base_size, base, size, .. } = delivery(&device) else {
        panic!("it is sent whole");
    };
    assert_eq!((base_size, base), (100_000, Digest(Sha256::digest(&before).into())));
    assert!(size < 8_000, "{size}");
    // A server that dies in between still has the patch.
    drop(device);
    server.kill();
    let server = Server::start(&workshop.data());
    let mut device = Device::connect(server.mqtt, "d1", &token, &mut flash).expect("connects");
    device.download(usize::MAX, |_| false).expect("connected");
    assert_eq!(applied(&device.image(), &before, image.len()), image);
    put(&mut device, &image);
    device.install().expect("connected");
    workshop.wait_for("confirmed");
    drop(waiting.wait_with_output());
    assert_eq!(workshop.update()["job"]["delivery"], "patch");
    // Blocks that are late are asked for again.
    assert!(
        Api::of(&server).metric("fleetfn_update_block_bytes_total") < 50_000.0,
        "far less than the image"
    );
}

#[test]
fn a_patch_that_does_not_do_is_followed_by_the_whole_image() {
    let mut workshop = Workshop::new("bad patch");
    let server = workshop.serve();
    let before = workshop.publish(2);
    let token = workshop.add_device();
    let mut flash = Flash::default();
    let mut device = connect(&workshop, &server, &token, &mut flash);
    let image = publish_next(&workshop, &before, 3);
    let waiting = workshop.start(&["device", "update", "d1", "node@1.3", "--wait", "--timeout", "60s"]);
    assert_eq!(device.job().expect("connected"), News::Job(1));
    assert!(matches!(delivery(&device), Delivery::Patch { .. }));
    device.say(Phase::Failed, Reason::Base).expect("connected");
    assert_eq!(device.job().expect("connected"), News::Job(2));
    assert_eq!(delivery(&device), Delivery::Whole);
    device.download(usize::MAX, |_| false).expect("connected");
    assert_eq!(device.image(), image);
    device.install().expect("connected");
    let output = waiting.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let expected = ["queued", "failed", "queued", "downloading", "verified", "armed", "trial", "confirmed"];
    assert_eq!(phases(&output.stdout), expected);
}

#[test]
fn an_operator_may_ask_for_the_whole_image() {
    let mut workshop = Workshop::new("whole");
    let server = workshop.serve();
    let before = workshop.publish(2);
    let token = workshop.add_device();
    let mut flash = Flash::default();
    let mut device = connect(&workshop, &server, &token, &mut flash);
    publish_next(&workshop, &before, 3);
    workshop.done(&["device", "update", "d1", "node@1.3", "--whole"]);
    assert_eq!(device.job().expect("connected"), News::Job(1));
    assert_eq!(delivery(&device), Delivery::Whole);
}
