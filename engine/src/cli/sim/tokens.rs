//! The file of tokens: a line for each device, `ID TOKEN`, appended as devices are added, so that what is added is never
//! without its token, whenever the process ends. Only its owner may read it.

use crate::cli::failure::Failure;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Its name in the data directory.
pub(super) const FILE: &str = "sim-tokens";

/// All tokens of a file; none if it is not there.
pub(super) fn read(file: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let tried = format!("cannot read the tokens in {}", file.display());
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Failure::new(tried, error)),
    };
    parse(&text).map_err(|line| {
        Failure::new(tried, format!("line {line} is not a device and its token"))
            .next("remove the line, or give another file: --tokens FILE")
    })
}

/// Later lines take the place of earlier ones; an error is the number of a line that is none.
fn parse(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut tokens = BTreeMap::new();
    for (line, number) in text.lines().zip(1..) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (None, ..) => {}
            (Some(device), Some(token), None) => drop(tokens.insert(device.to_owned(), token.to_owned())),
            (Some(_), ..) => return Err(number),
        }
    }
    Ok(tokens)
}

/// A file to append to.
pub(super) fn append(file: &Path) -> Result<File, Failure> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(file).map_err(|error| {
        Failure::new(format!("cannot keep tokens in {}", file.display()), error)
            .next("give another file: --tokens FILE")
    })
}

/// Appends a token, in one write.
pub(super) fn add(file: &mut File, device: &str, token: &str) -> std::io::Result<()> {
    file.write_all(format!("{device} {token}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_were_added_and_a_torn_line_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE);
        assert!(read(&path).expect("no file is no token").is_empty());
        let mut file = append(&path).expect("it can be made");
        for (device, token) in [("a", "1"), ("b", "2"), ("a", "3")] {
            add(&mut file, device, token).expect("written");
        }
        let tokens = read(&path).expect("whole");
        assert_eq!(tokens, BTreeMap::from([("a", "3"), ("b", "2")].map(|(a, b)| (a.into(), b.into()))));
        assert_eq!(parse("a 1\nb\n"), Err(2));
        assert_eq!(parse("a 1 2\n"), Err(1));
    }
}
