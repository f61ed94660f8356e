//! Images: what they say of themselves, and how they behave once they run.

use ed25519_dalek::{Signer, SigningKey};
use fleetfn_protocol::limits::ENVELOPE_BYTES_MAX;
use fleetfn_protocol::update::{Dependencies, Digest, Envelope, Manifest, Signature, UpdateKey};
use fleetfn_protocol::{ClassId, ProductId};
use sha2::Digest as _;

/// What an image does when it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Works = 0,
    /// It stops before it does anything; the watchdog resets the device.
    Hangs = 1,
    /// It never connects.
    IsDeaf = 2,
    /// It says that it is another than was signed.
    Lies = 3,
}

/// An image: sequence, behaviour, and bytes that look like code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image(pub(crate) Vec<u8>);

impl Image {
    pub(crate) fn new(sequence: u32, behaviour: Behaviour, len: usize) -> Self {
        let mut bytes = sequence.to_le_bytes().to_vec();
        bytes.push(behaviour as u8);
        let step = if sequence.is_multiple_of(2) { 7 } else { 13 };
        bytes.extend((bytes.len()..len).map(|at| (at / 3 * step % 251).to_le_bytes()[0]));
        Self(bytes)
    }

    /// The sequence that it believes to have.
    pub(crate) fn sequence(&self) -> u32 {
        let signed = self.signed_sequence();
        if self.behaviour() == Behaviour::Lies { signed - 1 } else { signed }
    }

    pub(crate) fn signed_sequence(&self) -> u32 {
        u32::from_le_bytes(*self.0.first_chunk().expect("an image"))
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        let all = [Behaviour::Works, Behaviour::Hangs, Behaviour::IsDeaf, Behaviour::Lies];
        all[usize::from(self.0[4])]
    }

    pub(crate) fn size(&self) -> u32 {
        u32::try_from(self.0.len()).expect("short")
    }

    pub(crate) fn manifest(&self) -> Manifest<'static> {
        Manifest {
            product: product(),
            class: class(),
            version: "2.0.0",
            sequence: self.signed_sequence(),
            size: self.size(),
            digest: digest(&self.0),
            not_after_s: None,
            dependencies: Dependencies::NONE,
        }
    }
}

pub(crate) fn product() -> ProductId {
    ProductId::parse("boiler").expect("a name")
}

pub(crate) fn class() -> ClassId {
    ClassId::parse("rev-b").expect("a name")
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

/// A key of a person by number.
pub(crate) fn key(person: u8) -> SigningKey {
    SigningKey::from_bytes(&[person; 32])
}

pub(crate) fn public(person: u8) -> UpdateKey {
    UpdateKey(key(person).verifying_key().to_bytes())
}

/// An envelope around a manifest, signed by some people.
pub(crate) fn envelope(manifest: &Manifest<'_>, people: &[u8]) -> Vec<u8> {
    let mut buffer = [0; ENVELOPE_BYTES_MAX];
    let body = manifest.write(&mut buffer).expect("it fits").to_vec();
    let signed: Vec<_> =
        people.iter().map(|person| (public(*person).id(), key(*person).sign(&body).to_bytes())).collect();
    let signatures: Vec<_> = signed.iter().map(|(key, bytes)| Signature { key: *key, bytes }).collect();
    Envelope::write(&mut buffer, &signatures, &body).expect("it fits").to_vec()
}
