//! `cargo xtask header [--check]`: writes the header of the C library from its source, or says that it has changed.

use crate::repository;
use anyhow::{Context, Result};
use cbindgen::{Builder, Config, EnumConfig, ExportConfig, Language, RenameRule, Style};
use std::process::ExitCode;

/// The package, and its header beside the manifest.
const PACKAGE: &str = "device-sdk/c";
const HEADER: &str = "device-sdk/c/fleetfn_device.h";

const TOP: &str = "\
/* The agent of the fleetfn device SDK, for firmware in C. Made by `cargo xtask header`, do not edit.
 *
 * A device lives in memory of the caller's, with two buffers of the caller's. There is no allocator, no clock, no thread
 * and no socket: bytes, time and chance are arguments. Calls with one device must not overlap. Pointers are null or point to
 * what they say; null where something is needed is answered with FLEETFN_STATUS_NULL_POINTER. */";

/// Writes the header; with `checks`, only compares.
pub(crate) fn run(checks: bool) -> Result<ExitCode> {
    let root = repository::root()?;
    let sources =
        ["ffi", "notice", "status"].map(|module| root.join(PACKAGE).join(format!("src/{module}.rs")));
    let builder =
        sources.iter().fold(Builder::new().with_config(config()), |builder, source| builder.with_src(source));
    let mut made = Vec::new();
    builder.generate().context("reading the source of the C library")?.write(&mut made);
    let path = root.join(HEADER);
    if !checks {
        std::fs::write(&path, made).with_context(|| format!("writing {HEADER}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_same = std::fs::read(&path).with_context(|| format!("reading {HEADER}"))? == made;
    if !is_same {
        println!("{HEADER} is not that of the source: cargo xtask header");
    }
    Ok(if is_same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn config() -> Config {
    let names = [
        ("Device", "fleetfn_device"),
        ("Config", "fleetfn_config"),
        ("Status", "fleetfn_status"),
        ("NoticeKind", "fleetfn_notice_kind"),
        ("Notice", "fleetfn_notice"),
        ("Bytes", "fleetfn_bytes"),
        ("WORDS", "FLEETFN_DEVICE_WORDS"),
        ("NEVER_MS", "FLEETFN_DEVICE_NEVER_MS"),
    ];
    Config {
        language: Language::C,
        cpp_compat: true,
        header: Some(TOP.to_owned()),
        include_guard: Some("FLEETFN_DEVICE_H".to_owned()),
        no_includes: true,
        sys_includes: ["stdbool.h", "stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
        usize_is_size_t: true,
        style: Style::Both,
        line_length: 110,
        tab_width: 4,
        documentation_style: cbindgen::DocumentationStyle::C99,
        enumeration: EnumConfig {
            rename_variants: RenameRule::QualifiedScreamingSnakeCase,
            ..EnumConfig::default()
        },
        export: ExportConfig {
            rename: names.map(|(from, to)| (from.to_owned(), to.to_owned())).into(),
            exclude: vec!["MARK".to_owned(), "State".to_owned()],
            ..ExportConfig::default()
        },
        ..Config::default()
    }
}
