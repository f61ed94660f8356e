//! Adds devices to an engine over its HTTP API.

use super::tokens;
use crate::api::{AddedDevice, AddedDevices, BATCH_DEVICES_MAX, DeviceView, NewDevice, NewDevices};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::scenario::Device;
use crate::sim::SIMULATED;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Adds devices and returns their tokens, which are in the file as well. Stops at the first failure; what was added until
/// then stays, and is skipped the next time.
pub(super) fn devices(
    client: &Client,
    devices: &[&Device],
    file: &Path,
) -> Result<BTreeMap<String, String>, Failure> {
    let known: Vec<DeviceView> = client.list("cannot look for devices", "/devices")?;
    let known: BTreeSet<&str> = known.iter().map(|device| device.id.as_str()).collect();
    let strangers: Vec<&str> =
        devices.iter().map(|device| device.id.as_str()).filter(|id| known.contains(id)).collect();
    if let Some(first) = strangers.first() {
        let why = format!(
            "{} devices of the scenario are registered, and their tokens are not in {}; the first is {first}",
            strangers.len(),
            file.display()
        );
        return Err(Failure::new("cannot play these devices", why).next(
            "give the groups of the scenario another \"prefix\", or the file of tokens: --tokens FILE",
        ));
    }
    eprintln!("registering {} devices; their tokens are kept in {}", devices.len(), file.display());
    let mut kept = tokens::append(file)?;
    let (mut tokens, mut told) = (BTreeMap::new(), Instant::now());
    for batch in devices.chunks(BATCH_DEVICES_MAX) {
        for AddedDevice { id, token } in add(client, batch)? {
            let Some(token) = token else { continue };
            tokens::add(&mut kept, &id, &token)
                .map_err(|error| Failure::new("cannot keep a token", error))?;
            tokens.insert(id, token);
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            eprintln!("registered {} of {}", tokens.len(), devices.len());
        }
    }
    Ok(tokens)
}

fn add(client: &Client, devices: &[&Device]) -> Result<Vec<AddedDevice>, Failure> {
    let new = |device: &&Device| NewDevice {
        id: device.id.to_string(),
        product: device.product.map(|product| product.to_string()),
        class: device.class.map(|class| class.to_string()),
        tags: vec![SIMULATED.into()],
        time_zone: device.time_zone.as_deref().map(str::to_owned),
    };
    let batch = NewDevices { devices: devices.iter().map(new).collect() };
    let added: AddedDevices = client.post("cannot register the devices", "/device-batches", &batch)?;
    Ok(added.devices)
}
