//! Answers each reading with a command: the neighbour that is to notice nothing.

use fleetfn_function::{Context, Error, function};

/// Answers one reading.
#[function(name = "quiet.answer", telemetry = "quiet", command)]
fn answer(payload: &[u8], context: &Context) -> Result<(), Error> {
    context.state().put_bytes("last", payload);
    context.command("answer", payload)
}
