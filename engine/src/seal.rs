//! Secrets at rest: sealed with a key that stands beside the data, each for one function and one name.
//!
//! `DIR/secret.key` holds 32 random bytes, readable by its owner only, made when the first engine opens the directory.
//! A sealed value is `nonce 24 bytes | XChaCha20-Poly1305(value)`, with function and name as associated data: a row that
//! is moved to another function or name opens nothing. Whoever has the data directory has the secrets; a copy of the log
//! alone has not.

use anyhow::Context;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use fleetfn_protocol::FunctionName;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Name of the file with the key.
const KEY_FILE: &str = "secret.key";

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// The key of one data directory.
pub(crate) struct Seal(XChaCha20Poly1305);

impl Seal {
    /// Reads the key of a data directory, or makes one.
    pub(crate) fn open(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(KEY_FILE);
        let tried = || format!("cannot use {}", path.display());
        let key = match std::fs::read(&path) {
            Ok(key) => Zeroizing::new(key),
            Err(error) if error.kind() == ErrorKind::NotFound => make(data, &path).with_context(tried)?,
            Err(error) => return Err(error).with_context(tried),
        };
        let key: &[u8; KEY_BYTES] = key
            .as_slice()
            .try_into()
            .with_context(|| format!("{} does not hold a key of {KEY_BYTES} bytes", path.display()))?;
        Ok(Self(XChaCha20Poly1305::new(key.into())))
    }

    /// Seals a value for one function and name.
    pub(crate) fn seal(&self, function: &FunctionName, name: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).context("the system gives no randomness")?;
        let payload = Payload { msg: plain, aad: &bound_to(function, name) };
        let sealed = self.0.encrypt(XNonce::from_slice(&nonce), payload);
        let sealed = sealed.map_err(|_| anyhow::anyhow!("the value is too long to be sealed"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Signs a statement, as hexadecimal text: nothing is sealed with the statement as associated data, which is a message
    /// authentication code under a nonce of its own.
    pub(crate) fn sign(&self, statement: &[u8]) -> anyhow::Result<String> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).context("the system gives no randomness")?;
        let payload = Payload { msg: &[], aad: &signed_body(statement) };
        let code = self.0.encrypt(XNonce::from_slice(&nonce), payload);
        let code = code.map_err(|_| anyhow::anyhow!("the statement is too long to be signed"))?;
        Ok(hex(&[&nonce[..], &code].concat()))
    }

    /// Whether a statement was signed with this key.
    pub(crate) fn is_signed(&self, statement: &[u8], signature: &str) -> bool {
        let Some(bytes) = parse_hex(signature) else {
            return false;
        };
        let Some((nonce, code)) = bytes.split_at_checked(NONCE_BYTES) else {
            return false;
        };
        let payload = Payload { msg: code, aad: &signed_body(statement) };
        self.0.decrypt(XNonce::from_slice(nonce), payload).is_ok_and(|plain| plain.is_empty())
    }

    /// Opens a value that was sealed for this function and name; `None` if it was not, or is damaged.
    pub(crate) fn unseal(
        &self,
        function: &FunctionName,
        name: &str,
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let payload = Payload { msg: sealed, aad: &bound_to(function, name) };
        self.0.decrypt(XNonce::from_slice(nonce), payload).ok().map(Zeroizing::new)
    }
}

/// What a statement is signed for: no function has an empty name, so nothing that is sealed opens as a signature.
const SIGNATURE: &[u8] = b"\0address\0";

fn signed_body(statement: &[u8]) -> Vec<u8> {
    [SIGNATURE, statement].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    rest.is_empty().then(|| bytes.collect())?
}

/// What a value is sealed for. A name of a function holds no zero.
fn bound_to(function: &FunctionName, name: &str) -> Vec<u8> {
    [function.as_str().as_bytes(), &[0], name.as_bytes()].concat()
}

/// Makes a key, synced: what is sealed with it is of no use without it.
fn make(data: &Path, path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
    getrandom::fill(&mut key).context("the system gives no randomness")?;
    let part = path.with_extension("part");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(&key)?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    std::fs::File::open(data)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn name(text: &str) -> FunctionName {
        FunctionName::parse(text).expect("a name")
    }

    #[test]
    fn what_is_sealed_opens_for_its_function_and_name_alone_also_after_a_restart() {
        let data = tempfile::tempdir().expect("a directory");
        let sealed =
            Seal::open(data.path()).expect("opens").seal(&name("f"), "token", b"abc").expect("seals");
        let seal = Seal::open(data.path()).expect("opens again");
        assert_eq!(seal.unseal(&name("f"), "token", &sealed).as_deref(), Some(&b"abc".to_vec()));
        assert_eq!(seal.unseal(&name("g"), "token", &sealed), None);
        assert_eq!(seal.unseal(&name("f"), "other", &sealed), None);
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert_eq!(seal.unseal(&name("f"), "token", &damaged), None);
        }
        assert_eq!(seal.unseal(&name("f"), "token", b"short"), None);
        let other = tempfile::tempdir().expect("a directory");
        let stranger = Seal::open(other.path()).expect("opens");
        assert_eq!(stranger.unseal(&name("f"), "token", &sealed), None);
    }

    #[test]
    fn a_signature_holds_for_its_statement_alone_and_no_sealed_value_is_one() {
        let data = tempfile::tempdir().expect("a directory");
        let seal = Seal::open(data.path()).expect("opens");
        let signature = seal.sign(b"statement").expect("signs");
        assert!(seal.is_signed(b"statement", &signature));
        assert!(!seal.is_signed(b"statemenT", &signature));
        let last = signature.chars().last().expect("there is one");
        let other = if last == '0' { '1' } else { '0' };
        let damaged = format!("{}{other}", &signature[..signature.len() - 1]);
        for wrong in [damaged.as_str(), "", "0", "zz", "é", &signature[2..]] {
            assert!(!seal.is_signed(b"statement", wrong), "{wrong}");
        }
        let sealed = seal.seal(&name("f"), "token", b"").expect("seals");
        assert!(!seal.is_signed(b"f\0token", &hex(&sealed)));
        assert_eq!(seal.unseal(&name("f"), "token", &parse_hex(&signature).expect("digits")), None);
    }

    #[test]
    fn the_key_is_its_owners_and_a_damaged_one_is_refused() {
        let data = tempfile::tempdir().expect("a directory");
        drop(Seal::open(data.path()).expect("opens"));
        let path = data.path().join(KEY_FILE);
        let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, b"short").expect("written");
        let error = Seal::open(data.path()).err().expect("refused");
        assert!(error.to_string().contains("32 bytes"), "{error}");
    }
}
