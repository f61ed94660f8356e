//! Signatures are verified by the board: by its ROM, its hardware, or a library that its boot loader has as well.

use crate::board::{read, write};
use fleetfn_device::update::Verifier;
use fleetfn_protocol::update::UpdateKey;

pub(crate) const VERIFIER: Verifier = ask;

fn ask(key: &UpdateKey, bytes: &[u8], signature: &[u8; 64]) -> bool {
    key.0.iter().chain(bytes).chain(signature).for_each(|byte| write(u32::from(*byte)));
    read() == 1
}
