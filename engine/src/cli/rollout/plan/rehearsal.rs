//! What came of a rehearsal, for people.

use fleetfn_core::rollout::{Assumptions, Devices, Length, PhaseTime, Rehearsal, Spread};
use std::fmt::Write;

/// A rehearsal in some lines: what to expect first, what was assumed last.
pub(super) fn text(rehearsal: &Rehearsal) -> String {
    let Rehearsal { runs, completed, took_ms, .. } = rehearsal;
    let devices = Devices(rehearsal.devices.into());
    let mut text = format!("rehearsed {} with {devices}", times(*runs));
    // Writing to a string does not fail.
    if rehearsal.one_of > 1 {
        let _ = write!(text, " (one of {} stood for all)", rehearsal.one_of);
    }
    text.push('\n');
    match took_ms {
        Some(took_ms) => {
            let _ = writeln!(text, "done      {completed} of {runs}, in {}", length(took_ms));
        }
        None => {
            let _ = writeln!(text, "done      0 of {runs}");
        }
    }
    let _ = writeln!(text, "aborted   {} of {runs}", rehearsal.aborted());
    for reason in &rehearsal.aborts {
        let _ = writeln!(text, "          {} {}", reason.runs, reason.why);
    }
    for reason in &rehearsal.stops {
        let _ = writeln!(text, "stopped   {} of {runs}: {}", reason.runs, reason.why);
    }
    for phase in &rehearsal.phases {
        let longest = rehearsal.longest_phase() == Some(phase) && rehearsal.phases.len() > 1;
        text.push_str(&of_phase(phase, longest));
    }
    let counts = [(rehearsal.updated, "updated"), (rehearsal.bad, "bad"), (rehearsal.absent, "absent")];
    let counts: Vec<String> = counts
        .iter()
        .filter_map(|(count, what)| Some(format!("{} {what}", count.as_ref()?.median)))
        .collect();
    let _ = writeln!(text, "devices   {}", counts.join(", "));
    if let Some(peak) = rehearsal.peak_bytes_per_s {
        let _ = writeln!(text, "peak      {}/s from the node", bytes(peak.most));
    }
    let _ = writeln!(text, "assumed   {}", assumed(&rehearsal.assumptions));
    text
}

fn of_phase(phase: &PhaseTime, is_longest: bool) -> String {
    let longest = if is_longest { "  the longest" } else { "" };
    match &phase.took_ms {
        Some(took_ms) => format!("phase     {}: {}{longest}\n", phase.name, length(took_ms)),
        None => format!("phase     {}: no run came to its end\n", phase.name),
    }
}

fn length(spread: &Spread) -> String {
    let (median, most) = (Length(spread.median), Length(spread.most));
    if spread.median == spread.most {
        return median.to_string();
    }
    format!("{median} (9 of 10 within {most})")
}

fn times(runs: u32) -> String {
    match runs {
        1 => "once".into(),
        runs => format!("{runs} times"),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{}.{} kB", count / 1_000, count % 1_000 / 100),
        _ => format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

fn assumed(assumptions: &Assumptions) -> String {
    let Assumptions { failing, broken_downloads, silent, image_bytes, install_s, seed, .. } = assumptions;
    let image = match image_bytes {
        0 => "an image that takes no time".to_string(),
        count => format!("an image of {}", bytes((*count).into())),
    };
    format!(
        "{failing}% fail, {silent}% are silent, {broken_downloads}% of downloads break off, {image} at {}/s for each \
         and {}/s for all, {} to install and try; seed {seed}",
        bytes(assumptions.link_bytes_per_s.into()),
        bytes(assumptions.node_bytes_per_s.into()),
        Length(u64::from(*install_s) * 1_000)
    )
}
