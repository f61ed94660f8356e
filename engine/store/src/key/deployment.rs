//! Which version became live where: `kind | name 0 | offset u64 BE of the record` to a deployment, or to nothing
//! where the function was taken out of service.

use super::{Kind, key, take_name};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::Offset;
use fleetfn_core::deployment::{Deployment, Manifest, ModuleHash, Trigger};
use fleetfn_protocol::FunctionName;

const TELEMETRY: u8 = 1;

pub(crate) fn prefix_all() -> Vec<u8> {
    key(Kind::Deployment)
}

pub(crate) fn prefix(name: &FunctionName) -> Vec<u8> {
    let mut key = prefix_all();
    key.extend_from_slice(name.as_str().as_bytes());
    key.push(0);
    key
}

pub(crate) fn encode(name: &FunctionName, since: Offset) -> Vec<u8> {
    let mut key = prefix(name);
    key.extend_from_slice(&since.0.to_be_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<(FunctionName, Offset)> {
    let (name, rest) = take_name(key.get(1..)?)?;
    Some((name.parse().ok()?, Offset(u64::from_be_bytes(*rest.first_chunk::<8>()?))))
}

pub(crate) fn put_value(out: &mut Vec<u8>, deployment: &Deployment) {
    let Deployment { manifest, version, deployed_at_ms } = deployment;
    out.put_bytes(manifest.name.as_str().as_bytes());
    out.put_len(manifest.triggers.len());
    for trigger in &manifest.triggers {
        match trigger {
            Trigger::Telemetry { filter } => {
                out.put_u8(TELEMETRY);
                out.put_bytes(filter.as_bytes());
            }
        }
    }
    out.put_len(manifest.publish.len());
    manifest.publish.iter().for_each(|filter| out.put_bytes(filter.as_bytes()));
    out.put_u8(u8::from(manifest.command));
    out.put(&version.0);
    out.put_u64(*deployed_at_ms);
}

pub(crate) fn value(deployment: Option<&Deployment>) -> Bytes {
    let mut out = Vec::with_capacity(128);
    out.put_option(deployment, put_value);
    Bytes::from(out)
}

pub(crate) fn take_value(reader: &mut Reader) -> Result<Deployment, CodecError> {
    let manifest = Manifest {
        name: reader.name()?,
        triggers: reader.list(|reader| match reader.u8()? {
            TELEMETRY => Ok(Trigger::Telemetry { filter: reader.text()? }),
            _ => Err(reader.unknown()),
        })?,
        publish: reader.list(Reader::text)?,
        command: reader.u8()? != 0,
    };
    Ok(Deployment { manifest, version: ModuleHash(reader.hash()?), deployed_at_ms: reader.u64()? })
}

pub(crate) fn decode_value(value: Bytes) -> Result<Option<Deployment>, CodecError> {
    Reader::new(value, "a deployment").option(take_value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_deployment_survives_its_bytes_and_keys_follow_offsets(
            a: u64,
            b: u64,
            filters in proptest::collection::vec("[a-z/]{1,9}", 0..4),
            command: bool,
            version: [u8; 32],
        ) {
            let name: FunctionName = "climate".parse().expect("a name");
            prop_assert_eq!(encode(&name, Offset(a)).cmp(&encode(&name, Offset(b))), a.cmp(&b));
            prop_assert_eq!(decode(&encode(&name, Offset(a))), Some((name, Offset(a))));
            let triggers = filters.iter().map(|filter| Trigger::Telemetry { filter: filter.clone() }).collect();
            let manifest = Manifest { name, triggers, publish: filters, command };
            let deployment = Deployment { manifest, version: ModuleHash(version), deployed_at_ms: a };
            prop_assert_eq!(decode_value(value(Some(&deployment))), Ok(Some(deployment)));
            prop_assert_eq!(decode_value(value(None)), Ok(None));
        }
    }
}
