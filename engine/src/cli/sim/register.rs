//! Adds devices to an engine over its HTTP API, several at a time.

use super::tokens;
use crate::api::{AddedDevice, DeviceView, NewDevice};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::scenario::Device;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests at once: the engine adds devices one after the other, and syncs each.
const AT_ONCE: usize = 8;

/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// How far it is.
struct Progress {
    file: std::fs::File,
    tokens: BTreeMap<String, String>,
    failure: Option<Failure>,
    told: Instant,
}

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
    let progress = Mutex::new(Progress {
        file: tokens::append(file)?,
        tokens: BTreeMap::new(),
        failure: None,
        told: Instant::now(),
    });
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(devices.len()) {
            scope.spawn(|| {
                while let Some(device) = devices.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !add(client, device, &progress, devices.len()) {
                        return;
                    }
                }
            });
        }
    });
    let Progress { tokens, failure, .. } = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failure {
        Some(failure) => Err(failure),
        None => Ok(tokens),
    }
}

/// Adds one device; whether to go on.
fn add(client: &Client, device: &Device, progress: &Mutex<Progress>, of: usize) -> bool {
    let new = NewDevice {
        id: device.id.to_string(),
        product: device.product.map(|product| product.to_string()),
        class: device.class.map(|class| class.to_string()),
        tags: vec!["simulated".into()],
        time_zone: device.time_zone.as_deref().map(str::to_owned),
    };
    let tried = format!("cannot register {}", device.id);
    let added: Result<AddedDevice, Failure> = client.post(&tried, "/devices", &new);
    let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = added.and_then(|added| {
        tokens::add(&mut progress.file, &added.id, &added.token)
            .map_err(|error| Failure::new("cannot keep a token", error))?;
        progress.tokens.insert(added.id, added.token);
        Ok(())
    });
    if let Err(failure) = kept {
        progress.failure.get_or_insert(failure);
    }
    if progress.told.elapsed() >= TELL_EVERY {
        progress.told = Instant::now();
        eprintln!("registered {} of {of}", progress.tokens.len());
    }
    progress.failure.is_none()
}
