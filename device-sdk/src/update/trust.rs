//! Whether an offer is to be followed: who signed it, and whether what they signed is for this device.

use super::clock::Clock;
use super::firmware::Firmware;
use fleetfn_protocol::update::{Envelope, Manifest, Reason};

/// How many keys are looked at: one bit each.
const KEYS_MAX: usize = 32;

/// As many different keys as are needed have to have signed; one wrong signature by a trusted key spoils it.
#[inline(never)]
pub(super) fn verify(firmware: &Firmware<'_>, envelope: &Envelope<'_>) -> Result<(), Reason> {
    let mut signed = 0_u32;
    for signature in envelope.signatures() {
        let keys = firmware.keys.iter().take(KEYS_MAX).zip(0_u32..);
        let mut is_known = false;
        let mut is_good = false;
        // Bounded: at most 4 signatures and 32 keys, of which one has the name.
        for (key, bit) in keys.filter(|(key, _)| key.id() == signature.key) {
            is_known = true;
            let mask = 1_u32.wrapping_shl(bit);
            if signed & mask != 0 || (firmware.verifier)(key, envelope.body(), signature.bytes) {
                signed |= mask;
                is_good = true;
                break;
            }
        }
        if is_known && !is_good {
            return Err(Reason::Signature);
        }
    }
    if signed.count_ones() >= u32::from(firmware.threshold.max(1)) { Ok(()) } else { Err(Reason::UnknownKey) }
}

/// Whether the image is for this device, now.
pub(super) fn check(
    firmware: &Firmware<'_>,
    manifest: &Manifest<'_>,
    floor: u32,
    clock: &Clock,
) -> Result<(), Reason> {
    if manifest.product != firmware.product {
        return Err(Reason::Product);
    }
    if manifest.class != firmware.class {
        return Err(Reason::Class);
    }
    if manifest.sequence <= floor {
        return Err(Reason::Sequence);
    }
    if manifest.not_after_s.is_some_and(|not_after_s| clock.is_after_s(not_after_s)) {
        return Err(Reason::Expired);
    }
    let has = |name: &str| {
        let own = (name == "image").then_some(firmware.sequence);
        let component = || firmware.components.iter().find(|(known, _)| *known == name);
        own.or_else(|| component().map(|(_, number)| *number))
    };
    let is_met = manifest
        .dependencies
        .iter()
        .all(|need| has(need.component.as_str()).is_some_and(|number| number >= need.at_least));
    if is_met { Ok(()) } else { Err(Reason::Dependency) }
}
