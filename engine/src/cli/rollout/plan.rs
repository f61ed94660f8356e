//! `fleetfn rollout plan NAME POLICY`.

mod rehearsal;

use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use fleetfn_core::rollout::{Devices, Length, Plan};
use std::fmt::Write;

/// A plan as a table and what to know of it.
fn text(plan: &Plan) -> String {
    let Plan { rollout, product, version, sequence, found, taking_part, .. } = plan;
    let mut text = format!(
        "rollout {rollout} would bring {product} {version} (sequence {sequence}) to {taking_part} of {}\n",
        Devices((*found).into())
    );
    let rows: Vec<[String; 6]> = plan
        .phases
        .iter()
        .map(|phase| {
            let soak = match phase.soak_s {
                0 => "-".into(),
                soak_s => Length(u64::from(soak_s) * 1_000).to_string(),
            };
            let gates = if phase.gates.is_empty() { "-".into() } else { phase.gates.join(", ") };
            let named = u32::try_from(phase.first.len()).unwrap_or(u32::MAX);
            [
                phase.name.clone(),
                phase.size.clone(),
                phase.devices.to_string(),
                soak,
                gates,
                some(&phase.first, named < phase.devices),
            ]
        })
        .collect();
    text.push_str(&output::align(["PHASE", "TAKES", "DEVICES", "SOAK", "GATES", "FIRST"], &rows));
    let left_out = plan.left_out.iter().map(|one| u64::from(one.devices)).sum::<u64>();
    // Writing to a string does not fail.
    if left_out > 0 {
        let _ = writeln!(text, "{} would not get it:", Devices(left_out));
    }
    for one in &plan.left_out {
        let named = u32::try_from(one.first.len()).unwrap_or(u32::MAX);
        let some = some(&one.first, named < one.devices);
        let some = if some.is_empty() { some } else { format!("  ({some})") };
        let _ = writeln!(text, "{:>7}  {}{some}", one.devices, one.why);
    }
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    super::clean(&text)
}

fn some(first: &[String], has_more: bool) -> String {
    let mut text = first.join(", ");
    if has_more && !first.is_empty() {
        text.push_str(", ...");
    }
    text
}

#[cfg(test)]
mod tests;
