//! The twin of a device: `kind | partition u16 BE | device` to the twin as the core writes it.

use super::{Kind, of_device};
use crate::codec::{CodecError, Reader, Write};
use fleetfn_core::twin::Twin;
use fleetfn_core::{Change, PartitionId};
use fleetfn_protocol::DeviceId;

pub(crate) fn encode(partition: PartitionId, device: &DeviceId) -> Vec<u8> {
    of_device(Kind::Twin, partition, device)
}

pub(crate) fn decode_value(value: &[u8]) -> Result<Twin, CodecError> {
    Twin::decode(value).ok_or(CodecError::Unknown("a twin"))
}

pub(crate) fn put(out: &mut Vec<u8>, device: &DeviceId, twin: &[u8]) {
    out.put_text(device.as_str());
    out.put_bytes(twin);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Twin { device: reader.name()?, twin: reader.bytes()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn every_device_has_one_twin_and_damage_is_told(a in "[a-z0-9]{1,9}", b in "[a-z0-9]{1,9}", bytes: Vec<u8>) {
            let key = |name: &str| encode(PartitionId(2), &name.parse().expect("a name"));
            prop_assert_eq!(key(&a) == key(&b), a == b);
            prop_assert_eq!(decode_value(&Twin::default().encode()), Ok(Twin::default()));
            prop_assert!(decode_value(&bytes).is_err());
        }
    }
}
