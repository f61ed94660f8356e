//! Sends one reading on to many entities, each of which keeps it: how a benchmark gets a million of them.

use fleetfn_function::{Context, Error, Kind, function};

/// Entities that one reading reaches: with the count, as many effects as an event may have are not passed.
pub const ENTITIES: u64 = 60;

/// Spreads a reading, or keeps one.
#[function(name = "bench-spread", telemetry = "spread", message = "reading", send = "unit/#")]
fn spread(payload: &[u8], context: &Context) -> Result<(), Error> {
    let state = context.state();
    if let Kind::Message { .. } = context.kind() {
        state.put_bytes("reading", payload);
        return Ok(());
    }
    let done = state.get::<u64>("done")?.unwrap_or(0);
    for number in done * ENTITIES..(done + 1) * ENTITIES {
        let entity = format!("unit/{}/{number}", context.device());
        context.send(&entity, "reading", payload)?;
    }
    state.put("done", &(done + 1))
}
