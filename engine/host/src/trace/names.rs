//! Names of functions, from the section in which compilers leave them.

use std::collections::BTreeMap;
use wasmparser::{BinaryReader, Name, NameSectionReader};

/// Longest name that is shown, in characters.
const CHARS_MAX: usize = 160;

/// The frame below which Rust's own machinery of a panic begins.
const MACHINERY: &str = "__rust_end_short_backtrace";
/// What that machinery is entered by.
const ENTRANCES: [&str; 4] =
    ["rust_begin_unwind", "__rustc::rust_begin_unwind", "core::panicking::", "core::option::"];

/// The names of frames, the outermost first, without what only says that Rust code panicked.
pub(super) fn of(section: &[u8], frames: &[u32]) -> Vec<String> {
    let known = read(section, frames);
    let name = |frame: &u32| known.get(frame).cloned().unwrap_or_else(|| format!("function {frame}"));
    let mut names: Vec<String> = frames.iter().map(name).collect();
    if let Some(at) = names.iter().position(|name| name.contains(MACHINERY)) {
        names.truncate(at);
        let is_entrance = |name: &String| ENTRANCES.iter().any(|entrance| name.starts_with(entrance));
        while names.len() > 1 && names.last().is_some_and(is_entrance) {
            names.pop();
        }
    }
    names
}

/// The names of some functions, as far as the section can be read.
fn read(section: &[u8], wanted: &[u32]) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for part in NameSectionReader::new(BinaryReader::new(section, 0)).map_while(Result::ok) {
        let Name::Function(functions) = part else {
            continue;
        };
        for naming in functions.into_iter().map_while(Result::ok) {
            if wanted.contains(&naming.index) {
                let name = format!("{:#}", rustc_demangle::demangle(naming.name));
                let shown =
                    name.chars().filter(|character| !character.is_control()).take(CHARS_MAX).collect();
                found.insert(naming.index, shown);
            }
        }
    }
    found
}
