//! Files of keys: PKCS #8 for the secret half (RFC 5958), SubjectPublicKeyInfo for the public one (RFC 8410), both in PEM, as
//! other tools read and write them; and new files that replace nothing.

use crate::cli::failure::Failure;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Most bytes of a file that could be a key.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Its owner.
    Owner,
    /// Everybody, as the user's mask allows.
    All,
}

/// Makes a file that was not there.
pub(super) fn create(tried: &str, path: &Path, readers: Readers, bytes: &[u8]) -> Result<(), Failure> {
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::All => 0o666,
    };
    let written =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(tried, format!("{} exists, and is not overwritten", path.display()))
                .next("the same command with another file")
        }
        _ => Failure::new(tried, format!("cannot write {}: {error}", path.display())),
    })
}

/// The secret half as text. Without the public half in it, which not every tool reads.
pub(super) fn secret(tried: &str, key: &SigningKey) -> Result<Zeroizing<String>, Failure> {
    let pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    pair.to_pkcs8_pem(LineEnding::LF).map_err(|error| Failure::new(tried, error))
}

/// The public half as text.
pub(super) fn public(tried: &str, key: &VerifyingKey) -> Result<String, Failure> {
    key.to_public_key_pem(LineEnding::LF).map_err(|error| Failure::new(tried, error))
}

/// Reads the secret half from its file.
pub(super) fn read_secret(tried: &str, path: &Path) -> Result<SigningKey, Failure> {
    let text = Zeroizing::new(read(tried, path)?);
    SigningKey::from_pkcs8_pem(&text).map_err(|error| {
        let failure =
            Failure::new(tried, format!("{} is no secret ed25519 key in PKCS #8: {error}", path.display()));
        if text.contains("PUBLIC KEY") {
            return failure.next("the same command with the secret half: the file without .pub");
        }
        failure.next("fleetfn release keygen FILE")
    })
}

/// Reads the public half from its file.
pub(super) fn read_public(tried: &str, path: &Path) -> Result<VerifyingKey, Failure> {
    let text = read(tried, path)?;
    VerifyingKey::from_public_key_pem(&text).map_err(|error| {
        let failure =
            Failure::new(tried, format!("{} is no public ed25519 key in PEM: {error}", path.display()));
        if text.contains("PRIVATE KEY") {
            return failure.next(format!("the same command with {}.pub", path.display()));
        }
        failure
    })
}

fn read(tried: &str, path: &Path) -> Result<String, Failure> {
    let bytes = read_bytes(tried, path, KEY_FILE_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|_| Failure::new(tried, format!("{} is no text", path.display())))
}

/// Reads a file of a bounded size.
pub(super) fn read_bytes(tried: &str, path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::new(tried, format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    io::Read::read_to_end(&mut io::Read::take(file, bytes_max + 1), &mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(Failure::new(tried, format!("{} has more than {bytes_max} bytes", path.display())));
    }
    Ok(bytes)
}
