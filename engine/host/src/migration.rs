//! Brings the state of one entity to the version that the manifest names, before the first event that the version
//! handles there.
//!
//! The version that the state has stands under a key that no guest can name: the empty one. It is read and written
//! like any other, so that it goes with the state wherever that goes: into commits, copies of a dark version and
//! recordings. An entity without state has nothing to bring anywhere; its version is noted with the first value.
//! State of a newer version, as a rollback leaves it, is left as it is: what a function keeps, older versions of it
//! must bear to see.

use crate::failure::Failure;
use crate::guest::Guest;
use crate::wishes::Kind;
use fleetfn_core::invocation::{StateReader, StateUnavailable};

/// The key of the version, which is a `u32`, little-endian; not there for 0.
pub(crate) const STATE_VERSION_KEY: &[u8] = b"";

/// What is to be done for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Migration {
    /// Nothing.
    None,
    /// To note the version if anything is kept: there is no state yet.
    Note,
    /// To bring the state from this version on, and to note that.
    From(u32),
}

impl Migration {
    /// Looks at the state before the event.
    pub(crate) fn needed(guest: &Guest) -> Result<Self, Failure> {
        let (to, Some(state)) = (guest.manifest.state_version, &guest.state) else {
            return Ok(Self::None);
        };
        if to == 0 {
            return Ok(Self::None);
        }
        let from = match state.get(STATE_VERSION_KEY)? {
            Some(bytes) => match <[u8; 4]>::try_from(&bytes[..]) {
                Ok(bytes) => u32::from_le_bytes(bytes),
                Err(_) => return Err(StateUnavailable("its version is damaged".into()).into()),
            },
            None => 0,
        };
        Ok(match from < to {
            true if has_state(&**state)? => Self::From(from),
            true => Self::Note,
            false => Self::None,
        })
    }

    /// Notes the version with what the invocation asks for.
    pub(crate) fn note(self, guest: &mut Guest) {
        let noted = match self {
            Self::None => false,
            Self::Note => guest.wishes.any(|kind| matches!(kind, Kind::Put { .. })),
            Self::From(_) => true,
        };
        if noted {
            let version = guest.manifest.state_version.to_le_bytes();
            guest.wishes.push(Kind::Put { ttl_s: 0 }, &[STATE_VERSION_KEY, &version]);
        }
    }
}

fn has_state(state: &dyn StateReader) -> Result<bool, StateUnavailable> {
    let mut found = false;
    state.scan(b"", Some(STATE_VERSION_KEY), &mut |_, _| {
        found = true;
        false
    })?;
    Ok(found)
}
