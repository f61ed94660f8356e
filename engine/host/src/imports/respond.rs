//! Answers the HTTP request that the event is.

use super::{payload, shown, wish};
use crate::failure::Failure;
use crate::guest::{Guest, enter, part, split};
use crate::limits::{CALL_FUEL, HTTP_TYPE_BYTES_MAX};
use crate::wishes::Kind;
use wasmi::Caller;

pub(super) fn respond(
    caller: &mut Caller<'_, Guest>,
    status: u32,
    type_ptr: u32,
    type_len: u32,
    body_ptr: u32,
    body_len: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(type_ptr, type_len), (body_ptr, body_len)])?;
    let (memory, guest) = split(caller)?;
    let content_type = part(memory, type_ptr, type_len)?;
    let body = payload(memory, body_ptr, body_len)?;
    if !guest.about.request {
        return Err(Failure::RespondRequest);
    }
    if guest.wishes.any(|kind| matches!(kind, Kind::Respond { .. })) {
        return Err(Failure::RespondTwice);
    }
    // 1xx are not final: they answer nothing (RFC 9110, section 15.2).
    let status = match u16::try_from(status) {
        Ok(status @ 200..=599) => status,
        _ => return Err(Failure::RespondStatus(status)),
    };
    let is_text = content_type.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if content_type.len() > HTTP_TYPE_BYTES_MAX || !is_text {
        return Err(Failure::RespondType(shown(content_type)));
    }
    wish(guest, Kind::Respond { status }, &[content_type, body])
}
