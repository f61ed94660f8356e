//! Which versions of a function get which traffic: `kind | name 0 | offset u64 BE of the record` to the deployment, or to
//! nothing where the function was removed. What it was before stays, for events that are still to be handled.

mod manifest;

use super::{Kind, key, put_function, take_name};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::deployment::{Backfill, Canary, Deployment, Guard, ModuleHash, Version};
use fleetfn_core::{Change, Offset};
use fleetfn_protocol::FunctionName;

pub(crate) fn prefix_all() -> Vec<u8> {
    key(Kind::Deployment)
}

pub(crate) fn encode(name: &FunctionName, since: Offset) -> Vec<u8> {
    let mut key = prefix_all();
    put_function(&mut key, name);
    key.extend_from_slice(&since.0.to_be_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<(FunctionName, Offset)> {
    let (name, rest) = take_name(key.get(1..)?)?;
    Some((name.parse().ok()?, Offset(u64::from_be_bytes(*rest.first_chunk::<8>()?))))
}

fn put_version(out: &mut Vec<u8>, version: &Version) {
    out.put(&version.hash.0);
    manifest::put(out, &version.manifest);
    out.put_u64(version.deployed_at_ms);
}

fn take_version(reader: &mut Reader) -> Result<Version, CodecError> {
    Ok(Version {
        hash: ModuleHash(reader.hash()?),
        manifest: manifest::take(reader)?,
        deployed_at_ms: reader.u64()?,
    })
}

fn put_value(out: &mut Vec<u8>, deployment: &Deployment) {
    let Deployment { live, canary, dark, previous, guard, paused, backfill, reason, at_ms, dark_since } =
        deployment;
    out.put_option(live.as_ref(), put_version);
    out.put_option(canary.as_ref(), |out, canary| {
        put_version(out, &canary.version);
        out.put_u8(canary.percent);
    });
    out.put_option(dark.as_ref(), put_version);
    out.put_option(previous.as_ref(), put_version);
    out.put_option(guard.as_ref(), |out, guard| {
        out.put_u8(guard.errors_percent);
        out.put_u16(guard.fuel_percent);
        out.put_u32(guard.invocations_min);
    });
    out.put_option(paused.as_ref(), |out, paused| out.put_text(paused));
    out.put_option(backfill.as_ref(), |out, backfill| {
        out.put_u64(backfill.from.0);
        out.put_u64(backfill.until.0);
    });
    out.put_text(reason);
    out.put_u64(*at_ms);
    out.put_u64(dark_since.0);
}

pub(crate) fn value(deployment: Option<&Deployment>) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.put_option(deployment, put_value);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<Deployment, CodecError> {
    Ok(Deployment {
        live: reader.option(take_version)?,
        canary: reader
            .option(|reader| Ok(Canary { version: take_version(reader)?, percent: reader.u8()? }))?,
        dark: reader.option(take_version)?,
        previous: reader.option(take_version)?,
        guard: reader.option(|reader| {
            Ok(Guard {
                errors_percent: reader.u8()?,
                fuel_percent: reader.u16()?,
                invocations_min: reader.u32()?,
            })
        })?,
        paused: reader.option(Reader::text)?,
        backfill: reader
            .option(|reader| Ok(Backfill { from: Offset(reader.u64()?), until: Offset(reader.u64()?) }))?,
        reason: reader.text()?,
        at_ms: reader.u64()?,
        dark_since: Offset(reader.u64()?),
    })
}

pub(crate) fn decode_value(value: Bytes) -> Result<Option<Deployment>, CodecError> {
    Reader::new(value, "a deployment").option(take_value)
}

pub(crate) fn put(out: &mut Vec<u8>, name: &FunctionName, deployment: Option<&Deployment>) {
    out.put_text(name.as_str());
    out.put_option(deployment, put_value);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Deployment { name: reader.name()?, deployment: reader.option(take_value)?.map(Box::new) })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

    fn any_version() -> impl Strategy<Value = Version> {
        (any::<[u8; 32]>(), manifest::tests::any_manifest(), any::<u64>()).prop_map(
            |(hash, manifest, deployed_at_ms)| Version { hash: ModuleHash(hash), manifest, deployed_at_ms },
        )
    }

    pub(crate) fn any_deployment() -> impl Strategy<Value = Deployment> {
        let version = || proptest::option::of(any_version());
        let guard = (any::<u8>(), any::<u16>(), any::<u32>()).prop_map(
            |(errors_percent, fuel_percent, invocations_min)| Guard {
                errors_percent,
                fuel_percent,
                invocations_min,
            },
        );
        let versions = (version(), version(), version(), version());
        (
            versions,
            proptest::option::of(guard),
            any::<(u8, u64, u64)>(),
            (".{0,20}", proptest::option::of(".{0,9}")),
        )
            .prop_map(
                |((live, canary, dark, previous), guard, (percent, at_ms, dark_since), (reason, paused))| {
                    Deployment {
                        live,
                        canary: canary.map(|version| Canary { version, percent }),
                        dark,
                        previous,
                        guard,
                        paused,
                        backfill: (at_ms % 2 == 0)
                            .then_some(Backfill { from: Offset(at_ms), until: Offset(dark_since) }),
                        reason,
                        at_ms,
                        dark_since: Offset(dark_since),
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn a_deployment_survives_its_bytes_and_keys_follow_offsets(
            a: u64,
            b: u64,
            deployment in proptest::option::of(any_deployment()),
        ) {
            let name: FunctionName = "climate".parse().expect("a name");
            prop_assert_eq!(encode(&name, Offset(a)).cmp(&encode(&name, Offset(b))), a.cmp(&b));
            prop_assert_eq!(decode(&encode(&name, Offset(a))), Some((name, Offset(a))));
            prop_assert_eq!(decode_value(value(deployment.as_ref())), Ok(deployment));
        }
    }
}
