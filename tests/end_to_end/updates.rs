//! Firmware: signed offline, published, offered, downloaded in blocks, confirmed; and what goes wrong on the way.

mod patches;

use crate::harness::random::Random;
use crate::harness::server::Server;
use crate::harness::updating::{Device, Flash, News};
use crate::harness::workshop::Workshop;
use crate::harness::{PATIENCE, api::Api, wait_until};
use fleetfn_protocol::update::{BlockBytes, BlockRequest, Phase, Reason};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

/// How long something that must not come is waited for.
const SILENCE: Duration = Duration::from_millis(300);

impl Workshop {
    fn add_device(&self) -> String {
        let added = self.done(&["device", "add", "d1", "--product", "node", "--class", "m3", "-o", "json"]);
        let added: Value = serde_json::from_str(&added).expect("JSON");
        added["token"].as_str().expect("a token").to_owned()
    }

    /// What is known of the device's firmware.
    fn update(&self) -> Value {
        let shown = self.done(&["device", "get", "d1", "-o", "json"]);
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        shown["update"].clone()
    }

    fn state(&self) -> String {
        self.update()["job"]["state"].as_str().unwrap_or("none").to_owned()
    }

    fn wait_for(&self, state: &str) {
        wait_until(&format!("the job is {state}"), || self.state() == state);
    }

    /// The files of images.
    fn artifacts(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.data().join("artifacts")).expect("a directory");
        files.map(|file| file.expect("an entry").path()).collect()
    }
}

/// The phases that a command has printed.
fn phases(printed: &[u8]) -> Vec<String> {
    let printed = String::from_utf8_lossy(printed);
    printed.lines().filter_map(|line| Some(line.split_whitespace().nth(4)?.to_owned())).collect()
}

/// Takes what is still on its way, which is blocks and offers that the device knows, until nothing comes any more.
fn drain(device: &mut Device<'_>) {
    while let Some(news) = device.next(SILENCE).expect("connected") {
        assert!(matches!(news, News::Block(_) | News::Again(_)), "{news:?}");
    }
}

#[test]
fn a_device_updates_though_blocks_are_lost_and_whoever_waits_sees_each_phase() {
    let mut workshop = Workshop::new("updates");
    let server = workshop.serve();
    let image = workshop.publish(2);
    let token = workshop.add_device();
    let waiting = workshop.start(&["device", "update", "d1", "node@1.2", "--wait", "--timeout", "60s"]);
    let mut flash = Flash { sequence: 1, ..Flash::default() };
    let mut device = Device::connect(server.mqtt, "d1", &token, &mut flash).expect("connects");
    assert_eq!(device.job().expect("connected"), News::Job(1));
    let mut random = Random::new("lost blocks");
    device.download(usize::MAX, |_| random.below(4) == 0).expect("connected");
    assert_eq!(device.image(), image);
    device.install().expect("connected");
    let output = waiting.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(phases(&output.stdout), ["queued", "downloading", "verified", "armed", "trial", "confirmed"]);
    let api = Api::of(&server);
    assert!(api.metric("fleetfn_update_blocks_total") >= 98.0);
    let update = workshop.update();
    assert_eq!((&update["reported"]["sequence"], &update["unfitting"]), (&2.into(), &0.into()));
    let why = workshop.refused(&["device", "update", "d1", "node@1.2"]);
    assert!(why.contains("sequence 2 is not newer"), "{why}");
}

#[test]
fn whoever_waits_is_told_why_it_failed_and_when_the_time_is_over() {
    let mut workshop = Workshop::new("failures");
    let server = workshop.serve();
    workshop.publish(2);
    let token = workshop.add_device();
    let late = workshop.run(&["device", "update", "d1", "node@1.2", "--timeout", "100ms"]);
    assert_eq!(late.status.code(), Some(124), "{late:?}");
    let mut waiting = workshop.start(&["device", "update", "d1", "node@1.2", "--wait", "--timeout", "60s"]);
    let mut line = String::new();
    // Kept, for whoever finds nobody listening has nothing more to say.
    let mut said = BufReader::new(waiting.stdout.take().expect("it is piped"));
    said.read_line(&mut line).expect("it says something");
    assert!(line.contains("queued"), "{line}");
    let mut flash = Flash::default();
    let mut device = Device::connect(server.mqtt, "d1", &token, &mut flash).expect("connects");
    assert_eq!(device.job().expect("connected"), News::Job(1), "asked for twice, it is one job");
    device.say(Phase::RolledBack, Reason::Unhealthy).expect("connected");
    let output = waiting.wait_with_output().expect("it ends");
    drop(said);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("rolled back: it ran, but was not healthy in time"), "{said}");
    workshop.done(&["device", "update", "d1", "node@1.2", "--detach"]);
    assert_eq!(device.job().expect("connected"), News::Job(2));
}

#[test]
fn a_server_that_dies_in_the_middle_knows_job_and_release_and_the_device_goes_on() {
    let mut workshop = Workshop::new("killed server");
    let server = workshop.serve();
    let image = workshop.publish(2);
    let token = workshop.add_device();
    workshop.done(&["device", "update", "d1", "node@1.2"]);
    let mut flash = Flash::default();
    let mut device = Device::connect(server.mqtt, "d1", &token, &mut flash).expect("connects");
    assert_eq!(device.job().expect("connected"), News::Job(1));
    device.download(60, |_| false).expect("connected");
    workshop.wait_for("downloading");
    server.kill();
    // The view is made again from the log as well.
    std::fs::remove_dir_all(workshop.data().join("view")).expect("there is a view");
    let server = Server::start(&workshop.data());
    assert_eq!(workshop.state(), "downloading");
    assert!(workshop.done(&["release", "ls"]).contains("node@1.2"));
    let mut kept = flash.blocks.clone();
    let mut device = Device::connect(server.mqtt, "d1", &token, &mut flash).expect("connects");
    let mut came = std::collections::BTreeSet::new();
    let note = |index| {
        came.insert(index);
        false
    };
    device.download(usize::MAX, note).expect("connected");
    assert_eq!(device.image(), image);
    // On a busy machine some of those that are missing come twice, but none that it had.
    kept.retain(|index, _| came.contains(index));
    assert!(kept.is_empty(), "it went on where it was, and fetched again {:?}", kept.keys());
    device.install().expect("connected");
    workshop.wait_for("confirmed");
    server.kill();
    let _server = Server::start(&workshop.data());
    assert_eq!(workshop.state(), "confirmed");
}

#[test]
fn what_the_products_keys_have_not_signed_is_not_published() {
    let mut workshop = Workshop::new("signatures");
    let _server = workshop.serve();
    workshop.done(&["release", "keygen", "other"]);
    let name = workshop.sign(2, "other");
    let signed = format!("{name}.signed");
    let why = workshop.refused(&["release", "publish", &signed, &name]);
    assert!(why.contains("which is not a key of product 'node'") && why.contains("release key add"), "{why}");
    // A wrong signature under the right name: the key's id is replaced, or the manifest is changed.
    let mut bytes = workshop.read(&signed);
    let key = workshop.done(&["release", "key", "ls", "-o", "json"]);
    let key: Value = serde_json::from_str(&key).expect("JSON");
    let id = key[0]["id"].as_str().expect("an id");
    for (place, byte) in bytes[2..10].iter_mut().enumerate() {
        *byte = u8::from_str_radix(&id[2 * place..2 * place + 2], 16).expect("digits");
    }
    workshop.write("forged", &bytes);
    let why = workshop.refused(&["release", "publish", "forged", &name]);
    assert!(why.contains("is wrong: it is not over this manifest"), "{why}");
    let name = workshop.sign(3, "key");
    let mut bytes = workshop.read(&format!("{name}.signed"));
    *bytes.last_mut().expect("there are some") ^= 1;
    workshop.write("changed", &bytes);
    workshop.refused(&["release", "publish", "changed", &name]);
    workshop.write("other image", &[7; 100_000]);
    let why = workshop.refused(&["release", "publish", &format!("{name}.signed"), "other image"]);
    assert!(why.contains("the image has the SHA-256"), "{why}");
    assert_eq!(workshop.done(&["release", "ls", "-o", "json"]).trim(), "[]");
    assert_eq!(workshop.artifacts(), Vec::<PathBuf>::new(), "nothing is kept of it");
}

#[test]
fn two_people_sign_on_two_machines_and_a_revoked_key_takes_its_releases_along() {
    let mut workshop = Workshop::new("cosigned");
    let server = workshop.serve();
    workshop.done(&["release", "keygen", "other"]);
    let name = workshop.sign(2, "key");
    let (signed, both) = (format!("{name}.signed"), format!("{name}.both"));
    workshop.done(&["release", "cosign", &signed, "--key", "other", "--image", &name, "-o", &both]);
    workshop.refused(&["release", "cosign", &both, "--key", "other", "-o", "thrice"]);
    workshop.done(&["release", "publish", &signed, &name]);
    workshop.refused(&["release", "publish", &both, &name]);
    workshop.done(&["release", "key", "add", "node", "other.pub"]);
    let published = workshop.done(&["release", "publish", &both, &name, "-o", "json"]);
    let published: Value = serde_json::from_str(&published).expect("JSON");
    assert_eq!(published["signed_by"].as_array().map(Vec::len), Some(2));
    let token = workshop.add_device();
    workshop.done(&["device", "update", "d1", "node@1.2"]);
    let mut flash = Flash::default();
    let mut device = Device::connect(server.mqtt, "d1", &token, &mut flash).expect("connects");
    assert_eq!(device.job().expect("connected"), News::Job(1));
    device.download(10, |_| false).expect("connected");
    workshop.done(&["release", "key", "threshold", "node", "2"]);
    let id = published["signed_by"][1].as_str().expect("an id");
    workshop.done(&["release", "key", "rm", "node", id, "-y"]);
    // What was on its way may come before.
    while device.flash.offered.is_some() {
        device.next(PATIENCE).expect("connected");
    }
    assert_eq!(workshop.state(), "withdrawn");
    device
        .request(&BlockRequest {
            job: 1,
            block_bytes: BlockBytes::new(64).expect("a length"),
            first: 0,
            wanted: 1,
        })
        .expect("connected");
    let refused = || Api::of(&server).metric("fleetfn_update_requests_refused_total");
    wait_until("the request is refused", || refused() > 0.0);
    let why = workshop.refused(&["device", "update", "d1", "node@1.2"]);
    assert!(why.contains("not a key of 'node' any more"), "{why}");
}

#[test]
fn an_image_that_has_changed_on_disk_is_not_served_until_it_is_put_back() {
    let mut workshop = Workshop::new("changed image");
    let server = workshop.serve();
    let image = workshop.publish(2);
    let token = workshop.add_device();
    workshop.done(&["device", "update", "d1", "node@1.2"]);
    let mut flash = Flash::default();
    let mut device = Device::connect(server.mqtt, "d1", &token, &mut flash).expect("connects");
    assert_eq!(device.job().expect("connected"), News::Job(1));
    device.download(5, |_| false).expect("connected");
    let file = workshop.artifacts().pop().expect("an image");
    let mut changed = image.clone();
    changed[90_000] ^= 1;
    std::fs::write(&file, &changed).expect("written");
    device.flash.blocks.clear();
    device.ask().expect("connected");
    let refused = || Api::of(&server).metric("fleetfn_update_requests_refused_total");
    wait_until("the request is refused", || refused() > 0.0);
    assert!(workshop.done(&["release", "show", "node@1.2"]).contains("has changed on disk"));
    workshop.done(&["device", "update", "d1", "--cancel"]);
    let why = workshop.refused(&["device", "update", "d1", "node@1.2"]);
    assert!(why.contains("has changed on disk"), "{why}");
    workshop.done(&["release", "publish", "image-2.signed", "image-2"]);
    workshop.done(&["device", "update", "d1", "node@1.2"]);
    while device.flash.job < 2 {
        device.next(PATIENCE).expect("connected");
    }
    device.download(usize::MAX, |_| false).expect("connected");
    assert_eq!(device.image(), image);
}

#[test]
fn a_device_that_was_away_gets_the_newest_job_only_and_nothing_of_one_that_was_withdrawn() {
    let mut workshop = Workshop::new("away");
    let server = workshop.serve();
    workshop.publish(2);
    let newest = workshop.publish(3);
    let token = workshop.add_device();
    workshop.done(&["device", "update", "d1", "node@1.2"]);
    workshop.done(&["device", "update", "d1", "node@1.3"]);
    let mut flash = Flash::default();
    let mut device = Device::connect(server.mqtt, "d1", &token, &mut flash).expect("connects");
    assert_eq!(device.job().expect("connected"), News::Job(2));
    device.download(20, |_| false).expect("connected");
    // A job that is not its own any more, a place beyond the end, and no request at all.
    let block_bytes = BlockBytes::new(1024).expect("a length");
    drain(&mut device);
    let before = device.flash.blocks.len();
    device.request(&BlockRequest { job: 1, block_bytes, first: 90, wanted: 1 }).expect("connected");
    device.request(&BlockRequest { job: 2, block_bytes, first: 98, wanted: 1 }).expect("connected");
    let refused = || Api::of(&server).metric("fleetfn_update_requests_refused_total");
    wait_until("both are refused", || refused() >= 2.0);
    drain(&mut device);
    assert_eq!(device.flash.blocks.len(), before);
    device.download(usize::MAX, |_| false).expect("connected");
    assert_eq!(device.image(), newest);
    workshop.done(&["device", "update", "d1", "--cancel"]);
    assert_eq!(device.job().expect("connected"), News::Withdrawn(2));
    device.say(Phase::Failed, Reason::Withdrawn).expect("connected");
    drop(device);
    assert_eq!(workshop.state(), "withdrawn");
    assert!(workshop.refused(&["device", "update", "d1", "--cancel"]).contains("has no open job"));
}

#[test]
fn a_device_that_has_lost_its_flash_is_offered_its_job_again() {
    let mut workshop = Workshop::new("lost flash");
    let server = workshop.serve();
    workshop.publish(2);
    let token = workshop.add_device();
    workshop.done(&["device", "update", "d1", "node@1.2"]);
    let mut flash = Flash::default();
    let mut device = Device::connect(server.mqtt, "d1", &token, &mut flash).expect("connects");
    assert_eq!(device.job().expect("connected"), News::Job(1));
    device.download(20, |_| false).expect("connected");
    workshop.wait_for("downloading");
    drop(device);
    let mut blank = Flash::default();
    let mut device = Device::connect(server.mqtt, "d1", &token, &mut blank).expect("connects");
    assert_eq!(device.job().expect("connected"), News::Job(1));
    device.download(usize::MAX, |_| false).expect("connected");
    device.install().expect("connected");
    workshop.wait_for("confirmed");
    // A job of a server that is forgotten: the next one is above it.
    device.flash.job = 40;
    device.say(Phase::Confirmed, Reason::None).expect("connected");
    wait_until("the report is handled", || workshop.update()["reported"]["job"] == 40);
    workshop.publish(3);
    workshop.done(&["device", "update", "d1", "node@1.3"]);
    assert_eq!(device.job().expect("connected"), News::Job(41));
}

#[test]
fn a_release_goes_only_to_devices_that_it_is_for() {
    let mut workshop = Workshop::new("not for it");
    let _server = workshop.serve();
    workshop.publish(2);
    for (id, kind, why) in [
        ("a", &["--product", "fan"][..], "device 'a' is a 'fan'"),
        ("b", &[], "it is not known what device 'b' is"),
        ("c", &["--product", "node", "--class", "m7"], "device 'c' is of class 'm7'"),
    ] {
        workshop.done(&[&["device", "add", id], kind].concat());
        let said = workshop.refused(&["device", "update", id, "node@1.2"]);
        assert!(said.contains(why), "{said}");
    }
    assert!(workshop.refused(&["device", "update", "a", "node@9"]).contains("there is no release 'node@9'"));
    assert!(workshop.refused(&["device", "update", "z", "node@1.2"]).contains("there is no device 'z'"));
    let old =
        ["--version", "1.9", "--sequence", "9", "--key", "key", "--not-after", "2020-01-01", "-o", "old"];
    let sign = ["release", "sign", "image-2", "--product", "node", "--class", "m3"];
    workshop.done(&[&sign[..], &old].concat());
    workshop.done(&["release", "publish", "old", "image-2"]);
    workshop.done(&["device", "add", "d", "--product", "node"]);
    assert!(workshop.refused(&["device", "update", "d", "node@1.9"]).contains("its time is over"));
    assert_eq!(workshop.artifacts().len(), 1, "the same image is kept once");
}
