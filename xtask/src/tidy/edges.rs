//! Who may import whom: the edges between our own packages, and who may depend on what is pinned to one home.
//!
//! Reads the manifests line by line: section headers and the first word of a line are all that is needed.

use super::Violation;

/// A package of ours, and which others of ours it may depend on.
struct Package {
    name: &'static str,
    may_import: &'static [&'static str],
    /// And which its tests may, besides.
    tests_may_import: &'static [&'static str],
}

/// One whose tests import nothing more.
const fn package(name: &'static str, may_import: &'static [&'static str]) -> Package {
    Package { name, may_import, tests_may_import: &[] }
}

const PACKAGES: [Package; 36] = [
    package("fleetfn-protocol", &[]),
    package("fleetfn-abi", &[]),
    package("fleetfn-broker", &["fleetfn-protocol"]),
    package("fleetfn-core", &["fleetfn-protocol"]),
    package("fleetfn-store", &["fleetfn-core", "fleetfn-protocol"]),
    package("fleetfn-host", &["fleetfn-core", "fleetfn-abi", "fleetfn-protocol"]),
    Package {
        name: "fleetfn",
        may_import: &[
            "fleetfn-protocol",
            "fleetfn-broker",
            "fleetfn-core",
            "fleetfn-store",
            "fleetfn-host",
            "fleetfn-abi",
            // Simulated devices are devices.
            "fleetfn-device",
            "fleetfn-patch",
        ],
        // Firmware on emulated boards is tried against the binary.
        tests_may_import: &["fleetfn-device", "fleetfn-qemu"],
    },
    package("fleetfn-function-macros", &["fleetfn-abi"]),
    package("fleetfn-function", &["fleetfn-abi", "fleetfn-function-macros"]),
    // Both ends of the wire meet in the tests of one of them.
    Package {
        name: "fleetfn-device",
        may_import: &["fleetfn-patch", "fleetfn-protocol"],
        tests_may_import: &["fleetfn-broker"],
    },
    Package {
        name: "fleetfn-device-c",
        may_import: &["fleetfn-device", "fleetfn-protocol"],
        tests_may_import: &["fleetfn-broker"],
    },
    package("fleetfn-footprint", &["fleetfn-device", "fleetfn-protocol"]),
    package("fleetfn-fuzz", &["fleetfn-device", "fleetfn-patch", "fleetfn-protocol"]),
    // One makes patches, the other applies them.
    package("fleetfn-patch", &[]),
    package("room-sensor", &["fleetfn-device"]),
    package("mps2-an385", &["fleetfn-device", "fleetfn-protocol", "room-sensor"]),
    package("mps2-an385-boot", &["mps2-an385"]),
    package("riscv32-virt", &["fleetfn-device", "room-sensor"]),
    package("rp2040", &["fleetfn-device", "room-sensor"]),
    package("linux-gateway", &["fleetfn-device", "fleetfn-protocol", "room-sensor"]),
    package("fleetfn-qemu", &["fleetfn-device", "fleetfn-protocol"]),
    package("xtask", &["fleetfn-device", "fleetfn-protocol", "fleetfn-qemu"]),
    package("climate", &["fleetfn-function"]),
    package("firmware-guard", &["fleetfn-function"]),
    package("geofence", &["fleetfn-function"]),
    package("counter", &["fleetfn-function"]),
    package("nightly", &["fleetfn-function"]),
    package("restarts", &["fleetfn-function"]),
    package("site-mean", &["fleetfn-function"]),
    package("bench-empty", &["fleetfn-function"]),
    package("bench-json", &["fleetfn-function"]),
    package("bench-noisy", &["fleetfn-function"]),
    package("bench-quiet", &["fleetfn-function"]),
    package("bench-spread", &["fleetfn-function"]),
    package("bench-stateful", &["fleetfn-function"]),
    // Handlers are measured beside other sandboxes without a server around them.
    package(
        "fleetfn-bench",
        &["fleetfn-abi", "fleetfn-core", "fleetfn-host", "fleetfn-protocol", "bench-json", "bench-stateful"],
    ),
];

/// A foreign crate, and the only packages that may depend on it.
struct Home {
    name: &'static str,
    packages: &'static [&'static str],
    /// And those whose tests may, besides.
    tests: &'static [&'static str],
}

const HOMES: [Home; 7] = [
    Home { name: "sled", packages: &["fleetfn-store"], tests: &[] },
    Home { name: "rumqttd", packages: &["fleetfn-broker"], tests: &[] },
    Home { name: "wasmi", packages: &["fleetfn-host"], tests: &[] },
    Home { name: "wasmi_core", packages: &["fleetfn-host"], tests: &[] },
    Home { name: "wasmtime", packages: &["fleetfn-host", "fleetfn-bench"], tests: &[] },
    Home { name: "sequential-storage", packages: &["fleetfn-device"], tests: &[] },
    Home {
        name: "tokio",
        // Of the device SDK only the driver for hosts and the simulation, behind features of their own.
        packages: &["fleetfn-broker", "fleetfn", "fleetfn-bench", "fleetfn-device", "linux-gateway"],
        tests: &["fleetfn-device-c"],
    },
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
    for Dependency { line, name: dependency, in_tests } in dependencies(text) {
        let is_ours =
            dependency.starts_with("fleetfn") || PACKAGES.iter().any(|ours| ours.name == dependency);
        let may = known.is_some_and(|known| {
            known.may_import.contains(&dependency) || in_tests && known.tests_may_import.contains(&dependency)
        });
        if is_ours && !may && dependency != package {
            violations.push(Violation::new(
                file,
                line,
                format!("{package} may not import {dependency}: a new edge is a decision (xtask/src/tidy/edges.rs)"),
            ));
        }
        if let Some(home) = HOMES.iter().find(|home| home.name == dependency)
            && !home.packages.contains(&package)
            && !(in_tests && home.tests.contains(&package))
        {
            violations.push(Violation::new(
                file,
                line,
                format!("{dependency} belongs to {} only", home.packages.join(", ")),
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

/// A dependency, and the line that names it.
struct Dependency<'a> {
    line: usize,
    name: &'a str,
    /// Whether it is a development dependency.
    in_tests: bool,
}

/// Every dependency of every kind.
fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let (mut in_dependencies, mut in_tests) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_start_matches('[').trim_end_matches(']');
            in_dependencies = header.ends_with("dependencies");
            in_tests = header.contains("dev-dependencies");
            if let Some((_, name)) = header.split_once("dependencies.") {
                found.push(Dependency { line: line_number, name, in_tests });
            }
        } else if in_dependencies {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                found.push(Dependency { line: line_number, name: name.trim_matches('"'), in_tests });
            }
        }
    }
    found
}
