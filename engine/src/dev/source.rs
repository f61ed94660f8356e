//! Sees that the source of a function was saved.
//!
//! Looks at names, sizes and times of the files a few times a second: a directory of source is small, and every editor, file
//! system and container does the same then. A change counts once nothing has changed between two looks, so that a save of
//! many files is one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// Files that are looked at: what is more is no source of one function.
const FILES_MAX: usize = 10_000;

/// Levels of directories that are looked at.
const LEVELS_MAX: usize = 16;

/// Directories of what is built, installed, or only tested.
const DIRECTORIES_LEFT_OUT: [&str; 4] = ["target", "node_modules", "build", "tests"];

/// Files that a build writes, or that no build reads.
const FILES_LEFT_OUT: [&str; 3] = ["Cargo.lock", "package-lock.json", super::SCENARIO_FILE];

/// The files of a source, with what tells that one was written.
type Looked = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Says through the receiver that the source at `path` was saved, for as long as somebody listens. Changes from the time of
/// this call on count.
pub(super) fn watch(path: &Path) -> std::io::Result<mpsc::Receiver<()>> {
    let path = path.to_path_buf();
    let (sender, receiver) = mpsc::channel(1);
    let mut last = look(&path);
    std::thread::Builder::new().name("source".into()).spawn(move || {
        let mut is_news = false;
        while !sender.is_closed() {
            std::thread::sleep(LOOK_EVERY);
            let now = look(&path);
            if now != last {
                (last, is_news) = (now, true);
            } else if is_news {
                is_news = false;
                // One that waits to be heard stands for this one, too.
                let _ = sender.try_send(());
            }
        }
    })?;
    Ok(receiver)
}

fn look(path: &Path) -> Looked {
    let mut looked = Looked::new();
    if path.is_file() {
        // A module that another tool builds, and the manifest beside it.
        note(path.to_path_buf(), &mut looked);
        note(path.with_file_name("fleetfn.json"), &mut looked);
    } else {
        directory(path, 0, &mut looked);
    }
    looked
}

fn directory(path: &Path, level: usize, looked: &mut Looked) {
    // What cannot be read now is seen when it can.
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if looked.len() >= FILES_MAX || name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if level < LEVELS_MAX && !DIRECTORIES_LEFT_OUT.contains(&name.as_ref()) {
                directory(&path, level + 1, looked);
            }
        } else if !FILES_LEFT_OUT.contains(&name.as_ref()) && !name.ends_with(".wasm") {
            note(path, looked);
        }
    }
}

fn note(path: PathBuf, looked: &mut Looked) {
    if let Ok(found) = std::fs::metadata(&path) {
        looked.insert(path, (found.modified().ok(), found.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_built_installed_or_hidden_is_not_source() {
        let dir = tempfile::tempdir().expect("a directory");
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("below the directory")).expect("made");
            fs::write(path, text).expect("written");
        };
        put("src/lib.rs", "1");
        let before = look(dir.path());
        for name in [
            "target/a",
            "node_modules/b/c.js",
            "build/x.wasm",
            "tests/one.json",
            ".git/index",
            ".lib.rs.swp",
            "lib.rs~",
            "f.wasm",
            "Cargo.lock",
            "scenario.json",
        ] {
            put(name, "x");
            assert_eq!(look(dir.path()), before, "{name}");
        }
        put("src/lib.rs", "22");
        let changed = look(dir.path());
        assert_ne!(changed, before);
        put("src/deep/more.rs", "");
        assert_ne!(look(dir.path()), changed);
        assert!(look(&dir.path().join("missing")).is_empty());
    }

    #[tokio::test]
    async fn a_save_is_told_and_a_module_is_its_file_and_its_manifest() {
        let dir = tempfile::tempdir().expect("a directory");
        let module = dir.path().join("f.wasm");
        fs::write(&module, "1").expect("written");
        let mut saves = watch(&module).expect("a thread");
        fs::write(dir.path().join("other.txt"), "1").expect("written");
        fs::write(dir.path().join("fleetfn.json"), "{}").expect("written");
        tokio::time::timeout(Duration::from_secs(30), saves.recv())
            .await
            .expect("in time")
            .expect("it listens");
    }
}
