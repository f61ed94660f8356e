//! `fleetfn release cosign SIGNED`.

use super::pem::{self, Readers};
use super::sign;
use crate::artifacts::ARTIFACT_BYTES_MAX;
use crate::cli::failure::Failure;
use fleetfn_protocol::limits::ENVELOPE_BYTES_MAX;
use fleetfn_protocol::update::{Digest, Envelope, Manifest};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What somebody else has signed
    signed: PathBuf,
    /// File of a secret key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The firmware: signs only if the manifest is about these bytes
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Where the manifest with one signature more goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { signed, key, image, output } = arguments;
    let tried = format!("cannot sign {}", signed.display());
    let bytes = pem::read_bytes(&tried, signed, ENVELOPE_BYTES_MAX as u64)?;
    let unreadable =
        |error| Failure::new(&tried, format!("{} is no signed manifest: {error}", signed.display()));
    let envelope = Envelope::parse(&bytes).map_err(unreadable)?;
    let manifest = Manifest::parse(envelope.body()).map_err(unreadable)?;
    if let Some(image) = image {
        let bytes = pem::read_bytes(&tried, image, ARTIFACT_BYTES_MAX.into())?;
        let digest = Digest(Sha256::digest(&bytes).into());
        if digest != manifest.digest {
            let why = format!(
                "it is about an image with SHA-256 {}, and {} has {digest}",
                manifest.digest,
                image.display()
            );
            return Err(Failure::new(tried, why));
        }
    }
    let mut signatures: Vec<_> = envelope.signatures().map(|one| (one.key, *one.bytes)).collect();
    signatures.push(sign::sign(&pem::read_secret(&tried, key)?, envelope.body()));
    let bytes = sign::envelope(&tried, &signatures, envelope.body())?;
    pem::create(&tried, output, Readers::All, &bytes)?;
    sign::print(&manifest, &signatures)
}
