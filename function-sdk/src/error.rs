//! Why a handler does not handle an event.

use std::borrow::Cow;
use std::fmt;

/// A handler that returns one is rejected: its effects are dropped, the event becomes a dead letter with
/// [`Error::code`], and the text becomes a log line.
///
/// `?` makes one of any [`std::error::Error`], with the code [`Error::REJECTED`]. Negative codes are those of this
/// crate, positive ones the author's.
pub struct Error {
    code: i32,
    text: Cow<'static, str>,
}

impl Error {
    /// The handler does not want the event, and said nothing more.
    pub const REJECTED: i32 = 1;
    /// The payload is not what the handler takes.
    pub const PAYLOAD: i32 = -1;
    /// A part of the channel is not what the handler takes.
    pub const CHANNEL: i32 = -2;
    /// A value in the state is not of the type that was asked for.
    pub const STATE: i32 = -3;
    /// A value to be kept or sent has no form in the encoding chosen.
    pub const ENCODING: i32 = -4;
    /// The twin is not of the types that were asked for.
    pub const TWIN: i32 = -6;
    /// A value of the configuration is not of the type that was asked for.
    pub const CONFIG: i32 = -7;
    /// The host sent an event that this version of the interface does not have.
    pub const EVENT: i32 = -5;

    /// An error of the author's, with the code [`Error::REJECTED`].
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Self::REJECTED, text: text.into() }
    }

    /// The same under a code of the author's, by which dead letters are told apart; 0 counts as
    /// [`Error::REJECTED`].
    #[must_use]
    pub fn with_code(mut self, code: u16) -> Self {
        self.code = i32::from(code.max(1));
        self
    }

    /// What stands in the dead letter; never 0.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code
    }

    #[cold]
    pub(crate) fn of_kind(code: i32, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl<E: std::error::Error> From<E> for Error {
    #[cold]
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.text, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn any_error_becomes_one_with_its_causes() {
        let parsed = "x".parse::<u8>().map_err(Error::from).expect_err("no number");
        assert_eq!((parsed.code(), parsed.text()), (Error::REJECTED, "invalid digit found in string"));
    }

    #[test]
    fn a_code_of_the_authors_is_never_success() {
        assert_eq!(Error::new("full").with_code(0).code(), 1);
        assert_eq!(Error::new("full").with_code(7).code(), 7);
    }
}
