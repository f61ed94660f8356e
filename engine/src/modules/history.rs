//! Which modules were ever deployed under a name: `DIR/modules/NAME.versions`, one line `HASH MILLISECONDS` each, the
//! oldest first.
//!
//! A line is appended and synced after the module is on disk and before the record that names it. A crash leaves at
//! most a version that is listed and never ran, or a last line that is cut short, which is skipped. Nothing but
//! people and redeployments read it: the log alone says what runs.

use super::Modules;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_protocol::FunctionName;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

impl Modules {
    fn history_path(&self, name: &FunctionName) -> PathBuf {
        self.0.join(format!("{name}.versions"))
    }

    /// Notes that a version is deployed under a name. Durable on return; the first time counts.
    pub(crate) fn remember(&self, name: &FunctionName, hash: &ModuleHash, at_ms: u64) -> io::Result<()> {
        if self.history(name)?.iter().any(|(known, _)| known == hash) {
            return Ok(());
        }
        let path = self.history_path(name);
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        // Begins with an end of line: one before that was cut short stays alone.
        file.write_all(format!("\n{hash} {at_ms}\n").as_bytes())?;
        file.sync_all()?;
        File::open(&self.0)?.sync_all()
    }

    /// Every version that was deployed under a name, with the first time, the oldest first.
    pub(crate) fn history(&self, name: &FunctionName) -> io::Result<Vec<(ModuleHash, u64)>> {
        let text = match std::fs::read_to_string(self.history_path(name)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let entry = |line: &str| {
            let (hash, at_ms) = line.split_once(' ')?;
            Some((parse(hash)?, at_ms.parse().ok()?))
        };
        Ok(text.lines().filter_map(entry).collect())
    }
}

/// Reads a hash as it is printed.
fn parse(text: &str) -> Option<ModuleHash> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(ModuleHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_listed_once_with_its_first_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let modules = Modules::open(directory.path()).expect("opens");
        let name = FunctionName::parse("climate").expect("a name");
        let (one, two) = (ModuleHash([1; 32]), ModuleHash([0xfe; 32]));
        assert_eq!(modules.history(&name).expect("reads"), []);
        for (hash, at_ms) in [(one, 10), (two, 20), (one, 30)] {
            modules.remember(&name, &hash, at_ms).expect("writes");
        }
        assert_eq!(modules.history(&name).expect("reads"), [(one, 10), (two, 20)]);
    }

    #[test]
    fn a_line_that_was_cut_short_hides_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let modules = Modules::open(directory.path()).expect("opens");
        let name = FunctionName::parse("climate").expect("a name");
        let (one, two) = (ModuleHash([1; 32]), ModuleHash([2; 32]));
        modules.remember(&name, &one, 10).expect("writes");
        let path = directory.path().join("modules/climate.versions");
        let whole = std::fs::read_to_string(&path).expect("reads");
        for cut in 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("writes");
            modules.remember(&name, &two, 20).expect("writes");
            let last = modules.history(&name).expect("reads").pop();
            assert_eq!(last, Some((two, 20)), "cut at {cut}");
        }
    }

    #[test]
    fn only_a_whole_hash_is_one() {
        let text = ModuleHash([0xab; 32]).to_string();
        assert_eq!(parse(&text), Some(ModuleHash([0xab; 32])));
        for wrong in ["", &text[1..], &text.replace('a', "g"), &"é".repeat(32), &text.replacen('a', "+", 1)]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
