//! `cargo xtask image NAME -o FILE`: builds a firmware example and writes the image that lies in flash.

use anyhow::{Context, Result, bail, ensure};
use fleetfn_qemu::{Board, Firmware, Release};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask image NAME -o FILE [FLAGS]

  NAME            mps2-an385, mps2-an385-thumbv6m
  -o FILE         where the image goes
  --version V     another version than the source says: the text by which people call it
  --sequence N    another sequence than the source says: a device takes none that is not above its own
  --elf FILE      of this firmware instead of the example: what cargo build has made for the board
  --broken HOW    break it on purpose: hangs, unhealthy";

pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    if words.is_empty() || words.contains(&"--help") {
        println!("{USAGE}");
        return Ok(if words.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS });
    }
    let (mut name, mut file, mut elf, mut release) = (None, None, None, Release::default());
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{word} wants a value"));
        match word {
            "-o" => file = Some(PathBuf::from(value()?)),
            "--elf" => elf = Some(PathBuf::from(value()?)),
            "--version" => release.version = Some(value()?.to_owned()),
            "--sequence" => release.sequence = Some(value()?.parse().context("a sequence is a number")?),
            "--broken" => release.feature = Some(value()?.to_owned()),
            flag if flag.starts_with('-') => bail!("{flag} is not known\n{USAGE}"),
            _ if name.is_none() => name = Some(word),
            _ => bail!("{word} is one word too many\n{USAGE}"),
        }
    }
    let name = name.context("for which board?")?;
    let board = Board::of(name).with_context(|| format!("there is no board '{name}'"))?;
    let file = file.context("-o is missing: where does the image go?")?;
    let firmware = match elf {
        Some(_) if release != Release::default() => {
            bail!("--version, --sequence and --broken are for the example: build them into your own")
        }
        Some(elf) => Firmware::built(board, &elf)?,
        None => Firmware::build(board, &release)?,
    };
    ensure!(!firmware.image.is_empty(), "{name} has no image: the emulator loads its firmware");
    std::fs::write(&file, &firmware.image).with_context(|| format!("writing {}", file.display()))?;
    eprintln!("{}: {} bytes for {name}", file.display(), firmware.image.len());
    Ok(ExitCode::SUCCESS)
}
