//! Signatures are verified by the library that comes with the device SDK.

use fleetfn_device::update::{Verifier, ed25519};

pub(crate) const VERIFIER: Verifier = ed25519;
