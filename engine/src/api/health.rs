//! `/healthz` and `/readyz`: what a supervisor and a load balancer ask, without a token.

use super::Api;
use axum::extract::State;
use axum::http::StatusCode;

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: clients are welcome; not any more once the engine is told to stop.
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, &'static str) {
    if *api.ending.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "ending\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
