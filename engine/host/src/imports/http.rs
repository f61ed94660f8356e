//! Makes an HTTP request.

use super::{name, payload, seconds, shown, wish};
use crate::failure::Failure;
use crate::guest::{Guest, enter, part, split};
use crate::limits::{CALL_FUEL, HTTP_FUEL};
use crate::outbound;
use crate::wishes::Kind;
use bytes::Bytes;
use fleetfn_core::request::HttpRequest;
use wasmi::Caller;

#[expect(clippy::too_many_arguments, reason = "a row of the table of imports")]
pub(super) fn http(
    caller: &mut Caller<'_, Guest>,
    tag_ptr: u32,
    tag_len: u32,
    method_ptr: u32,
    method_len: u32,
    url_ptr: u32,
    url_len: u32,
    headers_ptr: u32,
    headers_len: u32,
    body_ptr: u32,
    body_len: u32,
    timeout_s: u32,
) -> Result<i32, Failure> {
    let reads = [
        (tag_ptr, tag_len),
        (method_ptr, method_len),
        (url_ptr, url_len),
        (headers_ptr, headers_len),
        (body_ptr, body_len),
    ];
    enter(caller, CALL_FUEL + HTTP_FUEL, &reads)?;
    let timeout_s = seconds("the time that a request may take", timeout_s, 1..=60)?;
    let (memory, guest) = split(caller)?;
    let tag = name("tag", memory, tag_ptr, tag_len)?;
    let text = |pointer, length, refused: fn(String) -> Failure| {
        let bytes = part(memory, pointer, length)?;
        std::str::from_utf8(bytes).map_err(|_| refused(shown(bytes)))
    };
    let method = text(method_ptr, method_len, Failure::HttpMethod)?;
    let url = text(url_ptr, url_len, |url| Failure::Url { url, reason: "it is not UTF-8" })?;
    let headers = text(headers_ptr, headers_len, |header| Failure::HttpHeader {
        header,
        reason: "the headers are not UTF-8".into(),
    })?;
    let body = payload(memory, body_ptr, body_len)?;
    let request = HttpRequest {
        method: outbound::method(method)?,
        url: outbound::url(url, &guest.manifest.http)?,
        headers: outbound::headers(headers, &guest.manifest.secrets)?,
        // At most 60.
        timeout_s: u16::try_from(timeout_s).unwrap_or(u16::MAX),
        body: Bytes::copy_from_slice(body),
    };
    wish(guest, Kind::Http, &[tag.as_bytes(), &request.encode()])
}
