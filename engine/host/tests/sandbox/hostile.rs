//! The corpus of hostile modules in `tests/hostile`: each says in its first lines what must come of it.
//!
//! `;; refused: TEXT` (admission says TEXT), `;; ends: done`, `;; ends: rejected CODE`, or `;; ends: ERROR_TYPE`;
//! `;; says: TEXT` is a part of the failure's detail. Each runs twice on one host, and after each a good module
//! must still run on that host as if nothing had been.

use crate::fixtures::{Bench, State, handler};
use fleetfn_core::{Invocation, Outcome};
use fleetfn_host::{Limits, Module, admit};
use std::error::Error;
use std::fmt::Write;
use std::path::Path;

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").expect("writes to a string");
        source = cause.source();
    }
    text
}

/// What a file says must come of it.
struct Expected<'a> {
    refused: Option<&'a str>,
    ends: Option<&'a str>,
    says: &'a str,
}

impl<'a> Expected<'a> {
    fn of(wat: &'a str) -> Self {
        let find = |key: &str| wat.lines().find_map(|line| line.strip_prefix(";; ")?.strip_prefix(key));
        Self { refused: find("refused: "), ends: find("ends: "), says: find("says: ").unwrap_or_default() }
    }
}

fn summary(invocation: &Invocation) -> (String, String) {
    match &invocation.outcome {
        Outcome::Done => ("done".into(), String::new()),
        Outcome::Rejected { code } => (format!("rejected {code}"), String::new()),
        Outcome::Refused { detail } => ("refused".into(), detail.clone()),
        Outcome::Failed { error_type, detail } => ((*error_type).into(), detail.clone()),
        Outcome::Interrupted { detail } => ("interrupted".into(), detail.clone()),
    }
}

/// A module that counts in its state, and the invocation that must come of it.
struct Good {
    module: Module,
    expected: Invocation,
}

impl Good {
    fn new(bench: &mut Bench) -> Self {
        let module = bench.add(&handler(
            r#"(drop (call $get (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8)))
               (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (local.get $len)))
               (call $put (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8)))
               (data (i32.const 0) "n""#,
        ));
        let expected = bench.run(&module, b"payload", &State::of(&[("n", "12345678")]));
        assert_eq!(expected.outcome, Outcome::Done);
        Self { module, expected }
    }

    fn still_works(&self, bench: &mut Bench, after: &str) {
        let invocation = bench.run(&self.module, b"payload", &State::of(&[("n", "12345678")]));
        assert_eq!(invocation, self.expected, "after {after}");
    }
}

#[test]
fn every_hostile_module_ends_as_it_says_and_leaves_the_host_whole() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .collect();
    files.sort();
    assert!(files.len() >= 90, "the corpus has {} files", files.len());
    let mut bench = Bench::new(Limits::default());
    let good = Good::new(&mut bench);
    let mut wrong = String::new();
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let wat = std::fs::read_to_string(&file).expect("a readable file");
        if let Err(reason) = try_one(&mut bench, &wat) {
            writeln!(wrong, "{name}: {reason}").expect("writes to a string");
        }
        good.still_works(&mut bench, &name);
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn try_one(bench: &mut Bench, wat: &str) -> Result<(), String> {
    let expected = Expected::of(wat);
    let wasm = wat::parse_str(wat).map_err(|error| error.to_string())?;
    let module = match (bench.library.add(&wasm), expected.refused) {
        (Ok(module), None) => module,
        (Ok(_), Some(_)) => return Err("was admitted".into()),
        (Err(error), Some(words)) if chain(&error).contains(words) => return Ok(()),
        (Err(error), _) => return Err(format!("was refused: {}", chain(&error))),
    };
    let ends = expected.ends.ok_or("says neither `refused` nor `ends`")?;
    let first = bench.run(&module, b"payload", &State::default());
    let second = bench.run(&module, b"payload", &State::default());
    if first != second {
        return Err(format!("is not the same twice: {first:?} and {second:?}"));
    }
    let (ended, detail) = summary(&first);
    if ended != ends || !detail.contains(expected.says) {
        return Err(format!("ended with {ended}: {detail}"));
    }
    if first.outcome != Outcome::Done && !first.effects.is_empty() {
        return Err("left effects".into());
    }
    Ok(())
}

fn refusal(wasm: &[u8]) -> String {
    chain(&admit(wasm).expect_err("refused"))
}

fn refusal_of(wat: &str) -> String {
    refusal(&wat::parse_str(wat).expect("a module in text form"))
}

#[test]
fn what_is_no_module_is_refused() {
    assert!(refusal(b"").contains("not a WebAssembly module"));
    assert!(refusal(b"#!/bin/sh\necho hello").contains("not a WebAssembly module"));
    assert!(refusal(b"\0asm\x0d\0\x01\0").contains("component"));
    assert!(refusal(b"\0asm\x02\0\0\0").contains("not a WebAssembly module"));
    assert!(refusal(&vec![0; 3 << 20]).contains("bytes of module: 3145728, at most 2097152"));
    // A code section that ends behind the end of the file.
    assert!(refusal(b"\0asm\x01\0\0\0\x0a\xff\xff\x03\x01").contains("not a WebAssembly module"));
}

#[test]
fn what_fuel_does_not_cover_is_refused() {
    let ok = |more: &str| {
        crate::fixtures::module(&format!(
            r#"{more} (func $on (export "fleetfn_v1_on_event") (param i32) (result i32) (i32.const 0))"#
        ))
    };
    let many = |count: usize, text: fn(usize) -> String| (0..count).map(text).collect::<String>();
    let exports = many(100_000, |n| format!("(export \"e{n}\" (func $on))"));
    assert!(refusal_of(&ok(&exports)).contains("exports: 100003, at most 256"));
    let globals = "(global (mut i64) (i64.const 0))".repeat(100_000);
    assert!(refusal_of(&ok(&globals)).contains("globals: 100000, at most 256"));
    let functions = "(func)".repeat(10_001);
    assert!(refusal_of(&ok(&functions)).contains("functions: 10003, at most 10000"));
    let locals = format!("(func (local {}))", "i64 ".repeat(257));
    assert!(refusal_of(&ok(&locals)).contains("locals of a function: 257, at most 256"));
    let line = format!("(func {})", "(drop (i64.mul (i64.const 1) (i64.const 2)))".repeat(30_000));
    assert!(refusal_of(&ok(&line)).contains("bytes of a function body"));
    let table = format!("(func (block (br_table {} (i32.const 0))))", "0 ".repeat(20_002));
    assert!(refusal_of(&ok(&table)).contains("br_table targets of a function: 20001, at most 20000"));
    let grows = format!("(func {})", "(drop (memory.grow (i32.const 0)))".repeat(20_000));
    assert!(refusal_of(&ok(&grows)).contains("memory.grow and table.grow in a function: 20000, at most 64"));
    let segments = "(data (i32.const 0) \"\")".repeat(1_001);
    assert!(refusal_of(&ok(&segments)).contains("data segments: 1001, at most 1000"));
    let elements = format!("(table 1 funcref) (elem func {})", "$on ".repeat(10_001));
    assert!(refusal_of(&ok(&elements)).contains("items of element segments: 10001, at most 10000"));
    let types = many(1_001, |n| format!("(type (func (param {})))", "i32 ".repeat(n % 20)));
    assert!(refusal_of(&ok(&types)).contains("types: "));
    let custom = format!("(@custom \"debug\" \"{}\")", "x".repeat((1 << 20) + 1));
    assert!(refusal_of(&ok(&custom)).contains("bytes of custom sections"));
}

#[test]
fn deep_nesting_overflows_nothing() {
    // As deep as a body of the largest size can be.
    let nested = format!("{}{}i32.const 0", "block\n".repeat(40_000), "end\n".repeat(40_000));
    let mut bench = Bench::new(Limits::default());
    let module = bench.add(&handler(&nested));
    assert_eq!(bench.run(&module, b"", &State::default()).outcome, Outcome::Done);
}
