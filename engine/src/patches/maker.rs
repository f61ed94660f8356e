//! Makes one patch, and sees that it works.

use super::book::{Made, Pair};
use crate::artifacts::{self, Artifacts, Image};
use fleetfn_patch::{Applier, Output};
use fleetfn_protocol::update::Digest;
use sha2::{Digest as _, Sha256};
use std::io;

/// Longest image that patches are made of, in bytes: flash of a microcontroller. Making one takes five times as much memory for
/// the old image, and some seconds. What is longer is for devices with better lines.
pub(super) const IMAGE_BYTES_MAX: u32 = 8 << 20;

/// A patch is worth it if it has at most so many quarters of the image's bytes: it has to be written to flash besides the image,
/// and may turn out not to fit.
const QUARTERS_MAX: usize = 3;

pub(super) fn make(artifacts: &Artifacts, pair: &Pair) -> io::Result<Made> {
    let (old, new) = (load(artifacts, &pair.base)?, load(artifacts, &pair.target)?);
    let (Some(old), Some(new)) = (old, new) else {
        return Ok(Made::NotWorthIt);
    };
    let patch = fleetfn_patch::make(&old, &new);
    if patch.len() > new.len() / 4 * QUARTERS_MAX {
        return Ok(Made::NotWorthIt);
    }
    if !makes(&patch, &old, &new) {
        return Err(io::Error::other("the patch does not make the image"));
    }
    let digest = Digest(Sha256::digest(&patch).into());
    let kept = artifacts.upload(digest).and_then(|mut upload| {
        upload.write(&patch)?;
        upload.finish()
    });
    let size = kept.map_err(other)?;
    Ok(Made::Patch { digest, size })
}

fn other(error: artifacts::Error) -> io::Error {
    io::Error::other(error)
}

/// The bytes of an image, unless it is too long.
fn load(artifacts: &Artifacts, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
    let image = artifacts.image(digest).map_err(other)?;
    if image.size() > IMAGE_BYTES_MAX {
        return Ok(None);
    }
    read(&image).map(Some)
}

fn read(image: &Image) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(image.size()).map_err(io::Error::other)?];
    image.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Whether a patch makes one image out of another, as devices apply it.
fn makes(patch: &[u8], old: &[u8], new: &[u8]) -> bool {
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut applier = Applier::new(len(old), len(new));
    let mut rest = new.iter();
    for byte in patch {
        if applier.push(*byte).is_err() {
            return false;
        }
        loop {
            let made = match applier.poll_output() {
                Ok(None) => break,
                Ok(Some(Output::Byte(byte))) => Some(byte),
                Ok(Some(Output::Sum { at, add })) => {
                    let old = usize::try_from(at).ok().and_then(|at| old.get(at));
                    old.map(|old| old.wrapping_add(add))
                }
                Err(_) => return false,
            };
            if made.as_ref() != rest.next() {
                return false;
            }
        }
    }
    applier.is_whole()
}
