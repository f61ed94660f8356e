//! Who may import whom: the edges between our own packages, and who may depend on what is pinned to one home.
//!
//! Reads the manifests line by line: section headers and the first word of a line are all that is needed.

use super::Violation;

/// A package of ours, and which others of ours it may depend on.
struct Package {
    name: &'static str,
    may_import: &'static [&'static str],
}

const PACKAGES: [Package; 22] = [
    Package { name: "fleetfn-protocol", may_import: &[] },
    Package { name: "fleetfn-abi", may_import: &[] },
    Package { name: "fleetfn-broker", may_import: &["fleetfn-protocol"] },
    Package { name: "fleetfn-core", may_import: &["fleetfn-protocol"] },
    Package { name: "fleetfn-store", may_import: &["fleetfn-core", "fleetfn-protocol"] },
    Package { name: "fleetfn-host", may_import: &["fleetfn-core", "fleetfn-abi", "fleetfn-protocol"] },
    Package {
        name: "fleetfn",
        may_import: &[
            "fleetfn-protocol",
            "fleetfn-broker",
            "fleetfn-core",
            "fleetfn-store",
            "fleetfn-host",
            "fleetfn-abi",
        ],
    },
    Package { name: "fleetfn-function-macros", may_import: &["fleetfn-abi"] },
    Package { name: "fleetfn-function", may_import: &["fleetfn-abi", "fleetfn-function-macros"] },
    Package { name: "fleetfn-device", may_import: &["fleetfn-protocol"] },
    Package { name: "climate", may_import: &["fleetfn-function"] },
    Package { name: "geofence", may_import: &["fleetfn-function"] },
    Package { name: "counter", may_import: &["fleetfn-function"] },
    Package { name: "nightly", may_import: &["fleetfn-function"] },
    Package { name: "site-mean", may_import: &["fleetfn-function"] },
    Package { name: "bench-empty", may_import: &["fleetfn-function"] },
    Package { name: "bench-json", may_import: &["fleetfn-function"] },
    Package { name: "bench-noisy", may_import: &["fleetfn-function"] },
    Package { name: "bench-quiet", may_import: &["fleetfn-function"] },
    Package { name: "bench-spread", may_import: &["fleetfn-function"] },
    Package { name: "bench-stateful", may_import: &["fleetfn-function"] },
    // Handlers are measured beside other sandboxes without a server around them.
    Package {
        name: "fleetfn-bench",
        may_import: &[
            "fleetfn-abi",
            "fleetfn-core",
            "fleetfn-host",
            "fleetfn-protocol",
            "bench-json",
            "bench-stateful",
        ],
    },
];

/// A foreign crate, and the only packages that may depend on it.
const HOMES: [(&str, &[&str]); 6] = [
    ("sled", &["fleetfn-store"]),
    ("rumqttd", &["fleetfn-broker"]),
    ("wasmi", &["fleetfn-host"]),
    ("wasmi_core", &["fleetfn-host"]),
    ("wasmtime", &["fleetfn-host", "fleetfn-bench"]),
    ("tokio", &["fleetfn-broker", "fleetfn", "fleetfn-bench"]),
];

/// Checks one manifest.
pub(super) fn check(file: &str, text: &str, violations: &mut Vec<Violation>) {
    let Some(package) = package_name(text) else { return };
    let known = PACKAGES.iter().find(|candidate| candidate.name == package);
    if !text.contains("[lints]\nworkspace = true") {
        violations.push(Violation::new(
            file,
            1,
            "the workspace's lints are not taken over: `[lints] workspace = true`",
        ));
    }
    for (line, dependency) in dependencies(text) {
        let is_ours =
            dependency.starts_with("fleetfn") || PACKAGES.iter().any(|ours| ours.name == dependency);
        let may = known.is_some_and(|known| known.may_import.contains(&dependency));
        if is_ours && !may && dependency != package {
            violations.push(Violation::new(
                file,
                line,
                format!("{package} may not import {dependency}: a new edge is a decision (xtask/src/tidy/edges.rs)"),
            ));
        }
        if let Some((_, homes)) = HOMES.iter().find(|(name, _)| *name == dependency)
            && !homes.contains(&package)
        {
            violations.push(Violation::new(
                file,
                line,
                format!("{dependency} belongs to {} only", homes.join(", ")),
            ));
        }
    }
}

/// The value of `name` in `[package]`; a workspace manifest has none.
fn package_name(text: &str) -> Option<&str> {
    let mut section = "";
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = header;
        } else if section == "package]"
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "name"
        {
            return Some(value.trim().trim_matches('"'));
        }
    }
    None
}

/// Every dependency of every kind, with the line that names it.
fn dependencies(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_start_matches('[').trim_end_matches(']');
            in_dependencies = header.ends_with("dependencies");
            if let Some((_, name)) = header.split_once("dependencies.") {
                found.push((index + 1, name));
            }
        } else if in_dependencies {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                found.push((index + 1, name.trim_matches('"')));
            }
        }
    }
    found
}
