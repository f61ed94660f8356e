//! The newest payload that a function's schema refused: `kind | partition u16 BE | function 0` to a dead letter. One row for
//! each function in each partition.

use super::{Kind, of_partition, put_function};
use fleetfn_core::PartitionId;
use fleetfn_protocol::FunctionName;

pub(crate) fn encode(partition: PartitionId, function: &FunctionName) -> Vec<u8> {
    let mut key = of_partition(Kind::Refused, partition);
    put_function(&mut key, function);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn every_function_has_one_row(a in "[a-z][a-z0-9.-]{0,9}", b in "[a-z][a-z0-9.-]{0,9}") {
            let key = |name: &str| encode(PartitionId(2), &name.parse().expect("a name"));
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }
    }
}
