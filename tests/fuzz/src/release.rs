//! Images that a fuzzed device may come to run, and envelopes around their manifests with real signatures: the key is the
//! fuzzer's own.

use ed25519_dalek::{Signer, SigningKey};
use fleetfn_protocol::limits::ENVELOPE_BYTES_MAX;
use fleetfn_protocol::update::{Dependencies, Digest, Envelope, Manifest, Signature, UpdateKey};
use fleetfn_protocol::{ClassId, ProductId};
use sha2::Digest as _;
use std::sync::LazyLock;

/// An image: its sequence, little-endian, then anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image(pub(crate) Vec<u8>);

/// What is signed once and offered often: the image of the factory, newer ones, and one that lies about itself.
pub(crate) static RELEASES: LazyLock<Vec<(Image, Vec<u8>)>> = LazyLock::new(|| {
    let lengths = [(4, 700, 0), (5, 650, 0), (6, 1_000, 0), (7, 300, 0xff)];
    let signed = lengths.map(|(sequence, len, honesty)| {
        let image = Image::new(sequence, honesty, len);
        let envelope = envelope(&image.manifest(), 1).expect("it is a manifest");
        (image, envelope)
    });
    signed.into()
});

/// The keys that the device trusts.
pub(crate) static KEYS: LazyLock<[UpdateKey; 1]> = LazyLock::new(|| [public(1)]);

impl Image {
    fn new(sequence: u32, honesty: u8, len: usize) -> Self {
        let mut bytes = sequence.to_le_bytes().to_vec();
        bytes.push(honesty);
        bytes.extend((bytes.len()..len).map(|at| (at / 3 * 7 % 251).to_le_bytes()[0]));
        Self(bytes)
    }

    /// One with such bytes behind its sequence.
    pub(crate) fn with(sequence: u32, bytes: &[u8]) -> Self {
        Self([&sequence.to_le_bytes(), bytes].concat())
    }

    /// The sequence that it is signed with.
    pub(crate) fn sequence(&self) -> u32 {
        u32::from_le_bytes(*self.0.first_chunk().expect("an image begins with it"))
    }

    /// The sequence that it says it has.
    pub(crate) fn said_sequence(&self) -> u32 {
        let lies = self.0.get(4) == Some(&0xff);
        if lies { self.sequence().wrapping_sub(1) } else { self.sequence() }
    }

    pub(crate) fn manifest(&self) -> Manifest<'static> {
        Manifest {
            product: product(),
            class: ClassId::parse("rev-b").expect("a name"),
            version: "2.0.0",
            sequence: self.sequence(),
            size: size(&self.0),
            digest: digest(&self.0),
            not_after_s: None,
            dependencies: Dependencies::NONE,
        }
    }
}

pub(crate) fn product() -> ProductId {
    ProductId::parse("boiler").expect("a name")
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

pub(crate) fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("an input is short")
}

/// An envelope around a manifest, signed by somebody: the device trusts number 1. `None` if it cannot be written.
pub(crate) fn envelope(manifest: &Manifest<'_>, signer: u8) -> Option<Vec<u8>> {
    let mut buffer = [0; ENVELOPE_BYTES_MAX];
    let body = manifest.write(&mut buffer).ok()?.to_vec();
    let bytes = key(signer).sign(&body).to_bytes();
    let signature = Signature { key: public(signer).id(), bytes: &bytes };
    Envelope::write(&mut buffer, &[signature], &body).ok().map(<[u8]>::to_vec)
}

fn key(signer: u8) -> SigningKey {
    SigningKey::from_bytes(&[signer; 32])
}

fn public(signer: u8) -> UpdateKey {
    UpdateKey(key(signer).verifying_key().to_bytes())
}
