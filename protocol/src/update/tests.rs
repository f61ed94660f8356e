//! Round trips, what is refused, and that the formats stay as they are.

extern crate std;

use super::{
    Block, BlockBytes, BlockRequest, Content, Delivery, Dependencies, Dependency, Digest, Envelope,
    FormatError, KeyId, Manifest, Offer, Phase, Reason, Signature, Status, UpdateKey,
};
use crate::limits::{MANIFEST_BYTES_MAX, OFFER_BYTES_MAX, STATUS_BYTES_MAX, UPDATE_SIGNATURES_MAX};
use crate::{ClassId, ComponentId, ProductId};
use proptest::prelude::{Strategy, any, prop, prop_assert_eq, proptest};
use std::borrow::ToOwned;
use std::string::{String, ToString};
use std::vec::Vec;

fn dependency(component: &str, at_least: u32) -> Dependency {
    Dependency { component: ComponentId::parse(component).expect("a name"), at_least }
}

fn manifest() -> Manifest<'static> {
    let mut dependencies = Dependencies::NONE;
    dependencies.push(dependency("boot", 2)).expect("there is room");
    Manifest {
        product: ProductId::parse("climate-node").expect("a name"),
        class: ClassId::parse("m3").expect("a name"),
        version: "2.4.1",
        sequence: 7,
        size: 70_000,
        digest: Digest([0xd1; 32]),
        not_after_s: Some(1_800_000_000),
        dependencies,
    }
}

fn written(write: impl FnOnce(&mut [u8]) -> Result<&[u8], FormatError>) -> Vec<u8> {
    write(&mut [0; 1024]).expect("it fits").to_owned()
}

#[test]
fn the_bytes_of_a_manifest_stay_as_they_are() {
    let mut expected = b"fleetfn manifest\x01\x0cclimate-node\x02m3\x052.4.1".to_vec();
    expected.extend_from_slice(&[7, 0, 0, 0, 0x70, 0x11, 1, 0]);
    expected.extend_from_slice(&[0xd1; 32]);
    expected.extend_from_slice(&[0, 0xd2, 0x49, 0x6b, 0, 0, 0, 0, 1, 4, b'b', b'o', b'o', b't', 2, 0, 0, 0]);
    assert_eq!(written(|buffer| manifest().write(buffer)), expected);
    assert_eq!(Manifest::parse(&expected), Ok(manifest()));
}

#[test]
fn a_manifest_of_a_later_format_is_refused_as_such() {
    let mut body = written(|buffer| manifest().write(buffer));
    body[16] = 2;
    assert_eq!(Manifest::parse(&body), Err(FormatError::Version(2)));
}

#[test]
fn nothing_else_that_is_signed_is_a_manifest() {
    let mut body = written(|buffer| manifest().write(buffer));
    body[0] ^= 1;
    assert_eq!(Manifest::parse(&body), Err(FormatError::Domain));
}

#[test]
fn the_longest_manifest_and_offer_fit_their_bounds() {
    let name = "n".repeat(63);
    let mut dependencies = Dependencies::NONE;
    for _ in 0..4 {
        dependencies.push(dependency(&name, u32::MAX)).expect("there is room");
    }
    assert_eq!(dependencies.push(dependency("fifth", 1)), Err(FormatError::TooLong));
    let version = "v".repeat(32);
    let longest = Manifest {
        product: ProductId::parse(&name).expect("a name"),
        class: ClassId::parse(&name).expect("a name"),
        version: &version,
        dependencies,
        ..manifest()
    };
    let body = written(|buffer| longest.write(buffer));
    assert_eq!(body.len(), MANIFEST_BYTES_MAX);
    let signature = Signature { key: KeyId([1; 8]), bytes: &[2; 64] };
    let envelope = written(|buffer| Envelope::write(buffer, &[signature; UPDATE_SIGNATURES_MAX], &body));
    let digest = Digest([3; 32]);
    let delivery = Delivery::Patch { base_size: 2, base: digest, size: 1, digest };
    let offer = written(|buffer| Offer::write(buffer, 1, delivery, &envelope));
    assert_eq!(offer.len(), OFFER_BYTES_MAX);
    let content = Content::Update { delivery, envelope: Envelope::parse(&envelope).expect("whole") };
    assert_eq!(Offer::parse(&offer), Ok(Offer { job: 1, content }));
    assert_eq!(Envelope::parse(&envelope).map(|envelope| envelope.body() == body), Ok(true));
}

#[test]
fn an_envelope_without_signatures_or_with_too_many_is_refused() {
    assert_eq!(Envelope::parse(&[1, 0, 9]), Err(FormatError::Value(0)));
    assert_eq!(Envelope::parse(&[1, 5, 9]), Err(FormatError::Value(5)));
    assert_eq!(Envelope::write(&mut [0; 99], &[], b"body"), Err(FormatError::Value(0)));
    assert_eq!(Envelope::parse(&[1; 74]), Err(FormatError::CutShort));
}

#[test]
fn a_withdrawn_job_carries_nothing() {
    let mut buffer = [0; 8];
    let bytes = Offer::write_withdrawn(&mut buffer, 9).expect("it fits");
    assert_eq!(bytes, [1, 9, 0, 0, 0, 0]);
    assert_eq!(Offer::parse(bytes), Ok(Offer { job: 9, content: Content::Withdrawn }));
    assert_eq!(Offer::parse(&[1, 9, 0, 0, 0, 0, 0]), Err(FormatError::Trailing));
    assert_eq!(Offer::parse(&[1, 0, 0, 0, 0, 0]), Err(FormatError::Value(0)));
}

#[test]
fn blocks_are_powers_of_two_within_bounds() {
    for len in [0, 1, 32, 96, 8192] {
        assert_eq!(BlockBytes::new(len), Err(FormatError::Value(len.into())), "{len}");
    }
    let kilobyte = BlockBytes::new(1024).expect("it is one");
    assert_eq!((kilobyte.count(0), kilobyte.count(1), kilobyte.count(1025)), (0, 1, 2));
}

#[test]
fn a_request_names_its_blocks_and_none_beyond_the_last_number() {
    let block_bytes = BlockBytes::new(256).expect("a length");
    let request = BlockRequest { job: 1, block_bytes, first: u32::MAX - 1, wanted: 0b1011 };
    assert_eq!(request.indices().collect::<Vec<_>>(), [u32::MAX - 1, u32::MAX]);
    assert_eq!(
        written(|buffer| request.write(buffer)),
        [1, 1, 0, 0, 0, 0, 1, 0xfe, 0xff, 0xff, 0xff, 11, 0, 0, 0]
    );
}

#[test]
fn a_status_that_has_more_than_there_is_is_refused() {
    let status = Status {
        job: 1,
        sequence: 2,
        version: "1.0",
        phase: Phase::Downloading,
        reason: Reason::None,
        have: 3,
        of: 2,
    };
    assert_eq!(status.write(&mut [0; 64]), Err(FormatError::Value(3)));
    let bytes = [1, 1, 0, 0, 0, 2, 0, 0, 0, 3, b'1', b'.', b'0', 1, 0, 3, 0, 0, 0, 2, 0, 0, 0];
    assert_eq!(Status::parse(&bytes), Err(FormatError::Value(3)));
}

#[test]
fn only_the_ends_are_ends() {
    let ends: Vec<_> =
        Phase::ALL.iter().filter(|phase| phase.is_end()).map(|phase| phase.to_string()).collect();
    assert_eq!(ends, ["confirmed", "rolled_back", "failed"]);
}

#[test]
fn a_key_is_known_by_its_first_bytes() {
    let mut key = [0; 32];
    key[..9].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(UpdateKey(key).id().to_string(), "0102030405060708");
}

fn version() -> impl Strategy<Value = String> {
    "[ -~é]{1,16}"
}

proptest! {
    #[test]
    fn a_manifest_survives_its_bytes(
        (product, class, version) in ("[a-z][a-z0-9.-]{0,62}", "[a-z][a-z0-9.-]{0,62}", version()),
        (sequence, size, digest) in any::<(u32, u32, [u8; 32])>(),
        not_after_s in prop::option::of(1..u64::MAX),
        components in prop::collection::vec(("[a-z]{1,63}", any::<u32>()), 0..=4),
    ) {
        let mut dependencies = Dependencies::NONE;
        for (component, at_least) in &components {
            dependencies.push(dependency(component, *at_least)).expect("four at most");
        }
        let manifest = Manifest {
            product: ProductId::parse(&product).expect("a name"),
            class: ClassId::parse(&class).expect("a name"),
            version: &version,
            sequence,
            size,
            digest: Digest(digest),
            not_after_s,
            dependencies,
        };
        let body = written(|buffer| manifest.write(buffer));
        prop_assert_eq!(Manifest::parse(&body), Ok(manifest));
        for len in 0..body.len() {
            prop_assert_eq!(Manifest::parse(&body[..len]), Err(FormatError::CutShort));
        }
        let longer = [&body[..], &[0]].concat();
        prop_assert_eq!(Manifest::parse(&longer), Err(FormatError::Trailing));
    }

    #[test]
    fn a_status_survives_its_bytes(
        (job, sequence, have, more) in any::<(u32, u32, u32, u16)>(),
        version in version(),
        phase in prop::sample::select(Phase::ALL),
        reason in prop::sample::select(Reason::ALL),
    ) {
        let of = have.saturating_add(more.into());
        let status = Status { job, sequence, version: &version, phase, reason, have, of };
        let bytes = written(|buffer| status.write(buffer));
        assert!(bytes.len() <= STATUS_BYTES_MAX);
        prop_assert_eq!(Status::parse(&bytes), Ok(status));
    }

    #[test]
    fn blocks_and_requests_survive_their_bytes(
        (job, index, wanted) in any::<(u32, u32, u32)>(),
        shift in 6..=12_u32,
        bytes in prop::collection::vec(any::<u8>(), 1..1000),
    ) {
        let block = Block { job, index, bytes: &bytes };
        let message = written(|buffer| block.write(buffer));
        prop_assert_eq!(Block::parse(&message), Ok(block));
        let block_bytes = BlockBytes::new(1 << shift).expect("a length");
        let request = BlockRequest { job, block_bytes, first: index, wanted };
        prop_assert_eq!(BlockRequest::parse(&written(|buffer| request.write(buffer))), Ok(request));
    }

    #[test]
    fn a_digest_survives_its_text(bytes in any::<[u8; 32]>()) {
        let text = Digest(bytes).to_string();
        prop_assert_eq!(text.parse(), Ok(Digest(bytes)));
        prop_assert_eq!(text.to_uppercase().parse(), Ok(Digest(bytes)));
    }

    #[test]
    fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), domain in any::<bool>()) {
        let bytes = if domain { [b"fleetfn manifest\x01".as_slice(), &bytes].concat() } else { bytes };
        let _ = Manifest::parse(&bytes);
        let _ = Envelope::parse(&bytes).map(|envelope| envelope.signatures().count());
        let _ = Offer::parse(&bytes);
        let _ = Block::parse(&bytes);
        let _ = BlockRequest::parse(&bytes).map(|request| request.indices().count());
        let _ = Status::parse(&bytes);
    }
}

#[test]
fn the_words_of_phases_and_reasons_are_read_again() {
    for phase in Phase::ALL {
        assert_eq!(phase.as_str().parse(), Ok(*phase));
    }
    for reason in Reason::ALL {
        assert_eq!(reason.as_str().parse(), Ok(*reason));
    }
    assert_eq!("FAILED".parse::<Phase>(), Err(FormatError::Text));
}
