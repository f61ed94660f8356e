//! What can be said of a device.

use crate::twin::Twin;
use alloc::string::String;
use alloc::vec::Vec;

/// A device, as a selection sees it.
#[derive(Debug, Clone, Copy)]
pub struct Traits<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it is one of.
    pub product: Option<&'a str>,
    /// The hardware that it has.
    pub class: Option<&'a str>,
    /// Free words.
    pub tags: &'a [String],
    /// Name of its time zone in the IANA database; `None` for UTC.
    pub time_zone: Option<&'a str>,
    /// What people call the firmware that it says it runs, if it has said so and
    /// [`Selection::reads_firmware`](super::Selection::reads_firmware).
    pub version: Option<&'a str>,
    /// Sequence of that firmware.
    pub sequence: Option<u32>,
    /// Whether it is connected.
    pub online: bool,
    /// How long ago it was heard last, in milliseconds; of one that was not, since it was added.
    pub seen_ms: u64,
    /// Its twin, if there is one and [`Selection::reads_twins`](super::Selection::reads_twins).
    pub twin: Option<&'a Twin>,
}

/// A part of the twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Desired,
    Reported,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Product,
    Class,
    Tag,
    TimeZone,
    Version,
    Sequence,
    Online,
    Seen,
    /// A value in the twin: the names of the objects on the way, and its own.
    Twin {
        part: Part,
        path: Vec<String>,
    },
}

/// The words for fields, in the order in which an error names them.
pub(super) const WORDS: &str =
    "id, product, class, tag, zone, version, sequence, online, seen, twin.reported.NAME or twin.desired.NAME";

impl Field {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "id" => Self::Id,
            "product" => Self::Product,
            "class" => Self::Class,
            "tag" => Self::Tag,
            "zone" => Self::TimeZone,
            "version" => Self::Version,
            "sequence" => Self::Sequence,
            "online" => Self::Online,
            "seen" => Self::Seen,
            _ => {
                let (part, path) = match word.strip_prefix("twin.reported.") {
                    Some(path) => (Part::Reported, path),
                    None => (Part::Desired, word.strip_prefix("twin.desired.")?),
                };
                let path: Vec<String> = path.split('.').map(String::from).collect();
                if path.iter().any(String::is_empty) {
                    return None;
                }
                Self::Twin { part, path }
            }
        })
    }
}
