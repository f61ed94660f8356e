//! A value of a function's configuration, or a secret: `kind | name 0 | offset u64 BE of the record | key` to the setting,
//! or to nothing where it was deleted. What it was before stays, for events that are still to be handled.

use super::{Kind, key, take_name};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::Setting;
use fleetfn_core::{Change, Offset};
use fleetfn_protocol::FunctionName;

const CONFIG: u8 = 1;
const SECRET: u8 = 2;
const BUDGET: u8 = 3;

pub(crate) fn prefix_all() -> Vec<u8> {
    key(Kind::Setting)
}

pub(crate) fn encode(name: &FunctionName, since: Offset, setting: &str) -> Vec<u8> {
    let mut key = prefix_all();
    key.extend_from_slice(name.as_str().as_bytes());
    key.push(0);
    key.extend_from_slice(&since.0.to_be_bytes());
    key.extend_from_slice(setting.as_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<(FunctionName, Offset, &str)> {
    let (name, rest) = take_name(key.get(1..)?)?;
    let (since, setting) = rest.split_first_chunk::<8>()?;
    let since = Offset(u64::from_be_bytes(*since));
    Some((name.parse().ok()?, since, std::str::from_utf8(setting).ok()?))
}

fn put_value(out: &mut Vec<u8>, setting: &Setting) {
    match setting {
        Setting::Config(value) => {
            out.put_u8(CONFIG);
            out.put_bytes(value);
        }
        Setting::Secret(sealed) => {
            out.put_u8(SECRET);
            out.put_bytes(sealed);
        }
        Setting::Budget(fuel) => {
            out.put_u8(BUDGET);
            out.put_u64(*fuel);
        }
    }
}

pub(crate) fn value(setting: Option<&Setting>) -> Bytes {
    let mut out = Vec::with_capacity(64);
    out.put_option(setting, put_value);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<Setting, CodecError> {
    match reader.u8()? {
        CONFIG => reader.bytes().map(Setting::Config),
        SECRET => reader.bytes().map(Setting::Secret),
        BUDGET => reader.u64().map(Setting::Budget),
        _ => Err(reader.unknown()),
    }
}

pub(crate) fn decode_value(value: Bytes) -> Result<Option<Setting>, CodecError> {
    Reader::new(value, "a setting").option(take_value)
}

pub(crate) fn put(out: &mut Vec<u8>, name: &FunctionName, key: &str, setting: Option<&Setting>) {
    out.put_text(name.as_str());
    out.put_text(key);
    out.put_option(setting, put_value);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Setting { name: reader.name()?, key: reader.text()?, setting: reader.option(take_value)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_setting_survives_its_row_and_keys_follow_offsets(a: u64, b: u64, text in ".{0,20}", bytes: Vec<u8>) {
            let name: FunctionName = "climate".parse().expect("a name");
            let (first, second) = (encode(&name, Offset(a), &text), encode(&name, Offset(b), &text));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(decode(&first), Some((name, Offset(a), text.as_str())));
            let bytes = Bytes::from(bytes);
            let some = [Setting::Config(bytes.clone()), Setting::Secret(bytes), Setting::Budget(a)].map(Some);
            for setting in some.into_iter().chain([None]) {
                prop_assert_eq!(decode_value(value(setting.as_ref())), Ok(setting));
            }
        }
    }
}
