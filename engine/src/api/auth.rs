//! Who may call the API: whoever shows the operator's token.

use super::Api;
use super::problem::{Kind, Problem};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;

/// Lets a request through if it carries `Authorization: Bearer TOKEN` (RFC 6750, section 2.1).
///
/// The header is asked for even where any token will do: a page in a browser cannot send it unasked.
pub(super) async fn require_operator(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let header = request.headers().get(AUTHORIZATION).ok_or_else(|| {
        Problem::new(Kind::Unauthorized, "send the token of access.json as 'Authorization: Bearer TOKEN'")
    })?;
    let token = bearer(header.as_bytes()).ok_or_else(|| {
        Problem::new(Kind::Unauthorized, "the header 'Authorization' is not of the form 'Bearer TOKEN'")
    })?;
    if !api.engine.is_operator(token) {
        return Err(Problem::new(Kind::Unauthorized, "the token is not the operator's"));
    }
    Ok(next.run(request).await)
}

/// Whether a request carries the operator's token.
pub(super) fn is_operator(api: &Api, headers: &HeaderMap) -> bool {
    let token = headers.get(AUTHORIZATION).and_then(|header| bearer(header.as_bytes()));
    token.is_some_and(|token| api.engine.is_operator(token))
}

/// The token of a header value; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::bearer;

    #[test]
    fn only_a_bearer_token_is_a_token() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for other in [&b""[..], b"Bearer", b"Bearer ", b"Basic abc", b"Bearer\xff", b"abc"] {
            assert_eq!(bearer(other), None);
        }
    }
}
