//! `/metrics`: the counters in Prometheus' text format (version 0.0.4), without a token.
//!
//! Labels are functions only, never devices or topics: there are too many of those.

use super::Api;
use super::problem::Problem;
use crate::engine::{FunctionInfo, Status};
use crate::metrics::Measure;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use fleetfn_core::effect::MetricKind;
use std::fmt::Write;

const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`.
pub(super) async fn show(
    State(api): State<Api>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let mut text = render(&api.engine.status(), &api.engine.functions()?);
    for ((function, name), Measure { kind, value }) in api.engine.metrics().measures() {
        let (kind, total) = match kind {
            MetricKind::Counter => ("counter", "_total"),
            MetricKind::Gauge => ("gauge", ""),
        };
        // Names are letters, digits and underscores; writing to a string does not fail.
        let name = format!("fleetfn_function_{name}{total}");
        let _ = writeln!(text, "# TYPE {name} {kind}\n{name}{{function=\"{function}\"}} {value}");
    }
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], text))
}

fn render(status: &Status, functions: &[FunctionInfo]) -> String {
    let mut text = String::with_capacity(4096);
    let mut plain = |name: &str, kind: &str, help: &str, value: u64| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    };
    plain("fleetfn_devices_online", "gauge", "Devices with a session.", status.devices_online);
    plain("fleetfn_mqtt_connections", "gauge", "MQTT connections of any kind.", status.connections);
    plain("fleetfn_events_total", "counter", "Events made durable.", status.events);
    plain("fleetfn_events_handled_total", "counter", "Events handled.", status.handled);
    plain(
        "fleetfn_duplicates_total",
        "counter",
        "Events dropped because their id had been seen.",
        status.duplicates,
    );
    plain("fleetfn_commits_total", "counter", "Commits made.", status.commits);
    plain("fleetfn_commands_total", "counter", "Commands put into the outbox.", status.commands);
    plain(
        "fleetfn_commands_acknowledged_total",
        "counter",
        "Commands that devices acknowledged.",
        status.commands_acknowledged,
    );
    plain("fleetfn_published_total", "counter", "Messages released by functions.", status.published);
    plain("fleetfn_timers_total", "counter", "Timers of functions that fired.", status.fired);
    plain("fleetfn_sends_total", "counter", "Messages between entities.", status.sent);
    plain("fleetfn_http_requests_total", "counter", "Tries of HTTP requests of functions.", status.requests);
    plain("fleetfn_log_syncs_total", "counter", "Groups of records made durable together.", status.log_syncs);

    let mut labelled = |name: &str, help: &str, value: &dyn Fn(&FunctionInfo) -> String| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for function in functions {
            // A function's name needs no escaping: letters, digits and . _ : - only.
            let _ = writeln!(text, "{name}{{function=\"{}\"}} {}", function.name, value(function));
        }
    };
    labelled("fleetfn_invocations_total", "Invocations.", &|function| function.sums.invocations.to_string());
    labelled("fleetfn_invocation_errors_total", "Invocations that became dead letters.", &|function| {
        function.sums.errors.to_string()
    });
    labelled("fleetfn_payloads_refused_total", "Events whose payload a schema refused.", &|function| {
        function.sums.refused.to_string()
    });
    labelled("fleetfn_fuel_total", "Fuel burnt.", &|function| function.sums.fuel.to_string());
    labelled("fleetfn_guest_seconds_total", "Time in the guest.", &|function| {
        format!("{}.{:06}", function.sums.guest_us / 1_000_000, function.sums.guest_us % 1_000_000)
    });
    text
}
