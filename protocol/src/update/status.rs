//! What a device says about its firmware: on every connection, and whenever it changes.
//!
//! ```text
//! u8 version = 1, u32 job (0: none yet), u32 sequence, text version, u8 phase, u8 reason, u32 have, u32 of
//! ```

use super::manifest::validate_version;
use super::{FORMAT, FormatError, expect_format};
use crate::wire::{Reader, Writer};

/// Declares an enum whose variants are bytes on the wire and words in the interface, each said once.
macro_rules! code {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $byte:literal $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant = $byte,)+ }

        impl $name {
            /// All of them, in the order of their bytes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its byte on the wire.
            #[must_use]
            pub const fn byte(self) -> u8 {
                self as u8
            }

            /// The word for it in interfaces.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            const fn from_byte(byte: u8) -> Result<Self, FormatError> {
                match byte {
                    $($byte => Ok(Self::$variant),)+
                    other => Err(FormatError::Value(other as u32)),
                }
            }
        }

        impl core::str::FromStr for $name {
            type Err = FormatError;

            fn from_str(word: &str) -> Result<Self, FormatError> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word).ok_or(FormatError::Text)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

code! {
    /// How far a job is.
    Phase {
        /// There is none.
        Idle = 0 "idle",
        /// Blocks are being asked for: `have` of `of` bytes are in flash.
        Downloading = 1 "downloading",
        /// The image is complete and is the one that was signed.
        Verified = 2 "verified",
        /// The boot loader will start it at the next reset.
        Armed = 3 "armed",
        /// It runs, and has to prove itself.
        Trial = 4 "trial",
        /// It runs and stays. The end.
        Confirmed = 5 "confirmed",
        /// It ran and did not prove itself; the one before it runs again. The end.
        RolledBack = 6 "rolled_back",
        /// It was never started. The end.
        Failed = 7 "failed",
        /// The application is busy: nothing is fetched and nothing is started until it is not.
        Paused = 8 "paused",
    }
}

code! {
    /// Why a job is where it is.
    Reason {
        /// There is nothing to say.
        None = 0 "none",
        /// Offer, envelope or manifest are not of a format that the device knows.
        Format = 1 "format",
        /// Too few of the signatures are by keys that the device trusts.
        UnknownKey = 2 "unknown_key",
        /// A signature by a trusted key is wrong.
        Signature = 3 "signature",
        /// It is for another product.
        Product = 4 "product",
        /// It is for other hardware.
        Class = 5 "class",
        /// It is not newer than what the device has confirmed.
        Sequence = 6 "sequence",
        /// Its time is over.
        Expired = 7 "expired",
        /// A component that it needs is missing or too old.
        Dependency = 8 "dependency",
        /// Image or patch do not fit.
        Size = 9 "size",
        /// The patch is for another image than the one that runs.
        Base = 10 "base",
        /// What is in flash has another digest than what was signed.
        Digest = 11 "digest",
        /// The patch cannot be applied.
        Patch = 12 "patch",
        /// Flash could not be erased, written or read.
        Flash = 13 "flash",
        /// The boot loader did not start it.
        Boot = 14 "boot",
        /// It ran but its condition of health was not met in time.
        Unhealthy = 15 "unhealthy",
        /// It was reset while on trial: by the watchdog, a fault, or a loss of power.
        Reset = 16 "reset",
        /// The server withdrew the job.
        Withdrawn = 17 "withdrawn",
        /// The application refused it.
        Refused = 18 "refused",
        /// The application is busy.
        Busy = 19 "busy",
    }
}

impl Phase {
    /// Whether nothing more comes of the job.
    #[must_use]
    pub const fn is_end(self) -> bool {
        match self {
            Self::Confirmed | Self::RolledBack | Self::Failed => true,
            Self::Idle | Self::Downloading | Self::Verified | Self::Armed | Self::Trial | Self::Paused => {
                false
            }
        }
    }
}

/// What runs on a device, and how far its job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status<'a> {
    /// The last job that the device knows of; 0 if it never had one.
    pub job: u32,
    /// Sequence of the image that runs.
    pub sequence: u32,
    /// What people call the image that runs.
    pub version: &'a str,
    /// How far the job is.
    pub phase: Phase,
    /// Why.
    pub reason: Reason,
    /// Bytes of the payload that are in flash.
    pub have: u32,
    /// Bytes of the whole payload; 0 if it is not known.
    pub of: u32,
}

impl<'a> Status<'a> {
    /// Reads a status.
    ///
    /// # Errors
    /// [`FormatError`] says which part is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        expect_format(&mut reader)?;
        let status = Self {
            job: reader.u32()?,
            sequence: reader.u32()?,
            version: reader.text()?,
            phase: Phase::from_byte(reader.u8()?)?,
            reason: Reason::from_byte(reader.u8()?)?,
            have: reader.u32()?,
            of: reader.u32()?,
        };
        reader.end()?;
        validate_version(status.version)?;
        if status.have > status.of {
            return Err(FormatError::Value(status.have));
        }
        Ok(status)
    }

    /// Writes it into `buffer` and returns what of it was written.
    ///
    /// # Errors
    /// [`FormatError`] if the version is no text, more is there than there is, or the buffer is too small.
    pub fn write<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], FormatError> {
        validate_version(self.version)?;
        if self.have > self.of {
            return Err(FormatError::Value(self.have));
        }
        let mut writer = Writer::new(buffer);
        writer.u8(FORMAT)?;
        writer.u32(self.job)?;
        writer.u32(self.sequence)?;
        writer.text(self.version)?;
        writer.u8(self.phase.byte())?;
        writer.u8(self.reason.byte())?;
        writer.u32(self.have)?;
        writer.u32(self.of)?;
        Ok(writer.finish())
    }
}
