//! Log lines of the engine, on stderr.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Environment variable that says what is logged, as in `debug,fleetfn_broker=trace`.
const VARIABLE: &str = "FLEETFN_LOG";

/// Logs at `level` and above, unless the environment says otherwise.
pub(super) fn start(level: &str) {
    // The router inside the broker logs routine events as errors; what matters the broker says itself.
    let filter =
        EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(format!("{level},rumqttd=off")));
    let color =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color).with_writer(std::io::stderr).init();
}
