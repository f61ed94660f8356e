//! What is signed about an image: for whom it is, what it follows, and which bytes it is.
//!
//! The fields have the meaning of SUIT's (RFC 9124): product and class are the vendor and class identifiers, sequence
//! is the monotonic sequence number, and the dependencies are those of section 3.13.
//!
//! ```text
//! 16 bytes "fleetfn manifest", u8 version = 1
//! text product, text class, text version
//! u32 sequence, u32 size, 32 bytes SHA-256, u64 not after (seconds since 1970, 0: never ends)
//! u8 dependencies (0 to 4), each: text component, u32 at least
//! ```
//!
//! A text is a byte that says how long it is, and UTF-8.

use super::key::Digest;
use super::{FORMAT, FormatError, expect_format};
use crate::ids::{ClassId, ComponentId, ProductId};
use crate::limits::{UPDATE_DEPENDENCIES_MAX, VERSION_BYTES_MAX};
use crate::wire::{Reader, Writer};

/// What the signed body begins with, so that a signature over anything else is never one over a manifest.
const DOMAIN: &[u8; 16] = b"fleetfn manifest";

/// A component that must be there before the image may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// Its name: `image` is the sequence of the running firmware, `boot` that of the boot loader, others are the product's.
    pub component: ComponentId,
    /// The lowest number that will do.
    pub at_least: u32,
}

/// Up to four dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dependencies([Option<Dependency>; UPDATE_DEPENDENCIES_MAX]);

impl Dependencies {
    /// None at all.
    pub const NONE: Self = Self([None; UPDATE_DEPENDENCIES_MAX]);

    /// Adds one.
    ///
    /// # Errors
    /// [`FormatError::TooLong`] if there are four already.
    pub fn push(&mut self, dependency: Dependency) -> Result<(), FormatError> {
        let free = self.0.iter_mut().find(|entry| entry.is_none()).ok_or(FormatError::TooLong)?;
        *free = Some(dependency);
        Ok(())
    }

    /// In the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = Dependency> + '_ {
        self.0.iter().flatten().copied()
    }
}

/// What a release says about itself. Trust it only out of an [`Envelope`](super::Envelope) whose signatures hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest<'a> {
    /// The product that it is built for.
    pub product: ProductId,
    /// The hardware that it runs on.
    pub class: ClassId,
    /// What people call it.
    pub version: &'a str,
    /// Grows with each release of a product and class; a device never goes back below one that it has confirmed.
    pub sequence: u32,
    /// Length of the image, in bytes.
    pub size: u32,
    /// Digest of the image.
    pub digest: Digest,
    /// Seconds since 1970 after which it is not to be installed any more.
    pub not_after_s: Option<u64>,
    /// What must be there before.
    pub dependencies: Dependencies,
}

impl<'a> Manifest<'a> {
    /// Reads a signed body.
    ///
    /// # Errors
    /// [`FormatError`] says which part is wrong.
    pub fn parse(body: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(body);
        if reader.array()? != DOMAIN {
            return Err(FormatError::Domain);
        }
        expect_format(&mut reader)?;
        let product = ProductId::parse(reader.text()?).map_err(FormatError::Name)?;
        let class = ClassId::parse(reader.text()?).map_err(FormatError::Name)?;
        let version = reader.text()?;
        validate_version(version)?;
        let sequence = reader.u32()?;
        let size = reader.u32()?;
        let digest = Digest(*reader.array()?);
        let not_after_s = match reader.u64()? {
            0 => None,
            at_s => Some(at_s),
        };
        let mut dependencies = Dependencies::NONE;
        for _ in 0..reader.u8()? {
            let component = ComponentId::parse(reader.text()?).map_err(FormatError::Name)?;
            dependencies.push(Dependency { component, at_least: reader.u32()? })?;
        }
        reader.end()?;
        Ok(Self { product, class, version, sequence, size, digest, not_after_s, dependencies })
    }

    /// Writes the body to be signed into `buffer` and returns what of it was written.
    ///
    /// # Errors
    /// [`FormatError`] if the version is no text, the end is 0, or the buffer is too small.
    pub fn write<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], FormatError> {
        validate_version(self.version)?;
        if self.not_after_s == Some(0) {
            return Err(FormatError::Value(0));
        }
        let mut writer = Writer::new(buffer);
        writer.bytes(DOMAIN)?;
        writer.u8(FORMAT)?;
        writer.text(self.product.as_str())?;
        writer.text(self.class.as_str())?;
        writer.text(self.version)?;
        writer.u32(self.sequence)?;
        writer.u32(self.size)?;
        writer.bytes(&self.digest.0)?;
        writer.u64(self.not_after_s.unwrap_or(0))?;
        let count = self.dependencies.iter().fold(0, |count: u8, _| count.saturating_add(1));
        writer.u8(count)?;
        for dependency in self.dependencies.iter() {
            writer.text(dependency.component.as_str())?;
            writer.u32(dependency.at_least)?;
        }
        Ok(writer.finish())
    }
}

/// A version is for people: one line of text.
pub(super) fn validate_version(version: &str) -> Result<(), FormatError> {
    if version.len() > VERSION_BYTES_MAX {
        return Err(FormatError::TooLong);
    }
    let is_control = |byte: u8| byte < b' ' || byte == 0x7f;
    if version.is_empty() || version.bytes().any(is_control) {
        return Err(FormatError::Text);
    }
    Ok(())
}
