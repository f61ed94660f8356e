//! The memory outside of a plug-in's own in which Extism's PDKs pass bytes: blocks by the place where they begin.

use crate::adapter::Refusal;
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::ops::Range;

/// No block begins at 0: that means that there is none.
const FIRST: usize = 8;

/// The blocks of one invocation, and which of them are output and error.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    bytes: Vec<u8>,
    /// Where each block begins, and its length. As many as fit: each takes at least 8 bytes.
    lengths: BTreeMap<u64, usize>,
    output: Range<usize>,
    error: u64,
}

impl Blocks {
    /// Makes a block of zeroes, as long as all together have at most `max` bytes; 0 for an empty one.
    pub(super) fn alloc(&mut self, length: u64, max: usize) -> Result<u64, Failure> {
        if length == 0 {
            return Ok(0);
        }
        let too_much = || Failure::Foreign(Refusal::Blocks(max));
        let length = usize::try_from(length).map_err(|_| too_much())?;
        let start = self.bytes.len().max(FIRST);
        let end = start.checked_add(length).and_then(|end| end.checked_next_multiple_of(8));
        let end = end.filter(|end| *end <= max).ok_or_else(too_much)?;
        self.bytes.resize(end, 0);
        let place = u64::try_from(start).map_err(|_| too_much())?;
        self.lengths.insert(place, length);
        Ok(place)
    }

    /// Gives a block back; its memory is used again if nothing was allocated after it.
    pub(super) fn free(&mut self, block: u64) {
        let is_last = self.lengths.last_key_value().is_some_and(|(last, _)| *last == block);
        if self.lengths.remove(&block).is_some() && is_last {
            self.bytes.truncate(usize::try_from(block).unwrap_or(usize::MAX));
        }
    }

    /// The length of a block; 0 if there is none.
    pub(super) fn length(&self, block: u64) -> u64 {
        let length = self.lengths.get(&block).copied().unwrap_or_default();
        u64::try_from(length).unwrap_or_default()
    }

    /// The bytes of a block; nothing if there is none.
    pub(super) fn bytes(&self, block: u64) -> &[u8] {
        let length = self.lengths.get(&block).copied().unwrap_or_default();
        let range = range(block, length).ok();
        range.and_then(|range| self.bytes.get(range)).unwrap_or_default()
    }

    /// Writes the bytes of a block that is as long.
    pub(super) fn fill(&mut self, block: u64, bytes: &[u8]) {
        let range = range(block, bytes.len()).ok();
        if let Some(into) = range.and_then(|range| self.bytes.get_mut(range)) {
            into.copy_from_slice(bytes);
        }
    }

    /// Bytes at a place in some block.
    pub(super) fn load<const N: usize>(&self, at: u64) -> Result<[u8; N], Failure> {
        let part = self.bytes.get(range(at, N)?).and_then(|part| part.first_chunk::<N>());
        part.copied().ok_or(Failure::Foreign(Refusal::Block { offset: at, length: N }))
    }

    /// Writes bytes at a place in some block.
    pub(super) fn store<const N: usize>(&mut self, at: u64, bytes: [u8; N]) -> Result<(), Failure> {
        let part = self.bytes.get_mut(range(at, N)?);
        let part = part.ok_or(Failure::Foreign(Refusal::Block { offset: at, length: N }))?;
        part.copy_from_slice(&bytes);
        Ok(())
    }

    /// Takes bytes at a place as the output.
    pub(super) fn set_output(&mut self, at: u64, length: u64) -> Result<(), Failure> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let range = range(at, length)?;
        if self.bytes.get(range.clone()).is_none() && length > 0 {
            return Err(Failure::Foreign(Refusal::Block { offset: at, length }));
        }
        self.output = range;
        Ok(())
    }

    pub(super) fn output(&self) -> &[u8] {
        self.bytes.get(self.output.clone()).unwrap_or_default()
    }

    /// Takes a block as the text of an error.
    pub(super) fn set_error(&mut self, block: u64) {
        self.error = block;
    }

    pub(super) fn error(&self) -> &[u8] {
        self.bytes(self.error)
    }
}

fn range(at: u64, length: usize) -> Result<Range<usize>, Failure> {
    let start = usize::try_from(at).ok();
    match start.and_then(|start| Some(start..start.checked_add(length)?)) {
        Some(range) => Ok(range),
        None => Err(Failure::Foreign(Refusal::Block { offset: at, length })),
    }
}

#[cfg(test)]
mod tests {
    use super::Blocks;

    #[test]
    fn blocks_lie_apart_and_end_at_the_limit() {
        let mut blocks = Blocks::default();
        let one = blocks.alloc(3, 64).expect("there is room");
        let other = blocks.alloc(9, 64).expect("there is room");
        assert_eq!((one, other, blocks.alloc(0, 64).expect("nothing to make")), (8, 16, 0));
        blocks.fill(other, b"123456789");
        assert_eq!((blocks.bytes(one), blocks.bytes(other)), (&[0, 0, 0][..], &b"123456789"[..]));
        assert_eq!(blocks.length(other), 9);
        assert!(blocks.alloc(33, 64).is_err());
        assert!(blocks.alloc(u64::MAX, 64).is_err());
        blocks.free(other);
        assert_eq!(blocks.bytes(other), b"");
        assert_eq!(blocks.alloc(32, 64).expect("it was freed"), other);
    }

    #[test]
    fn a_place_outside_is_refused() {
        let mut blocks = Blocks::default();
        let block = blocks.alloc(8, 64).expect("there is room");
        assert!(blocks.store(block, [1; 8]).is_ok());
        assert_eq!(blocks.load::<8>(block).expect("inside"), [1; 8]);
        for at in [block + 1, 1 << 40, u64::MAX] {
            assert!(blocks.load::<8>(at).is_err());
            assert!(blocks.store(at, [0; 8]).is_err());
            assert!(blocks.set_output(at, 8).is_err());
        }
        assert!(blocks.set_output(block, 9).is_err());
        assert!(blocks.set_output(0, 0).is_ok());
    }
}
