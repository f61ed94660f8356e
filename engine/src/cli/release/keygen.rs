//! `fleetfn release keygen FILE`.

use super::pem::{self, Readers};
use crate::cli::failure::Failure;
use crate::cli::output;
use ed25519_dalek::SigningKey;
use fleetfn_protocol::update::UpdateKey;
use std::path::PathBuf;
use zeroize::Zeroizing;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the secret half goes; the public half goes to FILE.pub
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let file = &arguments.file;
    let tried = format!("cannot make the key {}", file.display());
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| Failure::new(&tried, error))?;
    let key = SigningKey::from_bytes(&seed);
    let public = key.verifying_key();
    let mut public_file = file.clone().into_os_string();
    public_file.push(".pub");
    let public_file = PathBuf::from(public_file);
    if public_file.exists() {
        let why = format!("{} exists, and is not overwritten", public_file.display());
        return Err(Failure::new(tried, why).next("the same command with another file"));
    }
    pem::create(&tried, file, Readers::Owner, pem::secret(&tried, &key)?.as_bytes())?;
    pem::create(&tried, &public_file, Readers::All, pem::public(&tried, &public)?.as_bytes())?;
    let bytes = public.to_bytes();
    let rows = [
        ["secret half".into(), format!("{}  keep it offline; who has it can make firmware", file.display())],
        ["public half".into(), public_file.display().to_string()],
        ["32 bytes".into(), bytes.iter().map(|byte| format!("{byte:02x}")).collect()],
    ];
    output::table(["key", &UpdateKey(bytes).id().to_string()], &rows)?;
    output::line(&format!("\nFor a firmware in Rust:\n{}", rust(&bytes)))?;
    eprintln!("Let it sign for a product with: fleetfn release key add PRODUCT {}", public_file.display());
    Ok(())
}

/// The key as a constant that a firmware is built with.
fn rust(bytes: &[u8; 32]) -> String {
    let rows: Vec<String> = bytes
        .chunks(16)
        .map(|row| row.iter().map(|byte| format!("0x{byte:02x}")).collect::<Vec<_>>().join(", "))
        .map(|row| format!("    {row},\n"))
        .collect();
    format!("const UPDATE_KEY: [u8; 32] = [\n{}];", rows.concat())
}
