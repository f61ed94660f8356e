//! The client of the HTTP API: finds the engine of a data directory, and turns every error into advice.

use super::failure::Failure;
use crate::access::AccessFile;
use crate::api::{PREFIX, Page, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader, RequestBuilder};

/// How long a connection may take: the engine is on this machine or near.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long an answer may take; a deployment compiles and syncs.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Most bytes of an answer: a page of dead letters with their payloads.
const ANSWER_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Entries that are asked for at once: as many as the engine gives.
const PAGE_ITEMS: &str = "1000";

/// Media type of a change of a twin (RFC 7396, section 4).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A running engine.
pub(super) struct Client {
    agent: Agent,
    base: String,
    token: String,
    data: PathBuf,
}

impl Client {
    /// Finds the engine of a data directory; does not connect yet.
    pub(super) fn open(data: &Path) -> Result<Self, Failure> {
        let access = access(data)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_recv_response(Some(ANSWER_MAX))
            .proxy(None)
            .user_agent(concat!("fleetfn/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: config.into(),
            base: format!("http://{}{PREFIX}", reachable(access.http)),
            token: access.token,
            data: data.into(),
        })
    }

    /// One resource.
    pub(super) fn get<T: DeserializeOwned>(&self, tried: &str, path: &str) -> Result<T, Failure> {
        let request = self.authorized(self.agent.get(self.url(path)));
        self.read(tried, request.call())
    }

    /// One resource. The parameters are escaped here.
    pub(super) fn get_with<T: DeserializeOwned>(
        &self,
        tried: &str,
        path: &str,
        parameters: &[(String, String)],
    ) -> Result<T, Failure> {
        let mut request = self.authorized(self.agent.get(self.url(path)));
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        self.read(tried, request.call())
    }

    /// All pages of a list.
    pub(super) fn list<T: DeserializeOwned>(&self, tried: &str, path: &str) -> Result<Vec<T>, Failure> {
        self.list_with(tried, path, &[])
    }

    /// All pages of a list with parameters of its own, which are escaped here.
    pub(super) fn list_with<T: DeserializeOwned>(
        &self,
        tried: &str,
        path: &str,
        parameters: &[(String, String)],
    ) -> Result<Vec<T>, Failure> {
        let mut items = Vec::new();
        let mut parameters = parameters.to_vec();
        parameters.push(("limit".into(), PAGE_ITEMS.into()));
        let own = parameters.len();
        loop {
            let page: Page<T> = self.get_with(tried, path, &parameters)?;
            items.extend(page.items);
            let Some(next) = page.next else { return Ok(items) };
            parameters.truncate(own);
            parameters.push(("after".into(), next));
        }
    }

    /// Makes a resource from a JSON document.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        tried: &str,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.authorized(self.agent.post(self.url(path)));
        self.read(tried, request.send_json(document))
    }

    /// Makes a resource from bytes. The parameters are escaped here.
    pub(super) fn post_bytes<T: DeserializeOwned>(
        &self,
        tried: &str,
        path: &str,
        parameters: &[(String, String)],
        bytes: &[u8],
    ) -> Result<T, Failure> {
        let mut request = self.authorized(self.agent.post(self.url(path))).content_type("application/wasm");
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        self.read(tried, request.send(bytes))
    }

    /// Changes a resource by bytes.
    pub(super) fn patch<T: DeserializeOwned>(
        &self,
        tried: &str,
        path: &str,
        bytes: &[u8],
    ) -> Result<T, Failure> {
        let request = self.authorized(self.agent.patch(self.url(path))).content_type(MERGE_PATCH);
        self.read(tried, request.send(bytes))
    }

    /// Puts bytes where a resource is to be.
    pub(super) fn put(&self, tried: &str, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let request = self.authorized(self.agent.put(self.url(path)));
        self.check(tried, request.content_type("application/octet-stream").send(bytes)).map(drop)
    }

    /// Puts the content of a file where a resource is to be.
    pub(super) fn put_file(&self, tried: &str, path: &str, file: &std::fs::File) -> Result<(), Failure> {
        let request = self.authorized(self.agent.put(self.url(path)));
        self.check(tried, request.content_type("application/octet-stream").send(file)).map(drop)
    }

    /// Puts a JSON document where a resource is to be.
    pub(super) fn put_document(
        &self,
        tried: &str,
        path: &str,
        document: &impl Serialize,
    ) -> Result<(), Failure> {
        let request = self.authorized(self.agent.put(self.url(path)));
        self.check(tried, request.send_json(document)).map(drop)
    }

    /// The same, and reads what comes of it.
    pub(super) fn put_for<T: DeserializeOwned>(
        &self,
        tried: &str,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.authorized(self.agent.put(self.url(path)));
        self.read(tried, request.send_json(document))
    }

    /// One number of `/metrics`; `None` if it is not there or the engine does not answer.
    pub(super) fn metric(&self, name: &str) -> Option<u64> {
        let url = format!("{}/metrics", self.base.strip_suffix(PREFIX)?);
        let text = self.agent.get(url).call().ok()?.body_mut().read_to_string().ok()?;
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Removes something and reads what is left.
    pub(super) fn delete_for<T: DeserializeOwned>(&self, tried: &str, path: &str) -> Result<T, Failure> {
        let request = self.authorized(self.agent.delete(self.url(path)));
        self.read(tried, request.call())
    }

    /// Removes a resource.
    pub(super) fn delete(&self, tried: &str, path: &str) -> Result<(), Failure> {
        let request = self.authorized(self.agent.delete(self.url(path)));
        self.check(tried, request.call()).map(drop)
    }

    /// Opens a stream of server-sent events, after the one of this id if it is not empty. The parameters are escaped
    /// here.
    pub(super) fn stream(
        &self,
        tried: &str,
        path: &str,
        parameters: &[(String, String)],
        last_id: &str,
    ) -> Result<BufReader<BodyReader<'static>>, Failure> {
        let mut request = self.authorized(self.agent.get(self.url(path)));
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        if !last_id.is_empty() {
            request = request.header("Last-Event-ID", last_id);
        }
        let response = self.check(tried, request.call())?;
        Ok(BufReader::new(response.into_body().into_reader()))
    }

    /// A path with its parameters, as the engine gave it, with the engine in front of it.
    pub(super) fn absolute(&self, path: &str) -> String {
        format!("{}{path}", self.base.strip_suffix(PREFIX).unwrap_or(&self.base))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        request.header("Authorization", format!("Bearer {}", self.token))
    }

    fn read<T: DeserializeOwned>(
        &self,
        tried: &str,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, Failure> {
        let mut response = self.check(tried, answer)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| self.unreachable(tried, &error))?;
        serde_json::from_slice(&body).map_err(|error| {
            Failure::new(tried, format!("the answer of {} is not understood: {error}", self.base))
                .next("check that engine and command line have the same version: fleetfn --version")
        })
    }

    fn check(
        &self,
        tried: &str,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Failure> {
        let mut response = answer.map_err(|error| self.unreachable(tried, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body =
            response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().unwrap_or_default();
        let (why, next) = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => (problem.detail, problem.next),
            Err(_) => (format!("{} answered {status}", self.base), None),
        };
        let failure = Failure::new(tried, why);
        let failure = match next {
            Some(next) => failure.next(next),
            None => failure,
        };
        Err(match status.as_u16() {
            401 => failure.next(format!(
                "the engine at {} is not that of {}: give its --data DIR",
                self.base,
                self.data.display()
            )),
            503 => failure.next("see the engine's log on its stderr"),
            _ => failure,
        })
    }

    fn unreachable(&self, tried: &str, error: &ureq::Error) -> Failure {
        Failure::new(tried, format!("the engine at {} does not answer: {error}", self.base))
            .next(format!("fleetfn serve --data {}", self.data.display()))
    }
}

/// Reads where the engine of a data directory is, and its token.
pub(super) fn access(data: &Path) -> Result<AccessFile, Failure> {
    AccessFile::read(data).map_err(|error| {
        Failure::new(format!("cannot find the engine of {}", data.display()), format!("{error:#}")).next(
            format!("fleetfn serve --data {}, or give the --data DIR of a running engine", data.display()),
        )
    })
}

/// An address to connect to, made from one to listen on: "all addresses" is reached on loopback.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}
