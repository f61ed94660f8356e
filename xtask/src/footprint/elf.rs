//! As much of the ELF format as it takes to count what a 32-bit little-endian program puts into flash, and to list its
//! symbols.

use anyhow::{Context, Result, ensure};

/// What an ELF file of that class and byte order begins with.
const MAGIC: &[u8] = b"\x7fELF\x01\x01";

const SECTION_SYMBOLS: u32 = 2;
const SECTION_NO_BITS: u32 = 8;
const FLAG_ALLOCATED: u32 = 2;
const SYMBOL_BYTES: usize = 16;

/// Tables for unwinding, which the linker scripts of boards leave out. Some come with the compiled core library.
const UNWINDING: [&[u8]; 3] = [b".eh_frame", b".ARM.exidx", b".ARM.extab"];

/// A program.
pub(super) struct Elf<'a> {
    file: &'a [u8],
    sections: Vec<Section>,
    /// The names of sections, each at its offset, ended by a zero.
    names: &'a [u8],
}

struct Section {
    name: u32,
    kind: u32,
    flags: u32,
    offset: u32,
    bytes: u32,
    /// Of a symbol table: the section with its names.
    link: u32,
}

impl<'a> Elf<'a> {
    /// Reads the table of sections.
    pub(super) fn parse(file: &'a [u8]) -> Result<Self> {
        ensure!(file.starts_with(MAGIC), "it is not a 32-bit little-endian ELF file");
        let start = usize::try_from(word(file, 0x20)?)?;
        let (entry_bytes, count) = (half(file, 0x2e)?, half(file, 0x30)?);
        let sections = (0..count)
            .map(|index| {
                let at = start + index * entry_bytes;
                Ok(Section {
                    name: word(file, at)?,
                    kind: word(file, at + 4)?,
                    flags: word(file, at + 8)?,
                    offset: word(file, at + 16)?,
                    bytes: word(file, at + 20)?,
                    link: word(file, at + 24)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let names = match sections.get(half(file, 0x32)?) {
            Some(section) => content(file, section)?,
            None => &[],
        };
        Ok(Self { file, sections, names })
    }

    /// Code, constants and initialised data.
    pub(super) fn flash_bytes(&self) -> Result<u64> {
        let in_flash = |section: &&Section| {
            section.flags & FLAG_ALLOCATED != 0
                && section.kind != SECTION_NO_BITS
                && !UNWINDING.contains(&name(self.names, section.name))
        };
        let bytes = self.sections.iter().filter(in_flash).map(|section| u64::from(section.bytes)).sum();
        ensure!(bytes > 0, "it holds no code");
        Ok(bytes)
    }

    /// The names of all symbols.
    pub(super) fn symbols(&self) -> Result<impl Iterator<Item = &'a str>> {
        let table = self.sections.iter().find(|section| section.kind == SECTION_SYMBOLS);
        let table = table.context("it has no symbols")?;
        let names = self.sections.get(usize::try_from(table.link)?).context("its symbols have no names")?;
        let (table, names) = (content(self.file, table)?, content(self.file, names)?);
        Ok(table
            .chunks_exact(SYMBOL_BYTES)
            .filter_map(|symbol| std::str::from_utf8(name(names, word(symbol, 0).ok()?)).ok()))
    }
}

fn content<'a>(file: &'a [u8], section: &Section) -> Result<&'a [u8]> {
    let (start, bytes) = (usize::try_from(section.offset)?, usize::try_from(section.bytes)?);
    file.get(start..start + bytes).context("a section lies outside of the file")
}

/// The name at an offset; empty if there is none.
fn name(names: &[u8], at: u32) -> &[u8] {
    let rest = usize::try_from(at).ok().and_then(|at| names.get(at..)).unwrap_or_default();
    rest.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn word(file: &[u8], at: usize) -> Result<u32> {
    let bytes = file.get(at..).and_then(|rest| rest.first_chunk()).context("the file is cut short")?;
    Ok(u32::from_le_bytes(*bytes))
}

fn half(file: &[u8], at: usize) -> Result<usize> {
    let bytes = file.get(at..).and_then(|rest| rest.first_chunk()).context("the file is cut short")?;
    Ok(usize::from(u16::from_le_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::{Elf, FLAG_ALLOCATED, MAGIC, SECTION_NO_BITS, SECTION_SYMBOLS};

    /// A program with the given sections: name, kind, flags, content, link. The last one holds the names of sections.
    fn program(sections: &[(u32, u32, u32, &[u8], u32)]) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.resize(0x34, 0);
        let mut table = Vec::new();
        for (name, kind, flags, content, link) in sections {
            let offset = u32::try_from(file.len()).expect("small");
            let bytes = u32::try_from(content.len()).expect("small");
            for field in [*name, *kind, *flags, 0, offset, bytes, *link, 0, 0, 0] {
                table.extend(field.to_le_bytes());
            }
            file.extend(*content);
        }
        let start = u32::try_from(file.len()).expect("small");
        let count = u16::try_from(sections.len()).expect("few");
        file[0x20..0x24].copy_from_slice(&start.to_le_bytes());
        file[0x2e..0x30].copy_from_slice(&40_u16.to_le_bytes());
        file[0x30..0x32].copy_from_slice(&count.to_le_bytes());
        file[0x32..0x34].copy_from_slice(&count.saturating_sub(1).to_le_bytes());
        file.extend(table);
        file
    }

    #[test]
    fn what_lies_in_flash_is_counted_and_symbols_are_named() {
        let mut symbols = vec![0; 32];
        symbols[16] = 5;
        let file = program(&[
            (0, 1, FLAG_ALLOCATED, &[0; 100], 0),
            (1, 1, FLAG_ALLOCATED, &[0; 50], 0),
            (0, 1, 0, &[0; 30], 0),
            (0, SECTION_NO_BITS, FLAG_ALLOCATED, &[0; 9], 0),
            (0, SECTION_SYMBOLS, 0, &symbols, 5),
            (0, 3, 0, b"main\0memcpy\0", 0),
            (0, 3, 0, b"\0.eh_frame\0", 0),
        ]);
        let elf = Elf::parse(&file).expect("a program");
        assert_eq!(elf.flash_bytes().expect("code"), 100);
        assert_eq!(elf.symbols().expect("symbols").collect::<Vec<_>>(), ["main", "memcpy"]);
    }

    #[test]
    fn what_is_no_such_program_is_refused() {
        assert!(Elf::parse(b"\x7fELF\x02\x01").is_err());
        assert!(Elf::parse(MAGIC).is_err());
        assert!(Elf::parse(&program(&[])).expect("a program").flash_bytes().is_err());
        assert!(Elf::parse(&program(&[])).expect("a program").symbols().is_err());
    }
}
