//! Who makes firmware: a key, and signed releases.

use crate::emulated::firmware;
use crate::plant::Plant;
use fleetfn_qemu::{Board, Release, update_key};

/// What the firmware of the boards is built as, when nothing else is said.
pub(crate) const FIRST: &str = "1.0.0";

/// A key whose owner may sign for the product of the boards.
pub(crate) struct Vendor {
    key: String,
    pub(crate) public: [u8; 32],
}

impl Vendor {
    pub(crate) fn new(plant: &Plant, name: &str) -> Self {
        let key = plant.file(name);
        plant.fleetfn(&["release", "keygen", &key]);
        let public_file = format!("{key}.pub");
        let public = update_key(&public_file).expect("keygen writes a public key");
        plant.fleetfn(&["release", "key", "add", "room-sensor", &public_file]);
        Self { key, public }
    }

    /// Builds, signs and publishes a release; returns what it is called.
    pub(crate) fn publish(&self, plant: &Plant, release: &Release) -> String {
        self.publish_for(plant, release, "mps2-an385")
    }

    /// As [`Vendor::publish`], signed for that hardware.
    pub(crate) fn publish_for(&self, plant: &Plant, release: &Release, class: &str) -> String {
        let version = release.version.as_deref().unwrap_or(FIRST);
        let sequence = release.sequence.unwrap_or(1).to_string();
        let (image, signed) =
            (plant.file(&format!("{version}.bin")), plant.file(&format!("{version}.signed")));
        let bytes = firmware(Board::Mps2An385, release).image;
        std::fs::write(&image, bytes).expect("a file can be written");
        plant.fleetfn(&[
            "release",
            "sign",
            &image,
            "--product",
            "room-sensor",
            "--class",
            class,
            "--version",
            version,
            "--sequence",
            &sequence,
            "--key",
            &self.key,
            "-o",
            &signed,
        ]);
        plant.fleetfn(&["release", "publish", &signed, &image]);
        format!("room-sensor@{version}")
    }
}

/// What boards have at first.
pub(crate) fn first() -> Release {
    Release::default()
}

/// The release after the first.
pub(crate) fn second() -> Release {
    Release { version: Some("2.0.0".into()), sequence: Some(2), feature: None }
}

/// The second release, broken in that way.
pub(crate) fn broken(how: &str) -> Release {
    Release { version: Some(format!("2.0.0-{how}")), sequence: Some(2), feature: Some(how.into()) }
}
