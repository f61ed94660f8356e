//! `fleetfn trace OFFSET`.

use super::client::Client;
use super::duration;
use super::failure::Failure;
use super::output::{self, Format, short};
use super::timestamp::rfc3339;
use crate::api::{EffectView, RunView, StepView, TraceView};
use std::path::Path;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Offset of the event, as `fn tail` prints it
    offset: u64,
    /// How long after the event to look
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration::parse)]
    within: Duration,
    /// How to print the tree
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot trace the event at {}", arguments.offset);
    let path = format!("/traces/{}?within_s={}", arguments.offset, arguments.within.as_secs());
    let trace: TraceView = Client::open(data)?
        .get(&tried, &path)
        .map_err(|failure| failure.or_next("find the offset with: fleetfn fn tail --from beginning"))?;
    if arguments.output == Format::Json {
        return output::json(&trace);
    }
    if trace.stopped == "bound" {
        eprintln!("there may be more: so much of the log was read, or so many events were found, that it was enough");
    }
    output::write(draw(&trace).as_bytes())
}

/// The tree: below each event what ran, below that what it asked for, below that the events that it became.
fn draw(trace: &TraceView) -> String {
    let mut text = String::new();
    if let Some(root) = trace.steps.first() {
        event(trace, root, root.event.received_at_ms, "", &mut text);
    }
    text
}

fn event(trace: &TraceView, step: &StepView, begin_ms: Option<u64>, indent: &str, text: &mut String) {
    let of = &step.event;
    let when = match (of.received_at_ms, begin_ms) {
        (Some(at_ms), Some(begin_ms)) if step.cause.is_some() => format!("+{} ms", at_ms.saturating_sub(begin_ms)),
        (Some(at_ms), _) => rfc3339(at_ms),
        (None, _) => String::new(),
    };
    let kind = of.kind.as_deref().unwrap_or("forgotten");
    text.push_str(&format!("{} {kind} {} {} {when}\n", of.offset, of.detail, of.entity).replace("  ", " "));
    let children: Vec<&StepView> = trace.steps.iter().filter(|other| other.cause == Some(of.offset)).collect();
    let mut drawn = Vec::new();
    for (place, run) in step.invocations.iter().enumerate() {
        let last = place + 1 == step.invocations.len();
        let own: Vec<&StepView> = children.iter().copied().filter(|child| is_of(child, run)).collect();
        drawn.extend(own.iter().map(|child| child.event.offset));
        invocation(trace, run, &own, begin_ms, indent, last, text);
    }
    for child in children.into_iter().filter(|child| !drawn.contains(&child.event.offset)) {
        text.push_str(&format!("{indent}└─ "));
        event(trace, child, begin_ms, &format!("{indent}   "), text);
    }
}

/// Whether a function's invocation led to an event.
fn is_of(child: &StepView, run: &RunView) -> bool {
    run.role == "live" && child.event.origin.as_ref().is_some_and(|origin| origin.function == run.function)
}

fn invocation(
    trace: &TraceView,
    run: &RunView,
    children: &[&StepView],
    begin_ms: Option<u64>,
    indent: &str,
    last: bool,
    text: &mut String,
) {
    let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
    let dark = if run.role == "dark" { " dark" } else { "" };
    let error = run.error.as_ref().map(|error| format!(": {}", error.error_type)).unwrap_or_default();
    let RunView { function, version, outcome, fuel, duration_us, .. } = run;
    let version = short(version);
    text.push_str(&format!("{indent}{branch}{function} {version}{dark} {outcome}{error}, {fuel} fuel, {duration_us} us\n"));
    let indent = format!("{indent}{below}");
    for line in &run.logs {
        text.push_str(&format!("{indent}  {} {}\n", line.level, line.text));
    }
    for effect in &run.effects {
        let received = effect.id().is_some_and(|id| run.received.iter().any(|received| received == id));
        let arrived = if received { ", acknowledged by the device" } else { "" };
        text.push_str(&format!("{indent}- {}{arrived}\n", words(effect)));
    }
    for (place, child) in children.iter().enumerate() {
        let (branch, below) = if place + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        text.push_str(&format!("{indent}{branch}"));
        event(trace, child, begin_ms, &format!("{indent}{below}"), text);
    }
}

/// An effect in a line.
fn words(effect: &EffectView) -> String {
    let value = serde_json::to_value(effect).unwrap_or_default();
    let Some(members) = value.as_object() else { return String::new() };
    let mut words = vec![members.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned()];
    let shown = members.iter().filter(|(name, _)| !["kind", "id"].contains(&name.as_str()));
    words.extend(shown.map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text:?}"),
        None => format!("{name}={value}"),
    }));
    words.join(" ")
}
