//! An example, built: the boot loader as a program for the emulator, the firmware as an image for the flash.

use crate::board::Board;
use crate::elf::Symbol;
use crate::{c, elf};
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What cargo built for one board.
#[derive(Debug, Clone)]
pub struct Firmware {
    /// For which board it is.
    pub board: Board,
    /// What the emulator starts.
    pub kernel: PathBuf,
    /// What lies at the front of the flash; nothing if the emulator loads the firmware.
    pub image: Vec<u8>,
    /// What is where in the image and in memory; nothing if the emulator loads the firmware.
    pub symbols: Vec<Symbol>,
}

/// Which release of a firmware is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Release {
    /// Another version than its source says.
    pub version: Option<String>,
    /// Another sequence than its source says.
    pub sequence: Option<u32>,
    /// A feature that makes another image of it, or several with commas between: one that is broken on purpose, or measured.
    pub feature: Option<String>,
}

impl Firmware {
    /// Builds it, if it is not built; cargo says on stderr what it does.
    ///
    /// # Errors
    /// If it does not build, say because the target is not installed.
    pub fn build(board: Board, release: &Release) -> Result<Self> {
        let package = board.package();
        // All releases of a firmware are built to the same file: it is read before somebody else builds.
        let _building = lock()?;
        if board.is_in_c() {
            let kernel = c::build(&workspace(), &target_directory(), board, release)?;
            return Ok(Self { board, kernel, image: Vec::new(), symbols: Vec::new() });
        }
        let features = format!("firmware,{}", release.feature.as_deref().unwrap_or_default());
        let program = build(board, package, &["--features", features.trim_end_matches(',')], release)?;
        Self::of(board, program)
    }

    /// One that somebody else has built, as the linker left it; the boot loader is built, if the board has one.
    ///
    /// # Errors
    /// If it is no program for the board, or the boot loader does not build.
    pub fn built(board: Board, program: &Path) -> Result<Self> {
        let _building = lock()?;
        Self::of(board, program.to_owned())
    }

    fn of(board: Board, program: PathBuf) -> Result<Self> {
        let Some(boot_package) = board.boot_package() else {
            return Ok(Self { board, kernel: program, image: Vec::new(), symbols: Vec::new() });
        };
        let kernel = build(board, boot_package, &[], &Release::default())?;
        let file = std::fs::read(&program).with_context(|| format!("reading {}", program.display()))?;
        let image = elf::image(&file, board.flash_address())
            .with_context(|| format!("{} is no image for {}", program.display(), board.name()))?;
        let symbols =
            elf::symbols(&file).with_context(|| format!("reading the symbols of {}", program.display()))?;
        let active = board.active();
        ensure!(
            image.len() as u64 <= active.end - active.start,
            "the image {} is too long",
            program.display()
        );
        Ok(Self { board, kernel, image, symbols })
    }
}

/// The workspace of the examples.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware-examples")
}

/// Where cargo puts what it builds: beside everything else, in a directory that no other cargo has locked.
fn target_directory() -> PathBuf {
    let all =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("../target"), PathBuf::from);
    all.join("firmware")
}

/// Keeps others from building as long as the file is held.
fn lock() -> Result<File> {
    let directory = target_directory();
    let path = directory.join("images.lock");
    let locked = std::fs::create_dir_all(&directory).and_then(|()| File::create(&path)).and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    locked.with_context(|| format!("locking {}", path.display()))
}

/// A build for a target, of what is still to be said.
pub(crate) fn cargo(target: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command
        .args(["build", "--quiet", "--locked", "--target", target])
        .env("CARGO_TARGET_DIR", target_directory())
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdin(Stdio::null());
    command
}

fn build(board: Board, package: &str, more: &[&str], release: &Release) -> Result<PathBuf> {
    let target = board.target();
    let mut command = cargo(target);
    for (name, value) in [
        ("FIRMWARE_VERSION", release.version.clone()),
        ("FIRMWARE_SEQUENCE", release.sequence.map(|sequence| sequence.to_string())),
    ] {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let status = command
        .args(["--release", "--package", package, "--bin", package])
        .args(more)
        .current_dir(workspace())
        .status()
        .context("running cargo build")?;
    ensure!(
        status.success(),
        "{package} does not build for {target}: is the target installed? rustup target add {target}"
    );
    Ok(target_directory().join(target).join("release").join(package))
}
