//! `fleetfn release sign IMAGE`.

use super::pem::{self, Readers};
use crate::artifacts::ARTIFACT_BYTES_MAX;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::timestamp::{parse_utc, rfc3339};
use ed25519_dalek::{Signer, SigningKey};
use fleetfn_protocol::limits::{ENVELOPE_BYTES_MAX, MANIFEST_BYTES_MAX, UPDATE_SIGNATURES_MAX};
use fleetfn_protocol::update::{
    Dependencies, Dependency, Digest, Envelope, FormatError, KeyId, Manifest, SIGNATURE_BYTES, Signature,
    UpdateKey,
};
use fleetfn_protocol::{ClassId, ComponentId, ProductId};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The firmware, as it runs in the end
    image: PathBuf,
    /// The product that it is for
    #[arg(long)]
    product: ProductId,
    /// The hardware that it is for
    #[arg(long)]
    class: ClassId,
    /// What people call it
    #[arg(long)]
    version: String,
    /// Grows with each release of the product and class: a device never goes back
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    sequence: u32,
    /// File of a secret key; may be given up to four times
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
    /// Day or time (RFC 3339) after which no device installs it, as in 2027-06-30
    #[arg(long, value_name = "DATE", value_parser = parse_utc)]
    not_after: Option<u64>,
    /// What must be there before, as in boot=2; may be given up to four times
    #[arg(long = "needs", value_name = "COMPONENT=NUMBER", value_parser = needed)]
    needs: Vec<Dependency>,
    /// Where the signed manifest goes [default: IMAGE.signed]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn needed(text: &str) -> Result<Dependency, String> {
    let (component, at_least) =
        text.split_once('=').ok_or_else(|| format!("{text:?} is not COMPONENT=NUMBER, as in boot=2"))?;
    Ok(Dependency {
        component: ComponentId::parse(component).map_err(|error| error.to_string())?,
        at_least: at_least.parse().map_err(|_| format!("{at_least:?} is no number"))?,
    })
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { image, product, class, version, sequence, keys, .. } = arguments;
    let tried = format!("cannot sign {}", image.display());
    let bytes = pem::read_bytes(&tried, image, ARTIFACT_BYTES_MAX.into())?;
    let size = u32::try_from(bytes.len()).ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| Failure::new(&tried, "the file is empty"))?;
    let mut dependencies = Dependencies::NONE;
    for needed in &arguments.needs {
        dependencies
            .push(*needed)
            .map_err(|_| Failure::usage(&tried, "--needs is given at most four times"))?;
    }
    let manifest = Manifest {
        product: *product,
        class: *class,
        version,
        sequence: *sequence,
        size,
        digest: Digest(Sha256::digest(&bytes).into()),
        not_after_s: arguments.not_after.map(|ms| ms / 1_000),
        dependencies,
    };
    let mut room = [0; MANIFEST_BYTES_MAX];
    let body = manifest.write(&mut room).map_err(|error| unfit(&tried, error))?;
    let signed = keys.iter().map(|file| {
        let key = pem::read_secret(&tried, file)?;
        Ok(sign(&key, body))
    });
    let signed: Vec<_> = signed.collect::<Result<_, Failure>>()?;
    let output = arguments.output.clone().unwrap_or_else(|| {
        let mut name = image.clone().into_os_string();
        name.push(".signed");
        name.into()
    });
    pem::create(&tried, &output, Readers::All, &envelope(&tried, &signed, body)?)?;
    print(&manifest, &signed)?;
    eprintln!("Publish it with: fleetfn release publish {} {}", output.display(), image.display());
    Ok(())
}

fn unfit(tried: &str, error: FormatError) -> Failure {
    match error {
        FormatError::Text | FormatError::TooLong => {
            Failure::usage(tried, "--version is one line of 1 to 32 bytes")
        }
        error => Failure::new(tried, error),
    }
}

/// Signs a manifest.
pub(super) fn sign(key: &SigningKey, body: &[u8]) -> (KeyId, [u8; SIGNATURE_BYTES]) {
    (UpdateKey(key.verifying_key().to_bytes()).id(), key.sign(body).to_bytes())
}

/// Puts signatures and a manifest together.
pub(super) fn envelope(
    tried: &str,
    signed: &[(KeyId, [u8; SIGNATURE_BYTES])],
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    let mut ids: Vec<KeyId> = signed.iter().map(|(key, _)| *key).collect();
    ids.sort();
    if let Some([twice, _]) = ids.array_windows().find(|[one, next]| one == next) {
        return Err(Failure::new(tried, format!("key {twice} would sign twice")));
    }
    if signed.len() > UPDATE_SIGNATURES_MAX {
        let why = format!("a manifest has at most {UPDATE_SIGNATURES_MAX} signatures");
        return Err(Failure::new(tried, why));
    }
    let signatures: Vec<_> = signed.iter().map(|(key, bytes)| Signature { key: *key, bytes }).collect();
    let mut room = [0; ENVELOPE_BYTES_MAX];
    let written = Envelope::write(&mut room, &signatures, body);
    Ok(written.map_err(|error| Failure::new(tried, error))?.to_vec())
}

/// Prints what was signed, so that whoever signs sees it.
pub(super) fn print(
    manifest: &Manifest<'_>,
    signed: &[(KeyId, [u8; SIGNATURE_BYTES])],
) -> Result<(), Failure> {
    let needs: Vec<String> = manifest
        .dependencies
        .iter()
        .map(|needed| format!("{}={}", needed.component, needed.at_least))
        .collect();
    let ids: Vec<String> = signed.iter().map(|(key, _)| key.to_string()).collect();
    let mut rows = vec![
        ["class".into(), manifest.class.to_string()],
        ["sequence".into(), manifest.sequence.to_string()],
        ["size".into(), manifest.size.to_string()],
        ["sha256".into(), manifest.digest.to_string()],
    ];
    if let Some(end_s) = manifest.not_after_s {
        rows.push(["not after".into(), rfc3339(end_s.saturating_mul(1_000))]);
    }
    if !needs.is_empty() {
        rows.push(["needs".into(), needs.join(" ")]);
    }
    rows.push(["signed by".into(), ids.join(" ")]);
    output::table(["release", &format!("{}@{}", manifest.product, manifest.version)], &rows)
}
