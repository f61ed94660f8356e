//! A line of the audit: `kind | number u64 BE` to `version u8 = 1, at_ms u64, who, deed u8, subject, why`.
//!
//! Numbers are dense, from 0; who writes a line takes out the one that is too old.

use super::{Kind, key};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::Change;
use fleetfn_core::audit::{Deed, Line};

const VERSION: u8 = 1;

pub(crate) fn prefix() -> Vec<u8> {
    key(Kind::Audit)
}

pub(crate) fn encode(number: u64) -> Vec<u8> {
    let mut key = prefix();
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<u64> {
    key.get(1..)?.try_into().ok().map(u64::from_be_bytes)
}

fn put_value(out: &mut Vec<u8>, line: &Line) {
    out.put_u8(VERSION);
    out.put_u64(line.at_ms);
    out.put_text(&line.by);
    out.put_u8(line.deed.byte());
    out.put_text(&line.subject);
    out.put_text(&line.why);
}

pub(crate) fn value(line: &Line) -> Bytes {
    let mut out = Vec::with_capacity(64 + line.by.len() + line.subject.len() + line.why.len());
    put_value(&mut out, line);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<Line, CodecError> {
    let found = reader.u8()?;
    if found != VERSION {
        return Err(CodecError::Version { what: "a line of the audit", found, known: VERSION });
    }
    let (at_ms, by) = (reader.u64()?, reader.text()?);
    let deed = reader.u8()?;
    let deed = Deed::from_byte(deed).ok_or_else(|| reader.unknown())?;
    Ok(Line { at_ms, by, deed, subject: reader.text()?, why: reader.text()? })
}

pub(crate) fn decode_value(value: Bytes) -> Result<Line, CodecError> {
    take_value(&mut Reader::new(value, "a line of the audit"))
}

pub(crate) fn put(out: &mut Vec<u8>, number: u64, line: Option<&Line>) {
    out.put_u64(number);
    out.put_option(line, put_value);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Audit { number: reader.u64()?, line: reader.option(take_value)?.map(Box::new) })
}
