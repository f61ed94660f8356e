//! Handles an event and does nothing: what the sandbox itself costs.

use fleetfn_function::{Error, function};

/// Does nothing.
#[function(name = "bench-empty", telemetry = "#")]
fn empty() -> Result<(), Error> {
    Ok(())
}
