//! Which patches there are: one file for each pair of images.

use fleetfn_protocol::update::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What is written for a pair whose patch is not worth it.
const NOT_WORTH_IT: &str = "-";

/// Two images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    /// The one that runs.
    pub(crate) base: Digest,
    /// The one that is to run.
    pub(crate) target: Digest,
}

/// What came of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// A patch.
    Patch {
        /// Its digest.
        digest: Digest,
        /// Its length.
        size: u32,
    },
    /// Nothing that saves enough.
    NotWorthIt,
}

/// The directory of pairs.
#[derive(Debug)]
pub(super) struct Book(PathBuf);

impl Book {
    pub(super) fn open(data: &Path) -> io::Result<Self> {
        let path = data.join("patches");
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// What stands in it for `images`; the rest is taken out.
    pub(super) fn read(&self, images: &BTreeSet<Digest>) -> io::Result<BTreeMap<Pair, Made>> {
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(&self.0)? {
            let entry = entry?;
            let pair = entry.file_name().to_str().and_then(parse_pair);
            let made = std::fs::read_to_string(entry.path()).ok().and_then(|text| parse_made(&text));
            match (pair, made) {
                (Some(pair), Some(made)) if images.contains(&pair.target) => drop(all.insert(pair, made)),
                // Of an image that is gone, or cut short by a crash.
                _ => std::fs::remove_file(entry.path())?,
            }
        }
        Ok(all)
    }

    /// Writes down what came of a pair. Durable on return.
    pub(super) fn write(&self, pair: &Pair, made: Made) -> io::Result<()> {
        let mut file = tempfile::Builder::new().tempfile_in(&self.0)?;
        match made {
            Made::Patch { digest, size } => writeln!(file, "{digest} {size}")?,
            Made::NotWorthIt => writeln!(file, "{NOT_WORTH_IT}")?,
        }
        file.as_file().sync_all()?;
        file.persist(self.0.join(format!("{}-{}", pair.base, pair.target))).map_err(|error| error.error)?;
        File::open(&self.0)?.sync_all()
    }
}

fn parse_pair(name: &str) -> Option<Pair> {
    let (base, target) = name.split_once('-')?;
    Some(Pair { base: base.parse().ok()?, target: target.parse().ok()? })
}

fn parse_made(text: &str) -> Option<Made> {
    let line = text.strip_suffix('\n')?;
    if line == NOT_WORTH_IT {
        return Some(Made::NotWorthIt);
    }
    let (digest, size) = line.split_once(' ')?;
    Some(Made::Patch { digest: digest.parse().ok()?, size: size.parse().ok()? })
}
