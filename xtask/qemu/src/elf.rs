//! What a linker made: the bytes that lie in a flash, and what is where.

use anyhow::{Context, Result, bail, ensure};

/// Fields of the file header and of a program header (32 bits, little-endian).
const PROGRAM_HEADERS_AT: usize = 28;
const PROGRAM_HEADER_BYTES_AT: usize = 42;
const PROGRAM_HEADERS_COUNT_AT: usize = 44;
const LOAD: u32 = 1;

/// Largest image, in bytes: no board here has more flash.
const IMAGE_BYTES_MAX: usize = 32 << 20;

/// Fields of the file header and of a section header.
const SECTION_HEADERS_AT: usize = 32;
const SECTION_HEADER_BYTES_AT: usize = 46;
const SECTION_HEADERS_COUNT_AT: usize = 48;
const SYMBOL_TABLE: u32 = 2;
const SYMBOL_BYTES: usize = 16;

/// Something that a program has given a name to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// As the linker knows it.
    pub name: String,
    /// Where it is.
    pub address: u32,
    /// How long it is; 0 for a mere place.
    pub bytes: u32,
}

/// The symbols of a program.
pub(crate) fn symbols(file: &[u8]) -> Result<Vec<Symbol>> {
    let headers = word(file, SECTION_HEADERS_AT)? as usize;
    let (bytes, count) = (half(file, SECTION_HEADER_BYTES_AT)?, half(file, SECTION_HEADERS_COUNT_AT)?);
    let header = |index: usize| headers + index * usize::from(bytes);
    for index in 0..usize::from(count) {
        if word(file, header(index) + 4)? != SYMBOL_TABLE {
            continue;
        }
        let (table, names) = (content(file, header(index))?, word(file, header(index) + 24)? as usize);
        let names = content(file, header(names))?;
        return table
            .chunks_exact(SYMBOL_BYTES)
            .map(|symbol| {
                let name = names.get(word(symbol, 0)? as usize..).unwrap_or_default();
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                let name = String::from_utf8_lossy(name).into_owned();
                Ok(Symbol { name, address: word(symbol, 4)?, bytes: word(symbol, 8)? })
            })
            .collect();
    }
    bail!("the program has no symbols")
}

/// What a section holds.
fn content(file: &[u8], header: usize) -> Result<&[u8]> {
    let (offset, length) = (word(file, header + 16)? as usize, word(file, header + 20)? as usize);
    file.get(offset..offset + length).context("a section ends behind the file")
}

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
