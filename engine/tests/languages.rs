//! Functions in every language: built and run through their cases by `fleetfn fn`, as their authors do it.
//!
//! Rust needs nothing that the engine itself does not need. The others run where their tools are; with
//! `FLEETFN_TEST_LANGUAGES=all` a missing tool is a failure.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Environment variable that is `all` where every tool must be there.
const LANGUAGES_VARIABLE: &str = "FLEETFN_TEST_LANGUAGES";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn fleetfn() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetfn"));
    // Beside what cargo has locked while it tests.
    let functions = Path::new(env!("CARGO_TARGET_TMPDIR")).join("functions");
    command.env("CARGO_TARGET_DIR", functions).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn wants_all() -> bool {
    std::env::var_os(LANGUAGES_VARIABLE).is_some_and(|value| value == "all")
}

/// Whether a language can be tried: all of its tools answer.
fn has(tools: &[&str]) -> bool {
    let missing = tools.iter().find(|tool| {
        let asked = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        !asked.is_ok_and(|status| status.success())
    });
    match missing {
        None => true,
        Some(tool) => {
            assert!(!wants_all(), "{tool} is missing, and {LANGUAGES_VARIABLE}=all wants every language");
            eprintln!("not run: {tool} is missing; {LANGUAGES_VARIABLE}=all makes that a failure");
            false
        }
    }
}

/// Runs the cases of a function: all must pass, and there must be some.
fn test(function: &Path) {
    test_with(function, &function.join("tests"));
}

fn test_with(function: &Path, cases: &Path) {
    let mut command = fleetfn();
    command.args(["fn", "test"]).arg(function).arg("--cases").arg(cases);
    let output = command.output().expect("the binary starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}:\n{stdout}\n{stderr}", function.display());
    assert!(stdout.lines().count() > 0 && stdout.lines().all(|line| line.starts_with("ok ")), "{stdout}");
}

/// Makes a new function in a language, and runs its cases.
fn make_and_test(language: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let made =
        fleetfn().args(["fn", "new", "door", "--lang", language]).current_dir(directory.path()).status();
    assert!(made.expect("the binary starts").success(), "fn new --lang {language}");
    test(&directory.path().join("door"));
}

#[test]
fn a_new_function_in_rust_passes_its_cases() {
    make_and_test("rust");
}

#[test]
fn a_plain_program_of_rust_for_wasi_passes_its_cases() {
    test(&root().join("tests/guests/wasi-climate"));
}

#[test]
fn a_plug_in_made_with_extisms_kit_passes_its_cases() {
    // Its dependencies are those of a workspace of its own: fetched only where everything is to be tried.
    if wants_all() {
        test(&root().join("tests/guests/extism-climate"));
    } else {
        eprintln!("not run: {LANGUAGES_VARIABLE}=all fetches the kit and runs it");
    }
}

#[test]
fn functions_in_c_pass_their_cases() {
    if has(&["clang", "wasm-ld"]) {
        make_and_test("c");
        test(&root().join("function-sdk/c/examples/climate"));
        test(&root().join("tests/guests/every-kind"));
    }
}

#[test]
fn functions_in_assemblyscript_pass_their_cases() {
    if has(&["node", "npm"]) {
        make_and_test("assemblyscript");
        test(&root().join("function-sdk/assemblyscript/examples/climate"));
        let guests = root().join("tests/guests");
        test_with(&guests.join("every-kind-as"), &guests.join("every-kind/tests"));
    }
}

#[test]
fn a_case_that_differs_fails_and_can_be_updated() {
    let directory = tempfile::tempdir().expect("a directory");
    let module = wat::parse_str(
        r#"(module
        (@custom "fleetfn_v1_manifest" "{\"abi\":1,\"name\":\"f\",\"triggers\":[{\"telemetry\":\"a\"},{\"timer\":\"+\"}]}")
        (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "n")
        (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
        (func (export "fleetfn_v1_on_event") (param i32) (result i32)
            (call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))))"#,
    )
    .expect("a module");
    let file = directory.path().join("f.wasm");
    let case = directory.path().join("tests/one.json");
    std::fs::write(&file, module).expect("written");
    std::fs::create_dir(directory.path().join("tests")).expect("made");
    let wrong =
        r#"{"name": "it keeps n", "events": [{"timer": "t", "expect": {"effects": [{"value": "m"}]}}]}"#;
    std::fs::write(&case, wrong).expect("written");

    let run = |flags: &[&str]| {
        let output =
            fleetfn().args(["fn", "test"]).arg(&file).args(flags).output().expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, stdout, stderr) = run(&[]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.starts_with("FAIL ") && stdout.contains("it keeps n"), "{stdout}");
    assert!(stderr.contains("effects[0].value\n      expected: \"m\"\n      actual:   \"n\""), "{stderr}");
    assert!(stderr.contains("--update"), "{stderr}");

    assert_eq!(run(&["--update"]).0, Some(0));
    let written = std::fs::read_to_string(&case).expect("a case");
    assert!(written.contains(r#"{"kind": "state-put", "key": "n", "value": "n"}"#), "{written}");
    assert_eq!(run(&[]).0, Some(0));
    assert_eq!(run(&["--only", "something else"]).0, Some(1));
}

#[test]
fn every_language_knows_every_import_with_its_arguments() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).expect("the source of an SDK");
    let c = read("function-sdk/c/fleetfn.h");
    let assemblyscript = read("function-sdk/assemblyscript/assembly/host.ts");
    for import in fleetfn_abi::IMPORTS {
        let declared = [
            ("C", &c, format!("FLEETFN_IMPORT(\"{}\")", import.name)),
            ("AssemblyScript", &assemblyscript, format!("@external(\"fleetfn_v1\", \"{}\")", import.name)),
        ];
        for (language, source, mark) in declared {
            let (_, after) =
                source.split_once(&mark).unwrap_or_else(|| panic!("{language} lacks {}", import.name));
            let (declaration, _) = after.split_once(';').expect("a declaration ends");
            let (_, parameters) = declaration.split_once('(').expect("it has parameters");
            let count = parameters.matches(',').count() + 1;
            assert_eq!(count, import.params, "{language}: {}", import.name);
        }
    }
}
