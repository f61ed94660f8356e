//! Which HTTP requests a function may make: URLs under its grants, and headers that cannot change the request's frame.
//!
//! URLs are parsed and written again before they are compared, so that what is compared is what is asked for: case,
//! default ports, `..` and the like have one form then. A grant ends with a slash, behind scheme, host and port at
//! the least: no longer host or segment begins with it.

use crate::failure::Failure;
use crate::limits::{HTTP_HEADER_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_METHOD_BYTES_MAX, HTTP_URL_BYTES_MAX};
use url::Url;

/// Headers that belong to the connection or the frame of the message (RFC 9110, sections 7.2, 7.6 and 8.6).
const RESERVED_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

const SECRET_START: &str = "{{secret:";
const SECRET_END: &str = "}}";

/// Parses a URL; the error is the rule that it breaks.
fn parse(text: &str) -> Result<Url, &'static str> {
    if text.len() > HTTP_URL_BYTES_MAX {
        return Err("it is too long");
    }
    // The parser drops some of these silently.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it holds something else than visible ASCII: encode it");
    }
    let mut url = Url::parse(text).map_err(|_| "it is no absolute URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("its scheme is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds credentials: use a header with a secret");
    }
    // Some servers decode before they resolve.
    let decoded = url.path().to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    if decoded.split('/').any(|segment| segment == "..") {
        return Err("it goes up by an encoded slash");
    }
    // Never sent.
    url.set_fragment(None);
    Ok(url)
}

/// A grant in the one form in which it is compared; the error is the rule that it breaks.
pub(crate) fn grant(text: &str) -> Result<String, &'static str> {
    let url = parse(text)?;
    if url.query().is_some() || text.contains('#') {
        return Err("it has a query or fragment: grants end with a slash of the path");
    }
    if !text.ends_with('/') || !url.path().ends_with('/') {
        return Err("it does not end with a slash of the path");
    }
    Ok(url.into())
}

/// A URL in the one form in which it is asked for, within the grants.
pub(crate) fn url(text: &str, grants: &[String]) -> Result<String, Failure> {
    let refused = |reason| Failure::Url { url: text.chars().take(128).collect(), reason };
    let url = String::from(parse(text).map_err(refused)?);
    if grants.iter().any(|grant| url.starts_with(grant.as_str())) {
        Ok(url)
    } else {
        Err(Failure::HttpGrant(url.chars().take(128).collect()))
    }
}

/// A method: a token (RFC 9110, section 9.1).
pub(crate) fn method(text: &str) -> Result<String, Failure> {
    let is_sent = !matches!(text, "CONNECT" | "TRACE");
    if is_token(text) && text.len() <= HTTP_METHOD_BYTES_MAX && is_sent {
        Ok(text.into())
    } else {
        Err(Failure::HttpMethod(text.chars().take(32).collect()))
    }
}

/// Headers from `Name: value` lines.
pub(crate) fn headers(text: &str, secrets: &[String]) -> Result<Vec<(String, String)>, Failure> {
    if text.len() > HTTP_HEADER_BYTES_MAX {
        let reason =
            format!("all together have {} bytes, at most {HTTP_HEADER_BYTES_MAX} are allowed", text.len());
        return Err(Failure::HttpHeader { header: String::new(), reason });
    }
    let mut headers = Vec::new();
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        if line.is_empty() {
            continue;
        }
        if headers.len() >= HTTP_HEADERS_MAX {
            let reason = format!("there are at most {HTTP_HEADERS_MAX}");
            return Err(Failure::HttpHeader { header: String::new(), reason });
        }
        headers.push(header(line, secrets)?);
    }
    Ok(headers)
}

fn header(line: &str, secrets: &[String]) -> Result<(String, String), Failure> {
    let refused = |header: &str, reason: &str| Failure::HttpHeader {
        header: header.chars().take(64).collect(),
        reason: reason.into(),
    };
    let Some((name, value)) = line.split_once(':') else {
        return Err(refused(line, "a line is 'Name: value'"));
    };
    if !is_token(name) {
        return Err(refused(name, "its name is no token"));
    }
    if RESERVED_HEADERS.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(refused(name, "it belongs to the connection"));
    }
    let value = value.trim_matches([' ', '\t']);
    if !value.bytes().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t')) {
        return Err(refused(name, "its value holds something else than visible ASCII and blanks"));
    }
    let mut rest = value;
    while let Some((_, after)) = rest.split_once(SECRET_START) {
        let Some((secret, after)) = after.split_once(SECRET_END) else {
            return Err(refused(name, "a '{{secret:' in its value does not end with '}}'"));
        };
        if !secrets.iter().any(|granted| granted == secret) {
            return Err(Failure::SecretGrant(secret.chars().take(64).collect()));
        }
        rest = after;
    }
    Ok((name.into(), value.into()))
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::{grant, headers, method, url};
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    fn asked(text: &str) -> Result<String, &'static str> {
        let grants = ["https://API.example.com:443/v1/", "http://10.0.0.7:8080/"];
        let grants: Vec<String> = grants.iter().map(|text| grant(text).expect("a grant")).collect();
        url(text, &grants).map_err(|failure| failure.error_type())
    }

    #[test]
    fn a_url_under_a_grant_is_asked_for_in_its_one_form() {
        for (text, sent) in [
            ("https://api.example.com/v1/", "https://api.example.com/v1/"),
            ("HTTPS://api.Example.com:443/v1/a?b=c#d", "https://api.example.com/v1/a?b=c"),
            ("https://api.example.com/v2/../v1/a", "https://api.example.com/v1/a"),
            ("https://api.example.com/v1/a%2Fb", "https://api.example.com/v1/a%2Fb"),
            ("http://10.0.0.7:8080/x", "http://10.0.0.7:8080/x"),
            ("http://0xa000007:8080/x", "http://10.0.0.7:8080/x"),
        ] {
            assert_eq!(asked(text).as_deref(), Ok(sent), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_granted_url_is_refused() {
        for (text, word) in [
            ("https://api.example.com/v1", "grant"),
            ("https://api.example.com/v10/a", "grant"),
            ("https://api.example.com.evil.org/v1/a", "grant"),
            ("http://api.example.com/v1/a", "grant"),
            ("https://api.example.com:8443/v1/a", "grant"),
            ("https://api.example.com/v1/../v2/a", "grant"),
            ("https://api.example.com/v1/%2e%2e/v2/a", "grant"),
            ("https://api.example.com/v1\\..\\v2/a", "grant"),
            ("https://evil.org\\@api.example.com/v1/a", "grant"),
            ("https://api.example.com/v1/..%2fv2", "url"),
            ("https://api.example.com/v1/a%5C%2E.%5Cv2", "url"),
            ("https://api.example.com@evil.org/v1/a", "url"),
            ("https://user:pass@api.example.com/v1/a", "url"),
            ("https://api.example.com/v1/\na", "url"),
            ("https://api.example.com/v1/a b", "url"),
            ("https://api.example.com/v1/\u{fc}", "url"),
            ("file:///v1/a", "url"),
            ("/v1/a", "url"),
            ("", "url"),
        ] {
            assert_eq!(asked(text), Err(word), "{text}");
        }
        assert_eq!(asked(&format!("https://api.example.com/v1/{}", "x".repeat(3_000))), Err("url"));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_lies_under_a_grant(parts in prop::collection::vec(prop::sample::select(vec![
            "https:", "http:", "HTTPS:", "//", "/", "\\", "@", ":", "?", "#", ".", "..", "%2e", "%2F", "%5c", ";", "&",
            "api.example.com", "API.EXAMPLE.COM", "evil.org", "10.0.0.7", "443", "8080", "v1", "v2", "user", "[::1]", "%00",
        ]), 1..12)) {
            if let Ok(url) = asked(&parts.concat()) {
                let parsed = url::Url::parse(&url).expect("a URL");
                let place = (parsed.scheme(), parsed.host_str(), parsed.port_or_known_default());
                let granted = match place {
                    ("https", Some("api.example.com"), Some(443)) => "/v1/",
                    ("http", Some("10.0.0.7"), Some(8080)) => "/",
                    _ => "no place",
                };
                prop_assert!(parsed.path().starts_with(granted), "{url}");
                prop_assert!(parsed.username().is_empty() && parsed.password().is_none());
                prop_assert_eq!(parsed.as_str(), &url);
            }
        }
    }

    #[test]
    fn a_grant_ends_with_a_slash_and_is_nothing_but_a_place() {
        for text in
            ["https://a.b", "https://a.b/c", "https://a.b/?q=/", "https://a.b/#/", "ftp://a/", "https://u@a/"]
        {
            assert!(grant(text).is_err(), "{text}");
        }
        assert_eq!(grant("HTTP://A.b:80/c/../").as_deref(), Ok("http://a.b/"));
    }

    #[test]
    fn headers_are_lines_whose_secrets_are_granted() {
        let secrets = ["api-token".to_owned()];
        let read = |text: &str| headers(text, &secrets).map_err(|failure| failure.error_type());
        let text = "Authorization: Bearer {{secret:api-token}}\r\nX-A:\t1 2 \n\n";
        let pairs = [("Authorization", "Bearer {{secret:api-token}}"), ("X-A", "1 2")];
        assert_eq!(read(text), Ok(pairs.map(|(name, value)| (name.into(), value.into())).to_vec()));
        assert_eq!(read(""), Ok(Vec::new()));
        for (text, word) in [
            ("no colon", "http-header"),
            (": value", "http-header"),
            ("a b: value", "http-header"),
            ("a : value", "http-header"),
            (" a: value", "http-header"),
            ("a: b\rc: d", "http-header"),
            ("a: \u{fc}", "http-header"),
            ("a: \u{7f}", "http-header"),
            ("Content-Length: 7", "http-header"),
            ("hOsT: a", "http-header"),
            ("a: {{secret:api-token", "http-header"),
            ("a: {{secret:other}}", "grant"),
            ("a: {{secret:api-token}}{{secret:}}", "grant"),
        ] {
            assert_eq!(read(text), Err(word), "{text}");
        }
        assert_eq!(read(&"a: b\n".repeat(33)), Err("http-header"));
        assert_eq!(read(&format!("a: {}", "x".repeat(9_000))), Err("http-header"));
    }

    #[test]
    fn a_method_is_a_token_that_asks_for_something() {
        assert_eq!(method("PATCH").as_deref().ok(), Some("PATCH"));
        for text in ["", "GET /", "CONNECT", "TRACE", "G\nT", "AVERYVERYVERYLONGMETHOD"] {
            assert!(method(text).is_err(), "{text}");
        }
    }
}
