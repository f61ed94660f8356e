//! What two images have in common: stretches that are equal but for some bytes.

use std::vec::Vec;

/// Length of the words that are looked up: shorter ones are found everywhere in machine code.
const WORD_BYTES: usize = 8;

/// How many places of the same word are tried: runs of zeros have thousands, and all are as good.
const PLACES_MAX: usize = 32;

/// How many more bytes must be equal at another place before it is worth going there: what a record costs.
const GAIN_MIN: usize = 8;

/// A part of the new image: bytes that are like those of the old one, then bytes that are not.
pub(super) struct Record<'a> {
    pub(super) old_at: usize,
    pub(super) sum: &'a [u8],
    pub(super) bytes: &'a [u8],
    pub(super) seek: i64,
}

/// A record, where it ends in the new image, and what of the old image goes on there.
pub(super) struct Stretch<'a> {
    pub(super) record: Record<'a>,
    pub(super) end: usize,
    pub(super) next: usize,
}

/// The old image with an index of its words.
pub(super) struct Old<'a> {
    bytes: &'a [u8],
    /// Where its words begin, by word, then by place: four bytes for each byte of the image.
    places: Vec<u32>,
}

impl<'a> Old<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let words = bytes.windows(WORD_BYTES).len();
        let mut places: Vec<u32> = (0..=u32::MAX).take(words).collect();
        places.sort_unstable_by_key(|at| (word_at(bytes, *at), *at));
        Self { bytes, places }
    }

    /// The first places of a word.
    fn places(&self, word: &[u8; WORD_BYTES]) -> impl Iterator<Item = usize> {
        let first = self.places.partition_point(|at| word_at(self.bytes, *at) < Some(word));
        let from = self.places.get(first..).unwrap_or_default().iter();
        let same = from.take_while(move |at| word_at(self.bytes, **at) == Some(word));
        same.take(PLACES_MAX).map(|at| place(*at))
    }

    /// The next part of the new image from `done` on, which begins like the old one at `start`.
    pub(super) fn next_stretch(&self, new: &'a [u8], done: usize, start: usize) -> Stretch<'a> {
        let sum_bytes = self.like(new, done, start);
        // Each part has a byte at least, so that there is an end.
        let first = done + sum_bytes.max(1);
        let mut end = first.min(new.len());
        let mut next = start + sum_bytes;
        while end < new.len() {
            if let Some(at) = self.better(new, end, start + (end - done)) {
                let back = self.like_before(new, end, at, first);
                (end, next) = (end - back, at - back);
                break;
            }
            end += 1;
        }
        let sum = new.get(done..done + sum_bytes).unwrap_or_default();
        let bytes = new.get(done + sum_bytes..end).unwrap_or_default();
        Stretch { record: Record { old_at: start, sum, bytes, seek: 0 }, end, next }
    }

    /// Whether at another place of the old image much more is equal than if one goes on at `expected`.
    fn better(&self, new: &[u8], at: usize, expected: usize) -> Option<usize> {
        let (place, len) = self.longest(new, at)?;
        (len > self.equal(new, at, expected) + GAIN_MIN || len >= 2 * WORD_BYTES).then_some(place)
    }

    /// The place with the most equal bytes.
    fn longest(&self, new: &[u8], at: usize) -> Option<(usize, usize)> {
        let word = new.get(at..)?.first_chunk::<WORD_BYTES>()?;
        self.places(word).map(|place| (place, self.equal(new, at, place))).max_by_key(|(_, len)| *len)
    }

    /// How many bytes are equal.
    fn equal(&self, new: &[u8], at: usize, old_at: usize) -> usize {
        let (new, old) = (new.get(at..).unwrap_or_default(), self.bytes.get(old_at..).unwrap_or_default());
        new.iter().zip(old).take_while(|(new, old)| new == old).count()
    }

    /// For how many bytes more than half are equal, ending where the most more are; it also ends where another place is
    /// much better.
    fn like(&self, new: &[u8], at: usize, old_at: usize) -> usize {
        let pairs =
            new.get(at..).unwrap_or_default().iter().zip(self.bytes.get(old_at..).unwrap_or_default());
        let (mut score, mut best, mut len, mut unequal) = (0_i64, 0_i64, 0, 0_usize);
        for (index, (new_byte, old_byte)) in pairs.enumerate() {
            if new_byte == old_byte {
                score += 1;
                unequal = 0;
            } else {
                score -= 1;
                unequal += 1;
                let gone = best - score > 32 || unequal > 16;
                if gone || self.is_elsewhere(new, at + index, old_at + index) {
                    break;
                }
            }
            if score > best {
                (best, len) = (score, index + 1);
            }
        }
        len
    }

    /// Whether what comes is found whole at another place, after a byte that differs here.
    fn is_elsewhere(&self, new: &[u8], at: usize, expected: usize) -> bool {
        let rest = self.equal(new, at + 1, expected + 1);
        rest < 4 * WORD_BYTES && self.longest(new, at).is_some_and(|(_, len)| len > rest + 4 * WORD_BYTES)
    }

    /// For how many bytes before both places more than half are equal, but not before `first` of the new image.
    fn like_before(&self, new: &[u8], at: usize, old_at: usize, first: usize) -> usize {
        let new = new.get(first..at).unwrap_or_default().iter().rev();
        let pairs = new.zip(self.bytes.get(..old_at).unwrap_or_default().iter().rev());
        let (mut score, mut best, mut len) = (0_i64, 0_i64, 0);
        for (index, (new_byte, old_byte)) in pairs.enumerate() {
            score += if new_byte == old_byte { 1 } else { -1 };
            if score > best {
                (best, len) = (score, index + 1);
            }
            if best - score > 8 {
                break;
            }
        }
        len
    }
}

fn place(at: u32) -> usize {
    usize::try_from(at).expect("hosts address more than 32 bits")
}

fn word_at(bytes: &[u8], at: u32) -> Option<&[u8; WORD_BYTES]> {
    bytes.get(place(at)..)?.first_chunk()
}
