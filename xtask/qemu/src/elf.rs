//! What a linker made, as the bytes that lie in a flash.

use anyhow::{Context, Result, ensure};

/// Fields of the file header and of a program header (32 bits, little-endian).
const PROGRAM_HEADERS_AT: usize = 28;
const PROGRAM_HEADER_BYTES_AT: usize = 42;
const PROGRAM_HEADERS_COUNT_AT: usize = 44;
const LOAD: u32 = 1;

/// Largest image, in bytes: no board here has more flash.
const IMAGE_BYTES_MAX: usize = 32 << 20;

/// The loadable bytes of a program from `address` on; gaps are erased flash.
pub(crate) fn image(file: &[u8], address: u64) -> Result<Vec<u8>> {
    ensure!(file.starts_with(b"\x7fELF\x01\x01"), "not a little-endian ELF file of 32 bits");
    let headers = word(file, PROGRAM_HEADERS_AT)? as usize;
    let (bytes, count) = (half(file, PROGRAM_HEADER_BYTES_AT)?, half(file, PROGRAM_HEADERS_COUNT_AT)?);
    let mut image = Vec::new();
    for index in 0..usize::from(count) {
        let header = headers + index * usize::from(bytes);
        let (offset, physical) = (word(file, header + 4)? as usize, u64::from(word(file, header + 12)?));
        let length = word(file, header + 16)? as usize;
        if word(file, header)? != LOAD || length == 0 {
            continue;
        }
        let at = physical.checked_sub(address).and_then(|at| usize::try_from(at).ok());
        let at = at.with_context(|| format!("a segment lies at {physical:#x}, before the flash"))?;
        ensure!(at + length <= IMAGE_BYTES_MAX, "a segment ends behind the flash");
        if image.len() < at + length {
            image.resize(at + length, 0xff);
        }
        let segment = file.get(offset..offset + length).context("a segment ends behind the file")?;
        image[at..at + length].copy_from_slice(segment);
    }
    ensure!(!image.is_empty(), "the program has no loadable segment");
    // Flash is written in words.
    image.resize(image.len().next_multiple_of(4), 0xff);
    Ok(image)
}

fn word(file: &[u8], at: usize) -> Result<u32> {
    let bytes = file.get(at..).and_then(|rest| rest.first_chunk()).context("the file is cut short")?;
    Ok(u32::from_le_bytes(*bytes))
}

fn half(file: &[u8], at: usize) -> Result<u16> {
    let bytes = file.get(at..).and_then(|rest| rest.first_chunk()).context("the file is cut short")?;
    Ok(u16::from_le_bytes(*bytes))
}
