//! `fleetfn fn new NAME`: the source of a function that builds, passes its test, and is to be changed.

mod language;

use crate::cli::failure::Failure;
use crate::cli::output;
use fleetfn_protocol::limits::NAME_BYTES_MAX;
use language::{File, Language};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name of the function, and of the directory that is made: small letters, digits and '-'
    #[arg(value_parser = name)]
    name: String,
    /// Language of the source
    #[arg(long, value_enum, default_value_t)]
    lang: Language,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let name = &arguments.name;
    let tried = format!("cannot make the function {name}");
    let sdk = sdk();
    if arguments.lang == Language::Rust && sdk.is_none() {
        return Err(Failure::new(
            &tried,
            "the source tree that this binary was built from is gone, and the function SDK with it",
        )
        .next("build fleetfn from a clone that stays where it is"));
    }
    let dir = Path::new(name);
    let files = arguments.lang.files(name, sdk.as_deref());
    write(dir, &files).map_err(|error| {
        let failure = Failure::new(&tried, format!("{}: {error}", dir.display()));
        if error.kind() == ErrorKind::AlreadyExists { failure.next("choose another name") } else { failure }
    })?;
    output::line(name)?;
    eprintln!("next: fleetfn fn test {name}, or fleetfn dev {name}");
    Ok(())
}

/// A function's name that can be a package's name, too.
fn name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !starts || !text.bytes().all(fits) || text.len() > NAME_BYTES_MAX {
        return Err(format!(
            "a name starts with a small letter and has at most {NAME_BYTES_MAX} small letters, digits and '-'"
        ));
    }
    Ok(text.into())
}

/// The function SDK in the source tree that this binary was built from.
fn sdk() -> Option<PathBuf> {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("function-sdk");
    sdk.join("Cargo.toml").exists().then_some(sdk)
}

/// Makes the directory, which must not exist, and the files in it.
fn write(dir: &Path, files: &[File]) -> std::io::Result<()> {
    fs::create_dir(dir)?;
    for file in files {
        let path = dir.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, &file.text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_name_fits_a_package() {
        assert_eq!(name("door-2"), Ok("door-2".into()));
        for wrong in ["", "Door", "2door", "-door", "door_bell", "door.bell", "../door", "é"] {
            assert!(name(wrong).is_err(), "{wrong:?} must be refused");
        }
    }
}
