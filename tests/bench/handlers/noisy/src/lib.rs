//! Burns fuel for each reading: the neighbour that nobody wants.

use fleetfn_function::{Context, Error, function};

/// Rounds of the loop: about two milliseconds in the sandbox.
const ROUNDS: u32 = 300_000;

/// Computes something that nobody needs.
#[function(name = "noisy.burn", telemetry = "noisy")]
fn burn(context: &Context) -> Result<(), Error> {
    let sum = (0..ROUNDS).fold(context.offset(), |sum, round| {
        sum.rotate_left(5) ^ u64::from(round).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    context.state().put_bytes("sum", &sum.to_le_bytes());
    Ok(())
}
