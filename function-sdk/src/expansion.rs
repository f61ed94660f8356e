//! What the code that `#[function]` writes calls. No interface for people: it changes without notice.

use crate::{Context, Error};
use fleetfn_abi::EventHeader;
use fleetfn_abi::limits::BUFFER_BYTES_MIN;
use std::fmt::Display;
use std::str::FromStr;

#[cfg(target_arch = "wasm32")]
pub use crate::guest::{Buffer, initialize};

/// Longest entity, detail and source together: a name of 128 bytes, a topic of 512, an entity or a reason.
const NAMES_BYTES_MAX: usize = 128 + 512 + 512;

/// Size of a buffer that takes any event with a payload of this size.
#[must_use]
pub const fn buffer_bytes(payload_bytes_max: u32) -> usize {
    let bytes = EventHeader::BYTES + NAMES_BYTES_MAX + payload_bytes_max as usize;
    if bytes < BUFFER_BYTES_MIN { BUFFER_BYTES_MIN } else { bytes }
}

/// The level of the channel, or of another name, that a named part stands for, where the trigger has the part.
#[must_use]
pub fn part<'a>(context: &'a Context, levels: &[Option<u16>]) -> Option<&'a str> {
    let level = levels.get(context.trigger()).copied().flatten()?;
    context.detail().split('/').nth(level.into())
}

/// Parses a named part.
///
/// # Errors
/// With [`Error::CHANNEL`] if it is something else.
pub fn parsed<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| unfit(name, text, error))
}

#[cold]
fn unfit(name: &str, text: &str, why: impl Display) -> Error {
    Error::of_kind(Error::CHANNEL, format!("the part {{{name}}} of the channel is '{text}': {why}"))
}

/// What a handler may return.
pub trait Returned {
    /// Success, or why not.
    ///
    /// # Errors
    /// What the handler returned.
    fn into_result(self) -> Result<(), Error>;
}

impl Returned for () {
    fn into_result(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<E: Into<Error>> Returned for Result<(), E> {
    fn into_result(self) -> Result<(), Error> {
        self.map_err(Into::into)
    }
}
