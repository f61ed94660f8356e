//! `fleetfn fn dead show OFFSET`.

use crate::api::{Blob, DeadLetterView, Page};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format, clean};
use crate::cli::timestamp::rfc3339;
use std::fmt::Write;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Offset of the event, as `fn dead` lists it
    offset: u64,
    /// Only the letter of this function; the beginning of its name will do
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot show the dead letters of event {}", arguments.offset);
    let client = Client::open(data)?;
    let page: Page<DeadLetterView> = client
        .get(&tried, &format!("/dead-letters/{}", arguments.offset))
        .map_err(|failure| failure.or_next("fleetfn fn dead"))?;
    let mut letters = page.items;
    if let Some(function) = &arguments.function {
        letters.retain(|letter| letter.function.starts_with(function));
        if letters.is_empty() {
            let why = format!("no function that begins with '{function}' failed for it");
            return Err(Failure::new(tried, why).next(format!("fleetfn fn dead show {}", arguments.offset)));
        }
    }
    match arguments.output {
        Format::Json => output::json(&letters),
        Format::Table => {
            let texts: Vec<_> = letters.iter().map(describe).collect();
            output::write(texts.join("\n").as_bytes())
        }
    }
}

/// A letter in lines: a backtrace and logs keep theirs.
fn describe(letter: &DeadLetterView) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<9}{}", clean(value));
    };
    field("offset", &letter.offset.to_string());
    field("time", &rfc3339(letter.received_at_ms));
    field("function", &letter.function);
    field("version", &letter.version);
    field("fuel", &letter.fuel.to_string());
    match &letter.event {
        Some(event) => {
            field("entity", &event.entity);
            let detail = if event.detail.is_empty() { String::new() } else { format!(" {}", event.detail) };
            field("event", &format!("{}{detail}", event.kind.as_deref().unwrap_or("unknown")));
            if let Some(origin) = &event.origin {
                let cause = origin.cause.map(|cause| format!(", caused by {cause}")).unwrap_or_default();
                let source =
                    if origin.source.is_empty() { String::new() } else { format!(" ({})", origin.source) };
                field("origin", &format!("{}{cause}{source}", origin.function));
            }
            field("payload", &event.payload.as_ref().map(Blob::to_string).unwrap_or_default());
        }
        None => field("event", "cannot be read"),
    }
    let mut lines = letter.detail.lines();
    field("error", &format!("{}: {}", letter.error_type, lines.next().unwrap_or_default()));
    lines.for_each(|line| field("", line));
    for (number, line) in letter.logs.iter().enumerate() {
        field(if number == 0 { "logs" } else { "" }, line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::describe;
    use serde_json::json;

    #[test]
    fn a_letter_says_what_failed_for_what_and_why() {
        let letter = json!({
            "offset": 7, "function": "climate", "version": "ab", "received_at_ms": 951_827_696_789_u64,
            "error_type": "trap", "detail": "unreachable\n  0: climate::handle", "fuel": 90,
            "logs": ["one", "two\u{1b}"],
            "event": {"offset": 7, "entity": "devices/d-1", "kind": "message", "detail": "report",
                "received_at_ms": 1, "payload": "x",
                "origin": {"function": "counter", "cause": 5, "hops": 1, "source": "devices/d-2"}},
        });
        let text = describe(&serde_json::from_value(letter).expect("a letter"));
        let expected = "\
offset   7
time     2000-02-29T12:34:56.789Z
function climate
version  ab
fuel     90
entity   devices/d-1
event    message report
origin   counter, caused by 5 (devices/d-2)
payload  x
error    trap: unreachable
           0: climate::handle
logs     one
         two\u{20}
";
        assert_eq!(text, expected);
    }
}
