//! What a factory writes into the flash of one device, so that all devices can have the same image.
//!
//! ```text
//! 16 bytes "fleetfn factory\0", u8 version = 1
//! u8 length, id of the device; u8 length, token; u32 seed; u8 keys (0 to 4), 32 bytes each; u64 FNV-1a of all before
//! ```
//!
//! All numbers are little-endian. What follows is not looked at: a page of flash is longer.

use crate::checksum::fnv1a;
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::UpdateKey;

const MAGIC: &[u8; 17] = b"fleetfn factory\0\x01";

/// Most keys of a device: as many as may sign one manifest.
pub const KEYS_MAX: usize = fleetfn_protocol::limits::UPDATE_SIGNATURES_MAX;

/// Longest token, in bytes: its length takes one.
const TOKEN_BYTES_MAX: usize = u8::MAX as usize;

/// What is written for one device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Factory<'a> {
    /// Who it is.
    pub device: DeviceId,
    /// What `fleetfn device add` showed.
    pub token: &'a [u8],
    /// Any number, another one for each device: where its own chance begins if it has no better source.
    pub seed: u32,
    /// The public keys whose owners may update it, 32 bytes each.
    pub keys: &'a [[u8; 32]],
}

impl core::fmt::Debug for Factory<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Factory")
            .field("device", &self.device)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// The flash holds nothing of the kind, or the token or the keys are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not what a factory writes")]
pub struct Blank;

impl<'a> Factory<'a> {
    /// Longest form, in bytes.
    pub const BYTES_MAX: usize = MAGIC.len() + 1 + 63 + 1 + TOKEN_BYTES_MAX + 4 + 1 + KEYS_MAX * 32 + 8;

    /// Reads it.
    ///
    /// # Errors
    /// [`Blank`] if it is not there, or damaged.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Blank> {
        Self::read(bytes).ok_or(Blank)
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC.as_slice())?;
        let (name, rest) = counted(rest)?;
        let (token, rest) = counted(rest)?;
        let (seed, rest) = rest.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first()?;
        let keys_bytes = usize::from(*count).checked_mul(32).filter(|_| usize::from(*count) <= KEYS_MAX)?;
        let (keys, rest) = rest.split_at_checked(keys_bytes)?;
        let covered = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
        if rest.first_chunk() != Some(&fnv1a(covered).to_le_bytes()) {
            return None;
        }
        let device = DeviceId::parse(fleetfn_protocol::text(name)?).ok()?;
        Some(Self { device, token, seed: u32::from_le_bytes(*seed), keys: keys.as_chunks().0 })
    }

    /// The keys as the updater takes them.
    pub fn update_keys(&self) -> impl Iterator<Item = UpdateKey> + '_ {
        self.keys.iter().map(|key| UpdateKey(*key))
    }

    /// Writes it into `buffer` and returns what of it was written.
    ///
    /// # Errors
    /// [`Blank`] if the token is longer than 255 bytes, there are more than four keys, or the buffer is too small.
    pub fn write<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], Blank> {
        let name = self.device.as_str().as_bytes();
        let name_bytes = u8::try_from(name.len()).map_err(|_| Blank)?;
        let token_bytes = u8::try_from(self.token.len()).map_err(|_| Blank)?;
        let keys = u8::try_from(self.keys.len()).ok().filter(|_| self.keys.len() <= KEYS_MAX).ok_or(Blank)?;
        let mut used = 0;
        let mut put = |bytes: &[u8]| {
            let room = buffer.get_mut(used..).and_then(|rest| rest.get_mut(..bytes.len())).ok_or(Blank)?;
            room.copy_from_slice(bytes);
            used = used.saturating_add(bytes.len());
            Ok(())
        };
        for part in [MAGIC.as_slice(), &[name_bytes], name, &[token_bytes], self.token] {
            put(part)?;
        }
        put(&self.seed.to_le_bytes())?;
        put(&[keys])?;
        put(self.keys.as_flattened())?;
        let sum = fnv1a(buffer.get(..used).ok_or(Blank)?);
        let end = used.checked_add(8).ok_or(Blank)?;
        buffer.get_mut(used..end).ok_or(Blank)?.copy_from_slice(&sum.to_le_bytes());
        buffer.get(..end).ok_or(Blank)
    }
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

#[cfg(test)]
mod tests {
    use super::{Blank, Factory, KEYS_MAX};
    use fleetfn_protocol::DeviceId;
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};
    use std::vec::Vec;

    proptest! {
        #[test]
        fn it_survives_its_bytes_and_no_other_bytes(
            name in "[a-z][a-z0-9.-]{0,62}",
            token in prop::collection::vec(any::<u8>(), 0..=255),
            seed: u32,
            keys in prop::collection::vec(any::<[u8; 32]>(), 0..=KEYS_MAX),
            spoilt in any::<(prop::sample::Index, u8)>(),
        ) {
            let device = DeviceId::parse(&name).expect("a name");
            let factory = Factory { device, token: &token, seed, keys: &keys };
            let mut page = Vec::from([0xff; Factory::BYTES_MAX]);
            let len = factory.write(&mut page).expect("it fits").len();
            prop_assert_eq!(Factory::parse(&page), Ok(factory));
            page[spoilt.0.index(len)] ^= spoilt.1.max(1);
            prop_assert_eq!(Factory::parse(&page), Err(Blank));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Factory::parse(&bytes), Err(Blank));
        }
    }

    #[test]
    fn an_erased_page_is_blank() {
        assert_eq!(Factory::parse(&[0xff; 512]), Err(Blank));
    }
}
