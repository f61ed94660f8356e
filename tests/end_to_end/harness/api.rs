//! The HTTP API of a server, called with the operator's token from its data directory.

use super::server::Server;
use serde_json::{Value, json};

/// The API of one running server.
pub(crate) struct Api {
    base: String,
    token: String,
    agent: ureq::Agent,
}

impl Api {
    /// Finds address and token where the command line finds them.
    pub(crate) fn of(server: &Server) -> Self {
        let file = std::fs::read(server.data().join("access.json"))
            .expect("a running server has written access.json");
        let access: Value = serde_json::from_slice(&file).expect("access.json is JSON");
        let token = access["token"].as_str().expect("access.json holds the token").to_owned();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(super::PATIENCE))
            .build()
            .into();
        Self { base: format!("http://{}", server.http), token, agent }
    }

    /// The operator's token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Registers a device and returns its token.
    pub(crate) fn add_device(&self, id: &str) -> String {
        let body =
            self.post("/api/v1/devices", json!({ "id": id }).to_string().as_bytes(), "application/json");
        body["token"].as_str().unwrap_or_else(|| panic!("no token in {body}")).to_owned()
    }

    /// Puts a module live.
    pub(crate) fn deploy(&self, module: &[u8]) -> Value {
        self.post("/api/v1/functions", module, "application/wasm")
    }

    /// GET, which must succeed.
    pub(crate) fn get(&self, path: &str) -> Value {
        let request = self.agent.get(format!("{}{path}", self.base)).header("authorization", self.bearer());
        let mut response = request.call().unwrap_or_else(|error| panic!("GET {path}: {error}"));
        let text = response.body_mut().read_to_string().expect("a body");
        assert!(response.status().is_success(), "GET {path}: {} {text}", response.status());
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    /// One counter of `/metrics`, summed over its labels; 0 when it is not there.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = match self.get("/metrics") {
            Value::String(text) => text,
            other => panic!("not metrics: {other}"),
        };
        let series = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
        });
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    fn post(&self, path: &str, body: &[u8], content_type: &str) -> Value {
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("authorization", self.bearer())
            .header("content-type", content_type);
        let mut response = request.send(body).unwrap_or_else(|error| panic!("POST {path}: {error}"));
        let text = response.body_mut().read_to_string().expect("a body");
        assert!(response.status().is_success(), "POST {path}: {} {text}", response.status());
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("POST {path}: not JSON: {text}"))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}
