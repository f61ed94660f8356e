//! What a function keeps of an entity: `kind | partition u16 BE | entity 0 | function 0 | key` to the value as it is.
//!
//! All state of an entity stands together, of each function in the order of its keys.

use super::{Kind, key};
use fleetfn_core::PartitionId;
use fleetfn_protocol::FunctionName;

/// What all keys of one function and one entity begin with.
pub(crate) fn prefix(partition: PartitionId, entity: &[u8], function: &FunctionName) -> Vec<u8> {
    let mut key = key(Kind::State);
    key.extend_from_slice(&partition.0.to_be_bytes());
    key.extend_from_slice(entity);
    key.push(0);
    key.extend_from_slice(function.as_str().as_bytes());
    key.push(0);
    key
}

pub(crate) fn encode(partition: PartitionId, entity: &[u8], function: &FunctionName, name: &[u8]) -> Vec<u8> {
    let mut key = prefix(partition, entity, function);
    key.extend_from_slice(name);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn keys_of_one_owner_keep_their_order_and_never_mix(
            a: Vec<u8>,
            b: Vec<u8>,
            entity in "[dn][a-z/]{1,9}",
            other in "[dn][a-z/]{1,9}",
            name in "[a-z][a-z0-9.-]{0,9}",
            rival in "[a-z][a-z0-9.-]{0,9}",
        ) {
            let partition = PartitionId(3);
            let (name, rival): (FunctionName, FunctionName) =
                (name.parse().expect("a name"), rival.parse().expect("a name"));
            let owner = prefix(partition, entity.as_bytes(), &name);
            let (first, second) = (
                encode(partition, entity.as_bytes(), &name, &a),
                encode(partition, entity.as_bytes(), &name, &b),
            );
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(first.strip_prefix(&owner[..]), Some(&a[..]));
            if (&entity, name) != (&other, rival) {
                prop_assert!(!encode(partition, other.as_bytes(), &rival, &a).starts_with(&owner));
            }
        }
    }
}
