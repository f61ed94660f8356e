//! What a device is asked to install: one job, numbered, and never an older one after a newer one.
//!
//! ```text
//! u8 version = 1, u32 job, u8 content
//!   0 withdrawn: nothing follows
//!   1 whole image: envelope
//!   2 patch: u32 size and 32 bytes SHA-256 of the image that it is applied to, the same of the patch, envelope
//! ```

use super::envelope::Envelope;
use super::key::Digest;
use super::{FORMAT, FormatError, expect_format};
use crate::wire::{Reader, Writer};

/// How the bytes of an image come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The blocks are those of the image.
    Whole,
    /// The blocks are those of a patch that makes the image out of the one that runs.
    Patch {
        /// Length of the image that must be running, in bytes: a device does not know how much of its flash that is.
        base_size: u32,
        /// Its digest.
        base: Digest,
        /// Length of the patch, in bytes.
        size: u32,
        /// Digest of the patch.
        digest: Digest,
    },
}

/// What a job asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// The job is over, if it has not been confirmed: forget what was downloaded for it.
    Withdrawn,
    /// Install this.
    Update {
        /// How its bytes come.
        delivery: Delivery,
        /// Who vouches for what.
        envelope: Envelope<'a>,
    },
}

/// A job for one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Grows with each job of the device, from 1. An offer with a lower number than the last one is out of date.
    pub job: u32,
    /// What it asks for.
    pub content: Content<'a>,
}

impl<'a> Offer<'a> {
    /// Takes an offer apart; the manifest in it stays bytes.
    ///
    /// # Errors
    /// [`FormatError`] says which part is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        expect_format(&mut reader)?;
        let job = reader.u32()?;
        let content = match reader.u8()? {
            0 => {
                reader.end()?;
                Content::Withdrawn
            }
            1 => Content::Update { delivery: Delivery::Whole, envelope: Envelope::parse(reader.rest())? },
            2 => {
                let base_size = reader.u32()?;
                let base = Digest(*reader.array()?);
                let size = reader.u32()?;
                let delivery = Delivery::Patch { base_size, base, size, digest: Digest(*reader.array()?) };
                Content::Update { delivery, envelope: Envelope::parse(reader.rest())? }
            }
            other => return Err(FormatError::Value(other.into())),
        };
        if job == 0 {
            return Err(FormatError::Value(job));
        }
        Ok(Self { job, content })
    }

    /// Writes the offer of an update around an envelope that was put together before.
    ///
    /// # Errors
    /// [`FormatError`] if the job is 0 or the buffer is too small.
    pub fn write<'b>(
        buffer: &'b mut [u8],
        job: u32,
        delivery: Delivery,
        envelope: &[u8],
    ) -> Result<&'b [u8], FormatError> {
        let mut writer = begin(buffer, job)?;
        match delivery {
            Delivery::Whole => writer.u8(1)?,
            Delivery::Patch { base_size, base, size, digest } => {
                writer.u8(2)?;
                writer.u32(base_size)?;
                writer.bytes(&base.0)?;
                writer.u32(size)?;
                writer.bytes(&digest.0)?;
            }
        }
        writer.bytes(envelope)?;
        Ok(writer.finish())
    }

    /// Writes that a job is withdrawn.
    ///
    /// # Errors
    /// [`FormatError`] if the job is 0 or the buffer is too small.
    pub fn write_withdrawn(buffer: &mut [u8], job: u32) -> Result<&[u8], FormatError> {
        let mut writer = begin(buffer, job)?;
        writer.u8(0)?;
        Ok(writer.finish())
    }
}

fn begin(buffer: &mut [u8], job: u32) -> Result<Writer<'_>, FormatError> {
    if job == 0 {
        return Err(FormatError::Value(job));
    }
    let mut writer = Writer::new(buffer);
    writer.u8(FORMAT)?;
    writer.u32(job)?;
    Ok(writer)
}
