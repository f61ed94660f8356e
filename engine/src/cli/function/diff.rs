//! `fleetfn fn diff NAME`.

use super::name;
use crate::api::{ComparisonView, SideView};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format, short};
use crate::cli::timestamp::rfc3339;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Most characters of a value that are shown; all of it is in the JSON.
const VALUE_CHARACTERS_MAX: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The function; the beginning of its name will do
    name: String,
    /// How to print the comparison
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot compare the versions of function {}", arguments.name);
    let client = Client::open(data)?;
    let name = name::resolve(&client, &tried, &arguments.name)?;
    let comparison: ComparisonView = client
        .get(&tried, &format!("/functions/{name}/diff"))
        .map_err(|failure| failure.or_next("run a version dark with: fleetfn fn deploy --dark FILE"))?;
    match arguments.output {
        Format::Json => output::json(&comparison),
        Format::Table => output::line(&format!("{}{}", summary(&comparison), examples(&comparison))),
    }
}

/// What is known in three lines, without an end of line.
pub(super) fn summary(comparison: &ComparisonView) -> String {
    let live = comparison.live.as_ref().map_or("-", |live| short(&live.version));
    let dark = &comparison.dark;
    let more = if comparison.is_more { " or more" } else { "" };
    let mean = |fuel: u64, invocations: u64| {
        fuel.checked_div(invocations).map_or_else(|| "-".into(), |mean| mean.to_string())
    };
    let (of_live, of_dark) = (comparison.live_sums, comparison.dark_sums);
    let percent = comparison.fuel_percent.map(|percent| format!(" ({percent}%)")).unwrap_or_default();
    let mut text = format!(
        "{}: dark {} beside live {live}, since {}\n  {} events since then or the start of the engine: {} the same; \
         {}{more} different\n  fuel per invocation: live {}, dark {}{percent}; failed: live {}, dark {}",
        comparison.name,
        short(&dark.version),
        rfc3339(dark.deployed_at_ms),
        comparison.events,
        comparison.same,
        comparison.different,
        mean(of_live.fuel, of_live.invocations),
        mean(of_dark.fuel, of_dark.invocations),
        of_live.errors,
        of_dark.errors,
    );
    if let Some(live) = comparison.live.as_ref().filter(|live| live.manifest != dark.manifest) {
        let (live, dark) = (live.manifest.summary(), dark.manifest.summary());
        // Writing to a string does not fail.
        let _ = write!(text, "\n  manifests differ\n  - {live}\n  + {dark}");
    }
    text
}

/// The newest differences, each with what only the live version (`-`), only the dark one (`+`) and both asked for.
fn examples(comparison: &ComparisonView) -> String {
    let mut text = String::new();
    for example in &comparison.examples {
        let _ = write!(text, "\n\nevent {}  {}", example.offset, clean(&example.entity));
        let outcome = |side: Option<&SideView>| match side {
            None => "did not run".to_owned(),
            Some(side) => {
                let error = side.error.as_ref();
                let failed =
                    error.map(|error| format!("failed, {}: {}", error.error_type, clean(&error.detail)));
                let cut = if side.effects.len() < usize::try_from(side.effect_count).unwrap_or(usize::MAX) {
                    format!(", {} effects too large to keep", side.effect_count)
                } else {
                    String::new()
                };
                format!("{}, {} fuel{cut}", failed.unwrap_or_else(|| "done".into()), side.fuel)
            }
        };
        let (live, dark) = (example.live.as_ref(), example.dark.as_ref());
        let _ = write!(text, "\n  live  {}\n  dark  {}", outcome(live), outcome(dark));
        for (sign, effect) in compare(&effects(live), &effects(dark)) {
            let _ = write!(text, "\n  {sign} {effect}");
        }
    }
    text
}

fn effects(side: Option<&SideView>) -> Vec<String> {
    side.into_iter()
        .flat_map(|side| &side.effects)
        .map(|effect| words(&serde_json::to_value(effect)))
        .collect()
}

/// An effect in a line: its kind, and its fields but the id, which says nothing here.
fn words(effect: &Result<Value, serde_json::Error>) -> String {
    let Ok(Value::Object(fields)) = effect else {
        return "?".into();
    };
    let mut line = fields.get("kind").and_then(Value::as_str).unwrap_or("?").to_owned();
    for (name, value) in fields.iter().filter(|(name, _)| *name != "kind" && *name != "id") {
        let value = value.to_string();
        let cut: String = value.chars().take(VALUE_CHARACTERS_MAX).collect();
        let more = if cut.len() < value.len() { "..." } else { "" };
        let _ = write!(line, " {name}={}{more}", clean(&cut));
    }
    line
}

/// In the order of the live version, then what only the dark one asked for.
fn compare(live: &[String], dark: &[String]) -> Vec<(char, String)> {
    let mut left: Vec<&String> = dark.iter().collect();
    let mut lines: Vec<(char, String)> = live
        .iter()
        .map(|effect| match left.iter().position(|other| *other == effect) {
            Some(at) => {
                left.remove(at);
                (' ', effect.clone())
            }
            None => ('-', effect.clone()),
        })
        .collect();
    lines.extend(left.into_iter().map(|effect| ('+', effect.clone())));
    lines
}

/// What a device or a function made must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn effects_are_told_apart_by_who_asked_for_them() {
        let lines = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let found = compare(&lines(&["a", "b", "b", "c"]), &lines(&["b", "c", "d"]));
        let signs: String = found.iter().map(|(sign, word)| format!("{sign}{word}")).collect();
        assert_eq!(signs, "-a b-b c+d");
    }

    #[test]
    fn an_effect_is_one_line_without_its_id() {
        let effect =
            json!({ "kind": "publish", "id": "7.0.f", "topic": "alerts", "payload": "x".repeat(200) });
        let line = words(&Ok(effect));
        assert!(line.starts_with("publish payload=\"xxx") && line.contains("... topic=\"alerts\""), "{line}");
        assert!(!line.contains("7.0.f"));
    }

    #[test]
    fn a_comparison_reads_well_on_a_terminal() {
        let manifest = json!({ "name": "climate", "triggers": [{ "telemetry": "climate" }] });
        let version =
            |letter: &str| json!({ "version": letter.repeat(64), "deployed_at_ms": 0, "manifest": manifest });
        let side = |fuel: u64, value: &str| {
            let effect = json!({ "kind": "state-put", "key": "n", "value": value });
            json!({ "version": "", "fuel": fuel, "effect_count": 1, "effects": [effect] })
        };
        let comparison: ComparisonView = serde_json::from_value(json!({
            "name": "climate", "live": version("a"), "dark": version("b"), "events": 10, "same": 9, "different": 1,
            "is_more": false, "live_sums": { "invocations": 10, "errors": 0, "fuel": 1000 },
            "dark_sums": { "invocations": 10, "errors": 0, "fuel": 500 }, "fuel_percent": 50,
            "objection": "1 events were handled differently",
            "examples": [{ "offset": 7, "entity": "devices/d\u{1b}", "live": side(100, "1"), "dark": side(50, "2") }],
        }))
        .expect("is one");
        let text = format!("{}{}", summary(&comparison), examples(&comparison));
        let expected = "\
climate: dark bbbbbbbbbbbb beside live aaaaaaaaaaaa, since 1970-01-01T00:00:00.000Z
  10 events since then or the start of the engine: 9 the same; 1 different
  fuel per invocation: live 100, dark 50 (50%); failed: live 0, dark 0

event 7  devices/d\u{20}
  live  done, 100 fuel
  dark  done, 50 fuel
  - state-put key=\"n\" value=\"1\"
  + state-put key=\"n\" value=\"2\"";
        assert_eq!(text, expected);
    }
}
