//! Leaves a failing case as a file, and goes through such a file step by step.

use crate::log::Entry;
use crate::memory::Memory;
use crate::reference::Reference;
use crate::step::Step;
use crate::world::World;
use fleetfn_core::commit::DeadLetter;
use fleetfn_core::{EventKind, Offset};
use fleetfn_protocol::FunctionName;
use std::collections::BTreeSet;
use std::fmt::{Debug, Write};
use std::path::{Path, PathBuf};

/// Names the file to go through.
const VARIABLE: &str = "FLEETFN_MODEL_REPLAY";

/// Writes a case into the target directory.
pub(crate) fn leave(name: &str, steps: &[Step]) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(Path::to_path_buf).unwrap_or_default();
    let directory: PathBuf = target.join("model-failures");
    let lines: String = steps.iter().map(|step| format!("{step}\n")).collect();
    let path = directory.join(format!("{name}.txt"));
    let left = std::fs::create_dir_all(&directory).and_then(|()| std::fs::write(&path, lines));
    match left {
        Ok(()) => eprintln!("left {}: cargo xtask replay {}", path.display(), path.display()),
        Err(error) => eprintln!("cannot leave {}: {error}", path.display()),
    }
}

/// The steps of a file: one a line, and comments.
pub(crate) fn read(text: &str) -> Vec<Step> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| Step::parse(line).unwrap_or_else(|| unreachable!("no step: {line}"))).collect()
}

/// Every row as a line.
fn rows(world: &World) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for (place, lane) in world.lanes.iter().enumerate() {
        let Memory {
            state, shadows, outbox, timers, sends, marks, twins, letters, backlog, requests, ..
        } = &lane.memory;
        let mut add = |what: &str, all: &mut dyn Iterator<Item = String>| {
            rows.extend(all.map(|row| format!("partition {place}: {what} {row}")));
        };
        add("cursor", &mut std::iter::once(lane.memory.cursor.to_string()));
        add("state", &mut state.iter().map(debug));
        add("shadow", &mut shadows.iter().map(debug));
        add("outbox", &mut outbox.iter().map(debug));
        add("timer", &mut timers.iter().map(debug));
        add("send", &mut sends.iter().map(debug));
        add("mark", &mut marks.iter().map(debug));
        add("twin", &mut twins.iter().map(debug));
        add("request", &mut requests.iter().map(debug));
        add("waits", &mut backlog.keys().map(debug));
        let letter = |((offset, function), letter): (&(Offset, FunctionName), &DeadLetter)| {
            format!("{offset} of {function}: {}", letter.error_type)
        };
        add("letter", &mut letters.iter().map(letter));
    }
    rows
}

fn debug(row: impl Debug) -> String {
    format!("{row:?}")
}

fn shown(entry: &Entry) -> String {
    match entry {
        Entry::Deploy(name, line) => format!("act on {name}: {line:?}"),
        Entry::Budget(name, fuel) => format!("budget of {name}: {fuel:?}"),
        Entry::Zone(device, zone) => format!("zone of {device}: {zone}"),
        Entry::Commit(commit) => {
            let (changes, cursor) = (commit.changes.len(), commit.cursor.map(|cursor| cursor.0));
            format!("commit of partition {}: cursor {cursor:?}, {changes} changes", commit.partition.0)
        }
        Entry::Event(event) => {
            let mut text =
                format!("{} of {} at {}", event.kind().word(), event.entity(), event.received_at_ms());
            if let Some(origin) = event.origin() {
                let (function, cause) = (origin.function, origin.cause);
                // Writing into a text cannot fail.
                let _ = write!(text, ", for or of {function}, cause {cause}, sequence {}", origin.sequence);
            }
            if let EventKind::Telemetry { .. } | EventKind::Message { .. } = event.kind() {
                let _ = write!(text, ", script {:?}", &event.payload()[..]);
            }
            text
        }
    }
}

/// What a step changed, a line each.
fn changes(before: &(usize, BTreeSet<String>), world: &World) -> Vec<String> {
    let (length, old) = before;
    let new = rows(world);
    let mut lines = vec![];
    if world.log.len() < *length {
        lines.push(format!("the log ends at {}", world.log.len()));
    }
    let entries = world.log.iter().enumerate().skip(*length);
    lines.extend(entries.map(|(at, entry)| format!("log {at}: {}", shown(entry))));
    lines.extend(old.difference(&new).map(|row| format!("- {row}")));
    lines.extend(new.difference(old).map(|row| format!("+ {row}")));
    lines
}

/// Goes through steps and tells what each changes; at the end the comparison.
fn replay(steps: &[Step], tell: &mut dyn FnMut(String)) {
    let mut world = World::default();
    for (number, step) in (1..).zip(steps) {
        let before = (world.log.len(), rows(&world));
        tell(format!("{number}. {step}"));
        world.step(step);
        changes(&before, &world).into_iter().for_each(|line| tell(format!("     {line}")));
    }
    let before = (world.log.len(), rows(&world));
    tell("everything comes to rest".into());
    world.finish();
    changes(&before, &world).into_iter().for_each(|line| tell(format!("     {line}")));
    Reference::of(&world.log).check(&world);
    tell("as the interpreter says".into());
}

/// Goes through the file that the environment names, or through a small case.
#[test]
fn a_case_can_be_gone_through_step_by_step() {
    if let Some(file) = std::env::var_os(VARIABLE) {
        let text = std::fs::read_to_string(&file).expect("the file to be replayed can be read");
        return replay(&read(&text), &mut |line| println!("{line}"));
    }
    let text = "deploy function=0 live=1 canary=- dark=- paused=0 backfill=-\n\
                reading device=0 id=- script=8,1,0,2\n\
                sync\n\
                turn records=9 interrupt=0\n\
                crash kept=0\n";
    let mut told = String::new();
    replay(&read(text), &mut |line| told.extend([line.as_str(), "\n"]));
    for part in ["4. turn", "log 2: commit of partition 0", "- partition 0: timer", "as the interpreter says"]
    {
        assert!(told.contains(part), "{part} in\n{told}");
    }
}
