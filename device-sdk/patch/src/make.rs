//! The maker: finds what the two images have in common, then packs the difference.
//!
//! What is common is found as in Colin Percival's `bsdiff`: stretches that are equal but for some bytes, so that moved
//! code with other addresses in it stays one stretch. Candidates come from an index over all eight-byte words of the old
//! image. Time is linear in the length of both images for what firmware looks like.

mod likeness;
mod pack;

use super::VERSION;
use likeness::{Old, Record};
use std::vec::Vec;

/// A patch that makes `new` out of `old`.
///
/// It is as long as the difference: some hundred bytes for a changed constant, a fifth of the image for a change that
/// moves everything. If the images have nothing in common it is longer than the new one by an eighth: then send that whole.
/// Both are to be shorter than 2 GiB, which is what the format addresses.
#[must_use]
pub fn make(old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let records = records(old, new);
    for (index, record) in records.iter().enumerate() {
        // Nothing follows the last byte of the new image.
        let is_last = index + 1 == records.len();
        put_number(&mut plain, record.sum.len());
        let from = old.get(record.old_at..).unwrap_or_default();
        plain.extend(record.sum.iter().zip(from).map(|(new, old)| new.wrapping_sub(*old)));
        if !is_last || !record.bytes.is_empty() {
            put_number(&mut plain, record.bytes.len());
            plain.extend_from_slice(record.bytes);
        }
        if !is_last {
            put_zigzag(&mut plain, record.seek);
        }
    }
    let mut patch = Vec::from([VERSION]);
    pack::pack(&plain, &mut patch);
    patch
}

/// The records, in the order of the new image.
fn records<'a>(old: &'a [u8], new: &'a [u8]) -> Vec<Record<'a>> {
    let index = Old::new(old);
    let mut records: Vec<Record<'a>> = Vec::new();
    let (mut done, mut old_at) = (0, 0);
    while done < new.len() {
        let stretch = index.next_stretch(new, done, old_at);
        let mut record = stretch.record;
        record.seek = signed(stretch.next) - signed(old_at + record.sum.len());
        (done, old_at) = (stretch.end, stretch.next);
        records.push(record);
    }
    records
}

fn signed(at: usize) -> i64 {
    i64::try_from(at).expect("an image is in memory, which is shorter than that")
}

fn put_number(out: &mut Vec<u8>, number: usize) {
    put_bits(out, u64::try_from(number).expect("a usize has at most 64 bits"));
}

fn put_zigzag(out: &mut Vec<u8>, number: i64) {
    put_bits(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn put_bits(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}
