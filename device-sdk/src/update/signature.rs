//! Signatures, verified by a library.

use ed25519_dalek::{Signature, VerifyingKey};
use fleetfn_protocol::update::{SIGNATURE_BYTES, UpdateKey};

/// Verifies a signature strictly with `ed25519-dalek`: what some implementations take and others do not is refused. It takes
/// 16 to 28 KB of flash and 8 KB of stack.
#[inline(never)]
#[must_use]
pub fn ed25519(key: &UpdateKey, bytes: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    VerifyingKey::from_bytes(&key.0)
        .is_ok_and(|key| key.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok())
}
