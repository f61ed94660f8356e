//! Messages of updates: what is read is written back to the same bytes, so there is one form of everything.

use fleetfn_protocol::limits::{MANIFEST_BYTES_MAX, OFFER_BYTES_MAX};
use fleetfn_protocol::update::{
    Block, BlockRequest, Content, Envelope, FormatError, Manifest, Offer, Signature, Status,
};

/// The first byte says which message the others are.
pub fn run(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 6 {
        0 => offer(bytes),
        1 => envelope(bytes),
        2 => same(bytes, Manifest::parse(bytes), |manifest, buffer| manifest.write(buffer)),
        3 => same(bytes, Block::parse(bytes), |block, buffer| block.write(buffer)),
        4 => request(bytes),
        _ => same(bytes, Status::parse(bytes), |status, buffer| status.write(buffer)),
    }
}

/// Writes what was read.
fn same<T>(
    bytes: &[u8],
    read: Result<T, FormatError>,
    write: impl for<'b> Fn(&T, &'b mut [u8]) -> Result<&'b [u8], FormatError>,
) {
    let Ok(value) = read else { return };
    let mut buffer = vec![0; bytes.len()];
    assert_eq!(write(&value, &mut buffer), Ok(bytes), "what was read is written back");
    let short = bytes.len().saturating_sub(1);
    assert_eq!(write(&value, &mut buffer[..short]), Err(FormatError::NoRoom));
}

fn offer(bytes: &[u8]) {
    let Ok(offer) = Offer::parse(bytes) else { return };
    assert!(bytes.len() <= OFFER_BYTES_MAX && offer.job > 0);
    let mut buffer = vec![0; bytes.len()];
    let written = match offer.content {
        Content::Withdrawn => Offer::write_withdrawn(&mut buffer, offer.job),
        Content::Update { delivery, envelope } => {
            let signatures: Vec<Signature<'_>> = envelope.signatures().collect();
            let mut inner = vec![0; bytes.len()];
            let inner = Envelope::write(&mut inner, &signatures, envelope.body()).expect("it was read");
            manifest(envelope.body());
            Offer::write(&mut buffer, offer.job, delivery, inner)
        }
    };
    assert_eq!(written, Ok(bytes));
}

fn envelope(bytes: &[u8]) {
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    let signatures: Vec<Signature<'_>> = envelope.signatures().collect();
    assert!((1..=4).contains(&signatures.len()) && envelope.body().len() <= MANIFEST_BYTES_MAX);
    let mut buffer = vec![0; bytes.len()];
    assert_eq!(Envelope::write(&mut buffer, &signatures, envelope.body()), Ok(bytes));
    manifest(envelope.body());
}

fn manifest(body: &[u8]) {
    same(body, Manifest::parse(body), |manifest, buffer| manifest.write(buffer));
}

fn request(bytes: &[u8]) {
    same(bytes, BlockRequest::parse(bytes), |request, buffer| request.write(buffer));
    let Ok(request) = BlockRequest::parse(bytes) else { return };
    let indices: Vec<u32> = request.indices().collect();
    assert!(
        indices.len() <= 32 && indices.is_sorted() && indices.iter().all(|index| *index >= request.first)
    );
}
