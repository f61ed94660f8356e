//! In which language a function is written, told by the files of its directory.

use super::MANIFEST_FILE;
use std::path::{Path, PathBuf};

/// What there is to build.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A package of Rust made with the function SDK: `Cargo.toml`, no `fleetfn.json`.
    Rust(PathBuf),
    /// A program of Rust for WASI: `Cargo.toml`, `src/main.rs`, `fleetfn.json`.
    RustWasi(PathBuf),
    /// A library of Rust made with Extism's PDK: `Cargo.toml`, no `src/main.rs`, `fleetfn.json`.
    RustExtism(PathBuf),
    /// Files of C, in the directory or its `src`, and `fleetfn.json`.
    C(Vec<PathBuf>),
    /// `asconfig.json` and `fleetfn.json`.
    AssemblyScript,
    /// A module that another tool built, and `fleetfn.json` beside it.
    Module(PathBuf),
}

impl Source {
    /// What there is at `path`, or why nothing can be built.
    pub(super) fn detect(path: &Path) -> Result<Self, String> {
        if path.is_file() {
            return match path.extension() {
                Some(extension) if extension == "wasm" => Ok(Self::Module(path.to_path_buf())),
                _ => Err("it is neither a directory nor a .wasm file".into()),
            };
        }
        let has = |name: &str| path.join(name).is_file();
        let package = path.join("Cargo.toml");
        if package.is_file() {
            let package =
                package.canonicalize().map_err(|error| format!("{}: {error}", package.display()))?;
            return Ok(match (has(MANIFEST_FILE), has("src/main.rs")) {
                (false, _) => Self::Rust(package),
                (true, true) => Self::RustWasi(package),
                (true, false) => Self::RustExtism(package),
            });
        }
        let files = c_files(path);
        let source = match (has("asconfig.json"), files.is_empty()) {
            (true, _) => Self::AssemblyScript,
            (false, false) => Self::C(files),
            (false, true) => {
                return Err("there is no Cargo.toml, no asconfig.json and no .c file".into());
            }
        };
        if has(MANIFEST_FILE) {
            Ok(source)
        } else {
            Err(format!("there is no {MANIFEST_FILE}: it says what the function is called and when it runs"))
        }
    }
}

/// The files of C in a directory and its `src`, sorted, so that the same source gives the same module.
fn c_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = [dir.to_path_buf(), dir.join("src")]
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|file| file.is_file() && file.extension().is_some_and(|extension| extension == "c"))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::Source;
    use std::fs;

    #[test]
    fn the_files_of_a_directory_tell_its_language() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path();
        let put = |name: &str| fs::write(dir.join(name), "").expect("written");
        assert!(Source::detect(dir).expect_err("nothing is there").contains("no Cargo.toml"));
        put("door.c");
        assert!(Source::detect(dir).expect_err("no manifest").contains("fleetfn.json"));
        put("fleetfn.json");
        assert_eq!(Source::detect(dir), Ok(Source::C(vec![dir.join("door.c")])));
        put("asconfig.json");
        assert_eq!(Source::detect(dir), Ok(Source::AssemblyScript));
        put("Cargo.toml");
        assert!(matches!(Source::detect(dir), Ok(Source::RustExtism(_))));
        fs::create_dir(dir.join("src")).expect("made");
        put("src/main.rs");
        assert!(matches!(Source::detect(dir), Ok(Source::RustWasi(_))));
        fs::remove_file(dir.join("fleetfn.json")).expect("removed");
        assert!(matches!(Source::detect(dir), Ok(Source::Rust(_))));
        put("door.wasm");
        assert_eq!(Source::detect(&dir.join("door.wasm")), Ok(Source::Module(dir.join("door.wasm"))));
        assert!(Source::detect(&dir.join("door.c")).is_err());
    }
}
