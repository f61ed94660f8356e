//! The languages of `fn new`, and the files that a new function in each consists of.

use super::super::build::{HEADERS, MANIFEST_FILE};
use crate::dev::SCENARIO_FILE;
use clap::ValueEnum;
use std::path::Path;

/// In which language a function is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Language {
    /// Rust, with the function SDK as a crate
    #[default]
    Rust,
    /// C, with clang and a header
    C,
    /// AssemblyScript, with Node.js and npm
    Assemblyscript,
}

/// A file of a new function: its path below the directory, and what it holds.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

const MANIFEST: &str = include_str!("../template/fleetfn.json.txt");
const CASE: &str = include_str!("../template/case.json.txt");
const SCENARIO: &str = include_str!("../template/scenario.json.txt");

/// The SDK for AssemblyScript, as the package that `package.json` names.
const ASSEMBLYSCRIPT_SDK: [(&str, &str); 5] = [
    ("package.json", include_str!("../../../../../function-sdk/assemblyscript/package.json")),
    ("assembly/event.ts", include_str!("../../../../../function-sdk/assemblyscript/assembly/event.ts")),
    ("assembly/host.ts", include_str!("../../../../../function-sdk/assemblyscript/assembly/host.ts")),
    ("assembly/index.ts", include_str!("../../../../../function-sdk/assemblyscript/assembly/index.ts")),
    ("assembly/json.ts", include_str!("../../../../../function-sdk/assemblyscript/assembly/json.ts")),
];

impl Language {
    /// The files of a function called `name`; `sdk` is where the crate for Rust lies.
    pub(super) fn files(self, name: &str, sdk: Option<&Path>) -> Vec<File> {
        let fill = |template: &str| template.replace("{name}", name);
        let file = |path: &str, text: String| File { path: path.into(), text };
        let mut files = match self {
            Self::Rust => {
                // A quoted string of Rust is one of TOML for every path without control characters.
                let sdk = sdk.map(|sdk| format!("{:?}", sdk.display().to_string())).unwrap_or_default();
                let package = fill(include_str!("../template/rust/Cargo.toml.txt")).replace("{sdk}", &sdk);
                vec![
                    file("Cargo.toml", package),
                    file("src/lib.rs", fill(include_str!("../template/rust/lib.rs.txt"))),
                    file(".gitignore", "/target\n/*.wasm\n".into()),
                ]
            }
            Self::C => {
                let mut files = vec![
                    file(&format!("{name}.c"), include_str!("../template/c/function.c.txt").into()),
                    file(MANIFEST_FILE, fill(MANIFEST)),
                    file(".gitignore", "/*.wasm\n".into()),
                ];
                files.extend(HEADERS.iter().map(|(path, text)| file(path, (*text).into())));
                files
            }
            Self::Assemblyscript => {
                let mut files = vec![
                    file("assembly/index.ts", include_str!("../template/assemblyscript/index.ts.txt").into()),
                    file("package.json", fill(include_str!("../template/assemblyscript/package.json.txt"))),
                    file(
                        "asconfig.json",
                        include_str!("../template/assemblyscript/asconfig.json.txt").into(),
                    ),
                    file(MANIFEST_FILE, fill(MANIFEST)),
                    file(".gitignore", "/build\n/node_modules\n/*.wasm\n".into()),
                ];
                let sdk = ASSEMBLYSCRIPT_SDK.iter();
                files.extend(sdk.map(|(path, text)| file(&format!("fleetfn/{path}"), (*text).into())));
                files
            }
        };
        files.push(file(SCENARIO_FILE, SCENARIO.into()));
        files.push(file("tests/fan.json", CASE.replace("{on}", self.kept())));
        files
    }

    /// How the function of the template keeps that the fan is on.
    fn kept(self) -> &'static str {
        match self {
            // postcard
            Self::Rust => "\"\\u0001\"",
            Self::C => "\"1\"",
            Self::Assemblyscript => "\"true\"",
        }
    }
}
