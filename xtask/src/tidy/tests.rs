use super::{Violation, edges, files, source};

fn in_source(name: &str, text: &str) -> Vec<(usize, String)> {
    found(|violations| source::check(name, text, violations))
}

fn found(check: impl FnOnce(&mut Vec<Violation>)) -> Vec<(usize, String)> {
    let mut violations = Vec::new();
    check(&mut violations);
    violations.into_iter().map(|violation| (violation.line, violation.what)).collect()
}

#[test]
fn a_clean_file_is_left_alone() {
    let text = "//! A noun.\n\nuse core::fmt;\n// sled::open is what we do not call\n";
    assert_eq!(in_source("engine/core/src/noun.rs", text), []);
}

#[test]
fn a_file_opens_with_prose_unless_it_is_a_module_of_tests() {
    assert_eq!(in_source("broker/src/a.rs", "use x;\n").len(), 1);
    assert_eq!(in_source("broker/src/a/tests.rs", "use super::x;\n"), []);
    assert_eq!(in_source("tests/kill9.rs", "use x;\n").len(), 1);
}

#[test]
fn a_pinned_crate_is_named_in_its_home_only() {
    let text = "//! A noun.\nfn f(tree: &sled::Tree) {}\n";
    assert_eq!(in_source("engine/store/src/view/tree.rs", text), []);
    assert_eq!(in_source("engine/store/src/view.rs", text), []);
    let elsewhere = in_source("engine/store/src/log/segment.rs", text);
    assert_eq!(elsewhere, [(2, "sled is named only under engine/store/src/view".to_owned())]);
    assert_eq!(in_source("engine/src/a.rs", "//! A noun.\nuse wasmi;\n").len(), 1);
    assert_eq!(in_source("broker/src/a.rs", "//! A noun.\nuse crate::rumqttd::Link;\n"), []);
}

#[test]
fn core_and_device_have_no_clock() {
    let text = "//! A noun.\nuse std::time::Instant;\n#[cfg(test)]\nmod tests { use std::vec; }\n";
    for pure in ["engine/core/src/noun.rs", "device-sdk/src/mqtt/noun.rs", "device-sdk/src/agent.rs"] {
        assert_eq!(in_source(pure, text).len(), 1, "{pure}");
    }
    assert_eq!(in_source("device-sdk/src/tcp.rs", text), []);
    assert_eq!(in_source("engine/core/src/lib.rs", "//! The crate.\n").len(), 1);
}

#[test]
fn unfinished_and_silenced_code_is_refused() {
    for (head, tail) in [("#[", "allow(dead_code)]"), ("todo", "!()"), ("#[", "ignore]")] {
        let text = format!("//! A noun.\n    {head}{tail}\n");
        assert_eq!(in_source("broker/src/a.rs", &text).len(), 1, "{text}");
    }
}

#[test]
fn an_edge_that_the_table_does_not_have_is_refused() {
    let text = "[package]\nname = \"fleetfn-core\"\n[lints]\nworkspace = true\n[dependencies]\nfleetfn-store.workspace = true\n";
    let violations = found(|violations| edges::check("engine/core/Cargo.toml", text, violations));
    assert_eq!(violations.len(), 1);
    assert!(violations[0].1.contains("fleetfn-core may not import fleetfn-store"));
    let tokio = text.replace("fleetfn-store.workspace = true", "tokio = \"1\"");
    assert_eq!(found(|violations| edges::check("engine/core/Cargo.toml", &tokio, violations)).len(), 1);
    let section = text.replace("[dependencies]\nfleetfn-store", "[dependencies.fleetfn-store]\nx");
    assert_eq!(found(|violations| edges::check("engine/core/Cargo.toml", &section, violations)).len(), 1);
}

#[test]
fn an_edge_of_tests_is_one_of_tests_only() {
    let text = "[package]\nname = \"fleetfn-device\"\n[lints]\nworkspace = true\n[dev-dependencies]\nfleetfn-broker.workspace = true\ntokio.workspace = true\n";
    assert_eq!(found(|violations| edges::check("device-sdk/Cargo.toml", text, violations)), []);
    let real = text.replace("dev-dependencies", "dependencies");
    assert_eq!(found(|violations| edges::check("device-sdk/Cargo.toml", &real, violations)).len(), 1);
}

#[test]
fn names_lengths_and_whitespace_are_checked() {
    let check = |name: &str, bytes: &[u8]| found(|violations| files::check(name, bytes, violations));
    assert_eq!(check("engine/src/utils.rs", b"//! x\n").len(), 1);
    assert_eq!(check("engine/src/helpers/mod.rs", b"//! x\n").len(), 1);
    assert_eq!(check("a.rs", b"//! x \n"), [(1, "whitespace at the end of the line".to_owned())]);
    assert_eq!(check("a.rs", "//! x\n".repeat(501).as_bytes()).len(), 1);
    assert_eq!(check("tests/a.rs", "//! x\n".repeat(501).as_bytes()), []);
    assert_eq!(check("tests/a.rs", "//! x\n".repeat(701).as_bytes()).len(), 1);
    assert_eq!(check("climate.wasm", b"\0asm").len(), 1);
}
