//! Addresses that are good for one device, one image and some time.

use super::{Error, Registry};
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::Digest;

/// Whom an address is for, and what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The device.
    pub(crate) device: DeviceId,
    /// SHA-256 of the image.
    pub(crate) digest: Digest,
    /// Seconds since 1970 after which it is void.
    pub(crate) expires_s: u64,
}

impl Ticket {
    /// What is signed: of fixed length but for the end.
    fn body(&self) -> Vec<u8> {
        let Self { device, digest, expires_s } = self;
        [&digest.0[..], &expires_s.to_le_bytes(), device.as_str().as_bytes()].concat()
    }
}

impl Registry {
    /// Signs an address, with the key of the data directory.
    pub(crate) fn sign_ticket(&self, ticket: &Ticket) -> Result<String, Error> {
        self.seal.sign(&ticket.body()).map_err(|error| Error::Seal(format!("{error:#}")))
    }

    /// Refuses an address that was not made here, is void, or is of what is not offered any more.
    pub(crate) fn expect_ticket(&self, ticket: &Ticket, signature: &str) -> Result<(), Error> {
        if !self.seal.is_signed(&ticket.body(), signature) {
            return Err(Error::Ticket("the address is not one that this node has made"));
        }
        if ticket.expires_s < self.clock.now_ms() / 1_000 {
            return Err(Error::Ticket("the address is void: its time is over"));
        }
        self.expect_image_offered(ticket)
    }

    /// Refuses an image that no release brings to the device any more.
    pub(crate) fn expect_image_offered(&self, ticket: &Ticket) -> Result<(), Error> {
        let device = self.device(ticket.device)?;
        let device = device.ok_or_else(|| Error::Missing(format!("device '{}'", ticket.device)))?;
        let is_offered = self.read_releases(|known| {
            known.offers(|manifest| {
                manifest.digest == ticket.digest
                    && device.product == Some(manifest.product)
                    && device.class.is_none_or(|class| class == manifest.class)
            })
        });
        if is_offered {
            return Ok(());
        }
        Err(Error::Ticket("the image is of no release that is offered to the device any more"))
    }
}
