//! Patches: whatever bytes one is, it yields no more than was expected, reads nothing but the image that is there, and each
//! of its bytes is a bounded amount of work; one that was made makes the image that it was made for.

use crate::script::Script;
use fleetfn_patch::{Applier, Error, Output, make};

/// What one byte of a patch leads to at most, in bytes of the new image.
const OUTPUTS_MAX: usize = 34;

/// The first bytes are the old image and the length of the new one, the others a patch, or an image to make one for.
pub fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let kind = script.byte();
    let new_bytes = usize::from(script.byte()) * 8;
    // The image over and over, so that there is something to repeat and to move.
    let old = script.bytes().repeat(1 + usize::from(kind >> 4));
    let rest = script.rest();
    match kind % 3 {
        0 => drop(apply(&old, new_bytes, rest)),
        1 => drop(apply(&old, new_bytes, &[&[1], rest].concat())),
        _ => {
            let patch = make(&old, rest);
            assert_eq!(apply(&old, rest.len(), &patch).as_deref(), Ok(rest), "it makes what it was made for");
            damage(&old, rest.len(), patch, new_bytes);
        }
    }
}

/// The same patch with a byte of it changed.
fn damage(old: &[u8], new_bytes: usize, mut patch: Vec<u8>, hit: usize) {
    let at = hit / 8 % patch.len();
    patch[at] ^= 1 << (hit % 7);
    drop(apply(old, new_bytes, &patch));
}

/// Applies a patch as a device does.
fn apply(old: &[u8], new_bytes: usize, patch: &[u8]) -> Result<Vec<u8>, Error> {
    let len = |bytes: usize| u32::try_from(bytes).expect("an input is short");
    let mut applier = Applier::new(len(old.len()), len(new_bytes));
    let mut new = Vec::new();
    for byte in patch {
        applier.push(*byte)?;
        let before = new.len();
        while let Some(output) = applier.poll_output()? {
            new.push(match output {
                Output::Byte(byte) => byte,
                Output::Sum { at, add } => old[at as usize].wrapping_add(add),
            });
            assert!(new.len() <= new_bytes, "no more than was expected");
            assert!(new.len() - before <= OUTPUTS_MAX, "a bounded amount of work");
        }
    }
    assert_eq!(applier.is_whole(), new.len() == new_bytes);
    Ok(new)
}
