//! `/status`: what the engine has done since it started, and what it does now.

use super::Api;
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sums since the start, and what is now.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StatusView {
    /// Version of the engine.
    pub(crate) version: String,
    /// Where MQTT clients connect.
    pub(crate) mqtt: String,
    /// Seconds since the API began to serve.
    pub(crate) uptime_s: u64,
    /// Devices with a session.
    pub(crate) devices_online: u64,
    /// MQTT connections of any kind.
    pub(crate) connections: u64,
    /// Events made durable.
    pub(crate) events: u64,
    /// Events handled.
    pub(crate) handled: u64,
    /// Events dropped because their message id had been seen.
    pub(crate) duplicates: u64,
    /// Invocations, whatever their outcome.
    pub(crate) invocations: u64,
    /// Invocations that became dead letters.
    pub(crate) errors: u64,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// Commits made.
    pub(crate) commits: u64,
    /// Commands put into the outbox.
    pub(crate) commands: u64,
    /// Commands that devices acknowledged.
    pub(crate) commands_acknowledged: u64,
    /// Messages released to live subscribers by functions.
    pub(crate) published: u64,
    /// Timers of functions that fired.
    pub(crate) fired: u64,
    /// Messages between entities that became events.
    pub(crate) sent: u64,
    /// Groups of records that were made durable together.
    pub(crate) log_syncs: u64,
}

/// `GET /status`.
pub(super) async fn show(State(api): State<Api>) -> Json<StatusView> {
    let status = api.engine.status();
    Json(StatusView {
        version: env!("CARGO_PKG_VERSION").into(),
        mqtt: api.engine.mqtt_address().to_string(),
        uptime_s: api.since.elapsed().as_secs(),
        devices_online: status.devices_online,
        connections: status.connections,
        events: status.events,
        handled: status.handled,
        duplicates: status.duplicates,
        invocations: status.invocations,
        errors: status.errors,
        fuel: status.fuel,
        commits: status.commits,
        commands: status.commands,
        commands_acknowledged: status.commands_acknowledged,
        published: status.published,
        fired: status.fired,
        sent: status.sent,
        log_syncs: status.log_syncs,
    })
}
