//! `fleetfn trace EVENT`.

use super::client::Client;
use super::duration;
use super::failure::Failure;
use super::output::{self, Format, clean, short};
use super::timestamp::rfc3339;
use crate::api::{EffectView, ParcelView, RunView, StepView, TraceView};
use std::path::Path;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Offset of the event, as `fn tail` prints it; the id of an effect; or DEVICE:last, what the device published last
    #[arg(value_name = "EVENT")]
    event: String,
    /// How long after the event to look
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration::parse)]
    within: Duration,
    /// How to print the tree
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let event = &arguments.event;
    let tried = format!("cannot trace {event}");
    // Names, numbers, dots and colons: whatever else is no event, and would only be a strange path.
    if !event.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c)) {
        return Err(Failure::usage(tried, "it is neither an offset, the id of an effect, nor DEVICE:last"));
    }
    let path = format!("/traces/{event}?within_s={}", arguments.within.as_secs());
    let trace: TraceView = Client::open(data)?
        .get(&tried, &path)
        .map_err(|failure| failure.or_next("find the offset with: fleetfn fn tail --from beginning"))?;
    if arguments.output == Format::Json {
        return output::json(&trace);
    }
    output::write(draw(&trace).as_bytes())?;
    match trace.stopped.as_str() {
        "bound" => {
            eprintln!(
                "there may be more: so much of the log was read, or so many events were found, that it was enough"
            );
        }
        "time" => {
            eprintln!("what came later than {} s is not shown: see --within", arguments.within.as_secs())
        }
        _ => {}
    }
    Ok(())
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
    let when = match (&of.again, of.received_at_ms, begin_ms) {
        // Its time is that of the event that is handled again.
        (Some(why), ..) if step.cause.is_some() => format!("again: {why}"),
        (_, Some(at_ms), Some(begin_ms)) if step.cause.is_some() => {
            format!("+{} ms", at_ms.saturating_sub(begin_ms))
        }
        (_, Some(at_ms), _) => rfc3339(at_ms),
        (_, None, _) => String::new(),
    };
    let kind = of.kind.as_deref().unwrap_or("forgotten");
    let line = format!("{} {kind} {} {} {when}", of.offset, of.detail, of.entity).replace("  ", " ");
    text.push_str(&clean(&line));
    text.push('\n');
    let children: Vec<&StepView> =
        trace.steps.iter().filter(|other| other.cause == Some(of.offset)).collect();
    // What an operator asked for is no function's effect.
    for parcel in step.parcels.iter().filter(|parcel| parcel.id.ends_with(".operator")) {
        text.push_str(&format!("{indent}- for the device{}\n", arrived(parcel)));
    }
    let own = |run: &RunView| children.iter().copied().filter(|child| is_of(child, run)).collect::<Vec<_>>();
    let is_drawn = |child: &StepView| step.invocations.iter().any(|run| is_of(child, run));
    let rest: Vec<&StepView> = children.iter().copied().filter(|child| !is_drawn(child)).collect();
    let branches = step.invocations.len() + rest.len();
    for (place, run) in step.invocations.iter().enumerate() {
        let below = Below { trace, step, begin_ms, indent, is_last: place + 1 == branches };
        invocation(&below, run, &own(run), text);
    }
    for (place, child) in (step.invocations.len()..).zip(rest) {
        let (branch, below) = branch(place + 1 == branches);
        text.push_str(&format!("{indent}{branch}"));
        event(trace, child, begin_ms, &format!("{indent}{below}"), text);
    }
}

/// Whether a function's invocation led to an event.
fn is_of(child: &StepView, run: &RunView) -> bool {
    run.role == "live" && child.event.origin.as_ref().is_some_and(|origin| origin.function == run.function)
}

/// How a line is tied to those above it, and how those below it are.
fn branch(is_last: bool) -> (&'static str, &'static str) {
    if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") }
}

/// Where in the tree an invocation is drawn.
struct Below<'a> {
    trace: &'a TraceView,
    step: &'a StepView,
    begin_ms: Option<u64>,
    indent: &'a str,
    is_last: bool,
}

fn invocation(at: &Below<'_>, run: &RunView, children: &[&StepView], text: &mut String) {
    let Below { trace, step, begin_ms, indent, is_last } = *at;
    let (tie, below) = branch(is_last);
    let dark = if run.role == "dark" { " dark" } else { "" };
    let error = run.error.as_ref().map(|error| format!(": {}", error.error_type)).unwrap_or_default();
    let RunView { function, version, outcome, fuel, duration_us, .. } = run;
    let version = short(version);
    text.push_str(&format!(
        "{indent}{tie}{function} {version}{dark} {outcome}{error}, {fuel} fuel, {duration_us} us\n"
    ));
    let indent = format!("{indent}{below}");
    for line in &run.logs {
        text.push_str(&format!("{indent}  {} {}\n", line.level, clean(&line.text)));
    }
    for (number, effect) in run.effects.iter().enumerate() {
        let id = format!("{}.{number}.{function}", step.event.offset);
        let parcel = step.parcels.iter().find(|parcel| parcel.id == id && run.role == "live");
        let arrived = parcel.map(arrived).unwrap_or_default();
        text.push_str(&format!("{indent}- {}{arrived}\n", clean(&words(effect))));
    }
    for (place, child) in children.iter().enumerate() {
        let (tie, below) = branch(place + 1 == children.len());
        text.push_str(&format!("{indent}{tie}"));
        event(trace, child, begin_ms, &format!("{indent}{below}"), text);
    }
}

/// What became of a parcel, to be appended to what it is.
fn arrived(parcel: &ParcelView) -> String {
    let at = parcel.commit.map(|commit| format!(" (by {commit})")).unwrap_or_default();
    match parcel.fate.as_str() {
        "received" => format!(", acknowledged by the device{at}"),
        "expired" => format!(", expired before the device had it{at}"),
        "replaced" => format!(", replaced by a newer one before the device had it{at}"),
        _ => ", waits for the device".into(),
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

#[cfg(test)]
mod tests {
    use super::draw;
    use serde_json::{Value, json};

    fn run(function: &str, effects: Value) -> Value {
        json!({"function": function, "version": "ab".repeat(32), "role": "live", "outcome": "done", "fuel": 9,
            "duration_us": 4, "logs": [{"level": "info", "text": "hot\u{1b}"}], "effects": effects})
    }

    #[test]
    fn a_tree_shows_what_led_to_what_and_what_the_device_has() {
        let command =
            json!({"kind": "command", "id": "7.0.climate", "name": "fan", "payload": "on", "ttl_s": 0});
        let send =
            json!({"kind": "send", "id": "7.1.climate", "entity": "site/a", "name": "n", "payload": "20"});
        let event = |offset: u64, kind: &str, at_ms: u64| json!({"offset": offset, "entity": "devices/d-1", "kind": kind, "received_at_ms": at_ms, "payload": ""});
        let mut message = event(9, "message", 951_827_696_792);
        message["origin"] = json!({"function": "climate", "cause": 7});
        let mut again = event(10, "telemetry", 951_827_696_789);
        again["again"] = "dead-letter".into();
        let trace = json!({"stopped": "end", "steps": [
            {"event": event(7, "telemetry", 951_827_696_789), "invocations": [run("climate", json!([command, send]))],
                "parcels": [{"id": "7.0.climate", "fate": "received", "commit": 11}]},
            {"event": message, "cause": 7, "invocations": [run("site", json!([]))], "parcels": []},
            {"event": again, "cause": 7, "invocations": [], "parcels": []},
        ]});
        let expected = "\
7 telemetry devices/d-1 2000-02-29T12:34:56.789Z
├─ climate abababababab done, 9 fuel, 4 us
│    info hot\u{20}
│  - command name=\"fan\" payload=\"on\" ttl_s=0, acknowledged by the device (by 11)
│  - send entity=\"site/a\" name=\"n\" payload=\"20\"
│  └─ 9 message devices/d-1 +3 ms
│     └─ site abababababab done, 9 fuel, 4 us
│          info hot\u{20}
└─ 10 telemetry devices/d-1 again: dead-letter
";
        assert_eq!(draw(&serde_json::from_value(trace).expect("a trace")), expected);
    }
}
