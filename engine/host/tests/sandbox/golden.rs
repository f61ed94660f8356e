//! The cases in `tests/golden`: what a handler does, and exactly what must come of it.
//!
//! A file holds the cases of one import, with a line `---` between two. A case begins with lines that say what must
//! come of it, then follows the body of a handler, around which are all imports, a manifest with every grant and a
//! result of 0. `` `text` `` in the body stands for the pointer and the length of that text; `\n` and `\hh` in it are
//! escapes.
//!
//! - `;; grants: none`: with a manifest that asks for nothing.
//! - `;; event: KIND`: for which event it runs, see [`of`]; a reading unless it says otherwise.
//! - `;; effect: …`: the next effect, in Rust's debugging form. All must be named.
//! - `;; ends: WORD`: how it ends, if not with `done`; `;; says: TEXT`: a part of the failure's detail.

use crate::events::event;
use crate::fixtures::{Bench, MANIFEST, State, module_with};
use fleetfn_core::event::{Firing, Purpose};
use fleetfn_core::{Event, EventKind, Outcome};
use fleetfn_host::Limits;
use std::fmt::Write;
use std::path::Path;

/// Where texts begin in memory: behind what handlers use by number.
const TEXTS_AT: usize = 16 * 1024;

const NO_GRANTS: &str = r#"{"abi":1,"name":"f","triggers":[{"telemetry":"climate"}]}"#;

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        rest = match after.strip_prefix('n') {
            Some(after) => {
                bytes.push(b'\n');
                after
            }
            None => {
                let (digits, after) = after.split_at(2);
                bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
                after
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The module of a case: its texts become data.
fn module(manifest: &str, body: &str) -> String {
    let (mut code, mut data, mut at) = (String::new(), String::new(), TEXTS_AT);
    for (place, part) in body.split('`').enumerate() {
        if place.is_multiple_of(2) {
            code.push_str(part);
            continue;
        }
        let bytes = unescaped(part);
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "\\{byte:02x}").expect("writes to a string");
            hex
        });
        write!(code, "(i32.const {at}) (i32.const {})", bytes.len()).expect("writes to a string");
        write!(data, "(data (i32.const {at}) \"{hex}\")").expect("writes to a string");
        at += bytes.len();
    }
    let handler = r#"(func (export "fleetfn_v1_on_event") (param $len i32) (result i32)"#;
    module_with(manifest, &format!("{handler} {code} (i32.const 0)) {data}"))
}

fn try_one(bench: &mut Bench, case: &str) -> Result<(), String> {
    let says = |key: &str| -> Vec<&str> {
        case.lines().filter_map(|line| line.strip_prefix(";; ")?.strip_prefix(key)).collect()
    };
    let one =
        |key: &str, otherwise: &'static str| says(key).first().map_or(otherwise, |value| *value).to_owned();
    let manifest = if says("grants: ").is_empty() { MANIFEST } else { NO_GRANTS };
    let module = bench.add(&module(manifest, case));
    let event = of(&one("event: ", "telemetry"));
    let invocation = bench.handle(&module, &event, &State::of(&[("k", "stored")]));
    let (ended, detail) = match &invocation.outcome {
        Outcome::Done => ("done".to_owned(), ""),
        Outcome::Rejected { code } => (format!("rejected {code}"), ""),
        Outcome::Refused { detail } => ("refused".into(), &detail[..]),
        Outcome::Failed { error_type, detail } => ((*error_type).into(), &detail[..]),
        Outcome::Interrupted { detail } => ("interrupted".into(), &detail[..]),
    };
    if ended != one("ends: ", "done") || !detail.contains(&one("says: ", "")) {
        return Err(format!("ended with {ended}: {detail}"));
    }
    let effects: Vec<String> = invocation.effects.iter().map(|effect| format!("{effect:?}")).collect();
    if effects != says("effect: ") {
        return Err(format!("asked for {effects:#?}"));
    }
    Ok(())
}

#[test]
fn every_import_does_what_its_cases_say_and_refuses_what_they_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (mut tried, mut wrong) = (0, String::new());
    for entry in std::fs::read_dir(directory).expect("the cases") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a readable file");
        for (number, case) in (1..).zip(text.split("\n---\n")) {
            let mut bench = Bench::new(Limits::default());
            tried += 1;
            if let Err(reason) = try_one(&mut bench, case) {
                writeln!(wrong, "{name}, case {number}: {reason}\n{case}").expect("writes to a string");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(tried >= 70, "{tried} cases");
}

/// A timer of device `d-1` that was set with the payload `set`.
pub(crate) fn firing(purpose: Purpose<'_>) -> Event {
    let firing = Firing { next_ms: 0, purpose: purpose.to_bytes(), payload: b"set"[..].into() };
    event("devices/d-1", EventKind::TimerFired, "", &firing.encode())
}

/// An event by the word that names its kind in a case.
fn of(word: &str) -> Event {
    let device = "devices/d-1";
    match word {
        "telemetry" => event(device, EventKind::Telemetry { channel: "climate" }, "", b"31.5"),
        "request" => event("hooks", EventKind::Request { path: "hooks/a" }, "POST", b"body"),
        "message" => event("site/berlin", EventKind::Message { name: "reading" }, "devices/d-7", b"31.5"),
        "timer" => firing(Purpose::Named("check")),
        _ => unreachable!("no event '{word}'"),
    }
}
