//! One try of one request: resolved, checked, and connected to exactly the address that was checked.

use super::address::{Private, is_public};
use fleetfn_core::request::HttpRequest;
use fleetfn_protocol::limits::PAYLOAD_BYTES_MAX;
use std::fmt;
use std::io::Read;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;
use ureq::config::Config;
use ureq::http::{Request, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};
use zeroize::Zeroizing;

/// Longest response header in bytes: a service that sends more is not one to talk to.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// How a name becomes addresses: the system's way, or that of a test.
pub(super) type Lookup = Box<dyn Fn(&str, u16) -> std::io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Asks the system.
pub(super) fn by_the_system() -> Lookup {
    Box::new(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// Seconds that the service wants to be left alone.
    pub(super) retry_after_s: Option<u64>,
    pub(super) body: Vec<u8>,
    /// Whether there was more of it.
    pub(super) is_cut: bool,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// In words, without anything secret.
    pub(super) why: String,
    /// Whether another try may help.
    pub(super) again: bool,
}

/// Makes requests. Blocks while it does.
pub(super) struct Client(Agent);

/// Resolves names and lets through what may be talked to.
struct Checked {
    lookup: Lookup,
    private: Private,
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("private", &self.private).finish_non_exhaustive()
    }
}

/// Said in the error of a name that resolves to nothing that may be talked to.
const REFUSED: &str = "the address is not one of the public internet";

/// Said when a try took its time.
pub(super) const TOO_LATE: &str = "no response in time";

impl Resolver for Checked {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let addresses = (self.lookup)(host, uri.port_u16().unwrap_or(default)).map_err(Error::Io)?;
        if addresses.is_empty() {
            return Err(Error::HostNotFound);
        }
        let mut allowed = self.empty();
        let fits = |address: &&SocketAddr| self.private == Private::Allowed || is_public(address.ip());
        addresses.iter().filter(fits).take(16).for_each(|address| allowed.push(*address));
        if allowed.is_empty() {
            return Err(Error::Io(std::io::Error::new(std::io::ErrorKind::PermissionDenied, REFUSED)));
        }
        Ok(allowed)
    }
}

impl Client {
    pub(super) fn new(private: Private, lookup: Lookup) -> Self {
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEADER_BYTES_MAX)
            .proxy(None)
            .user_agent(concat!("fleetfn/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(Agent::with_parts(config, DefaultConnector::default(), Checked { lookup, private }))
    }

    /// Makes one try. `headers` are the request's, with their secrets filled in.
    pub(super) fn ask(
        &self,
        request: &HttpRequest,
        headers: &[(String, Zeroizing<String>)],
    ) -> Result<Response, Trouble> {
        let mut asked = Request::builder().method(request.method.as_str()).uri(request.url.as_str());
        for (name, value) in headers {
            asked = asked.header(name.as_str(), value.as_str());
        }
        let asked = asked.body(request.body.to_vec());
        // Its text could hold what was filled in.
        let asked = asked.map_err(|_| fatal("the request is not a valid one"))?;
        let timeout = Duration::from_secs(request.timeout_s.into());
        let asked =
            self.0.configure_request(asked).timeout_global(Some(timeout)).allow_non_standard_methods(true);
        let answered = self.0.run(asked.build()).map_err(|error| trouble(&error))?;
        let status = answered.status().as_u16();
        let retry_after = answered.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after_s = retry_after.and_then(|text| text.trim().parse().ok());
        let mut body = Vec::new();
        let limit = u64::try_from(PAYLOAD_BYTES_MAX).unwrap_or(u64::MAX);
        let read = answered.into_body().into_reader().take(limit + 1).read_to_end(&mut body);
        read.map_err(|error| again(format!("the response broke off: {error}")))?;
        let is_cut = body.len() > PAYLOAD_BYTES_MAX;
        body.truncate(PAYLOAD_BYTES_MAX);
        Ok(Response { status, retry_after_s, body, is_cut })
    }
}

fn fatal(why: &str) -> Trouble {
    Trouble { why: why.into(), again: false }
}

fn again(why: String) -> Trouble {
    Trouble { why, again: true }
}

fn trouble(error: &Error) -> Trouble {
    match error {
        Error::Io(io) if io.to_string() == REFUSED => fatal(REFUSED),
        Error::Io(io) => again(io.to_string()),
        Error::Timeout(_) => again(TOO_LATE.into()),
        Error::HostNotFound => again("the host's name has no address".into()),
        Error::ConnectionFailed => again("no connection".into()),
        Error::BadUri(_) | Error::InvalidProxyUrl => fatal("the URL is not a valid one"),
        Error::Tls(_) | Error::Rustls(_) => again("no secure connection".into()),
        other => again(format!("{other}")),
    }
}
