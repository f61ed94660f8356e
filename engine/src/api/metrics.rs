//! `/metrics`: the counters in Prometheus' text format (version 0.0.4), without a token.
//!
//! Labels are functions only, never devices or topics: there are too many of those. What functions measure themselves
//! stands under `fleetfn_function_NAME`.

use super::Api;
use super::problem::Problem;
use crate::engine::{FunctionInfo, Status};
use crate::metrics::{Download, Measure, PatchOutcome, UpdateCounters};
use crate::update::blocks::Refusal;
use axum::extract::State as Shared;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use fleetfn_broker::Queues;
use fleetfn_core::effect::MetricKind;
use fleetfn_core::update::State;
use fleetfn_protocol::FunctionName;
use std::collections::BTreeMap;
use std::fmt::Write;

const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`.
pub(super) async fn show(
    Shared(api): Shared<Api>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let mut text = render(&api.engine.status(), &api.engine.functions()?);
    render_updates(&mut text, &api.engine.metrics().updates);
    render_measures(&mut text, &api.engine.metrics().measures());
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], text))
}

fn render(status: &Status, functions: &[FunctionInfo]) -> String {
    let mut text = String::with_capacity(4096);
    let mut plain = |name: &str, kind: &str, help: &str, value: u64| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    };
    plain(
        "fleetfn_start_time_seconds",
        "gauge",
        "When it started, since 1970.",
        status.started_at_ms / 1_000,
    );
    plain("fleetfn_devices_online", "gauge", "Devices with a session.", status.devices_online);
    plain("fleetfn_mqtt_connections", "gauge", "MQTT connections of any kind.", status.connections);
    render_queues(&mut plain, status.queues);
    plain("fleetfn_events_total", "counter", "Events made durable.", status.events);
    plain("fleetfn_events_handled_total", "counter", "Events handled.", status.handled);
    plain(
        "fleetfn_events_interrupted_total",
        "counter",
        "Times that an event was put off.",
        status.interrupted,
    );
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
    plain(
        "fleetfn_spans_dropped_total",
        "counter",
        "Spans that a collector did not take.",
        status.spans_dropped,
    );
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

/// What waits in the broker.
fn render_queues(plain: &mut impl FnMut(&str, &str, &str, u64), queues: Queues) {
    let help = "Bytes of blocks of updates that sessions have not written.";
    plain("fleetfn_mqtt_queued_block_bytes", "gauge", help, queues.block_bytes);
    let help = "Messages that wait for devices in sessions, or for their acknowledgement.";
    plain("fleetfn_mqtt_unacknowledged_messages", "gauge", help, queues.parcels);
    let help = "Messages on their way into the router of live listeners.";
    plain("fleetfn_mqtt_queued_live_messages", "gauge", help, queues.live);
}

/// What is counted of updates. Writing to a string does not fail.
fn render_updates(text: &mut String, updates: &UpdateCounters) {
    let mut family = |name: &str, help: &str, values: &[(String, u64)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let none = String::new;
    family("fleetfn_update_blocks_total", "Blocks handed to devices.", &[(none(), updates.blocks.get())]);
    let bytes = updates.block_bytes.get();
    family("fleetfn_update_block_bytes_total", "Bytes of blocks handed to devices.", &[(none(), bytes)]);
    let help = "Of these, bytes of patches.";
    family("fleetfn_update_patch_block_bytes_total", help, &[(none(), updates.patch_block_bytes.get())]);
    render_downloads(&mut family, updates);
    let refused = updates.refused();
    let of = |refusal: &Refusal| {
        let count = refused.get(refusal).copied().unwrap_or_default();
        (format!("{{outcome=\"{}\"}}", refusal.word()), count)
    };
    let refused: Vec<_> = Refusal::ALL.iter().map(of).collect();
    let help = "Requests for blocks that were not answered, or not to their end.";
    family("fleetfn_update_requests_refused_total", help, &refused);
    let of = |(state, count): (State, u64)| (format!("{{phase=\"{}\"}}", state.as_str()), count);
    let steps: Vec<_> = updates.steps().into_iter().map(of).collect();
    family("fleetfn_update_jobs_total", "Times that a job of a device came into a phase.", &steps);
}

/// What is counted of downloads over HTTP, and of patches.
fn render_downloads(family: &mut impl FnMut(&str, &str, &[(String, u64)]), updates: &UpdateCounters) {
    let labels = |outcome: &str| format!("{{outcome=\"{outcome}\"}}");
    let ended = updates.downloads();
    let of = |one: &Download| (labels(one.word()), ended.get(one).copied().unwrap_or_default());
    let values: Vec<_> = Download::ALL.iter().map(of).collect();
    family("fleetfn_update_downloads_total", "Requests for bytes over HTTP that have ended.", &values);
    let bytes = updates.download_bytes.get();
    let help = "Bytes handed to whoever fetches over HTTP.";
    family("fleetfn_update_download_bytes_total", help, &[(String::new(), bytes)]);
    let came = updates.patches();
    let of = |one: &PatchOutcome| (labels(one.word()), came.get(one).copied().unwrap_or_default());
    let values: Vec<_> = PatchOutcome::ALL.iter().map(of).collect();
    family("fleetfn_update_patches_total", "Pairs of images of which a patch was to be made.", &values);
    let bytes = updates.patch_bytes.get();
    family("fleetfn_update_patch_bytes_total", "Bytes of patches that were made.", &[(String::new(), bytes)]);
}

/// Appends what functions measure, each name once with all functions that use it.
fn render_measures(text: &mut String, measures: &[((FunctionName, String), Measure)]) {
    let mut families: BTreeMap<(String, &str), Vec<(FunctionName, f64)>> = BTreeMap::new();
    for ((function, name), measure) in measures {
        // Two functions may take one name for different kinds.
        let family = match measure.kind {
            MetricKind::Counter => (format!("fleetfn_function_{name}_total"), "counter"),
            MetricKind::Gauge => (format!("fleetfn_function_{name}"), "gauge"),
        };
        families.entry(family).or_default().push((*function, measure.value));
    }
    for ((name, kind), values) in families {
        let _ = writeln!(text, "# HELP {name} Measured by functions.\n# TYPE {name} {kind}");
        for (function, value) in values {
            let _ = writeln!(text, "{name}{{function=\"{function}\"}} {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_functions_measure_stands_together_by_name() {
        let measure = |function: &str, name: &str, kind, value| {
            ((function.parse().expect("a name"), name.to_owned()), Measure { kind, value })
        };
        let mut text = String::new();
        let measures = [
            measure("a", "readings", MetricKind::Counter, 2.0),
            measure("a", "temperature", MetricKind::Gauge, 21.5),
            measure("b", "readings", MetricKind::Counter, 3.0),
            measure("c", "readings", MetricKind::Gauge, -1.0),
        ];
        render_measures(&mut text, &measures);
        let expected = "\
# HELP fleetfn_function_readings Measured by functions.
# TYPE fleetfn_function_readings gauge
fleetfn_function_readings{function=\"c\"} -1
# HELP fleetfn_function_readings_total Measured by functions.
# TYPE fleetfn_function_readings_total counter
fleetfn_function_readings_total{function=\"a\"} 2
fleetfn_function_readings_total{function=\"b\"} 3
# HELP fleetfn_function_temperature Measured by functions.
# TYPE fleetfn_function_temperature gauge
fleetfn_function_temperature{function=\"a\"} 21.5
";
        assert_eq!(text, expected);
    }
}
