//! Patches that are good, and patches that are anything.

use fleetfn_patch::{Applier, Error, Output, make};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// Applies a patch as a device does, and counts what each byte leads to.
fn apply(old: &[u8], new_bytes: usize, patch: &[u8]) -> Result<Vec<u8>, Error> {
    let len = |bytes: usize| u32::try_from(bytes).expect("short");
    let mut applier = Applier::new(len(old.len()), len(new_bytes));
    let mut new = Vec::new();
    for byte in patch {
        applier.push(*byte)?;
        let before = new.len();
        while let Some(output) = applier.poll_output()? {
            new.push(match output {
                Output::Byte(byte) => byte,
                Output::Sum { at, add } => old[at as usize].wrapping_add(add),
            });
            assert!(new.len() <= new_bytes && new.len() - before <= 34, "bounded");
        }
    }
    assert_eq!(applier.is_whole(), new.len() == new_bytes);
    Ok(new)
}

/// An image as compilers make them: words, some of them addresses, zeros.
fn image() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..80),
        (1_usize..200).prop_map(|len| vec![0; len]),
        (any::<u32>(), 1_u32..60).prop_map(|(base, count)| {
            (0..count).flat_map(|index| (base.wrapping_add(index * 4)).to_le_bytes()).collect()
        }),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// What becomes of an image in a new version: bytes change, parts go, come, move.
fn edits() -> impl Strategy<Value = Vec<(u16, u16, u8, Vec<u8>)>> {
    let inserted = prop_oneof![3 => Just(Vec::new()), 2 => proptest::collection::vec(any::<u8>(), 0..40)];
    proptest::collection::vec((any::<u16>(), 0_u16..60, any::<u8>(), inserted), 0..8)
}

fn edited(old: &[u8], edits: &[(u16, u16, u8, Vec<u8>)]) -> Vec<u8> {
    let mut new = old.to_vec();
    for (at, len, byte, inserted) in edits {
        let at = usize::from(*at) % (new.len() + 1);
        let end = (at + usize::from(*len)).min(new.len());
        let cut: Vec<u8> = new.drain(at..end).collect();
        match byte % 3 {
            0 => new.extend(cut),
            1 => new.splice(at..at, inserted.iter().copied()).for_each(drop),
            _ => new.splice(at..at, cut.iter().map(|old| old.wrapping_add(*byte))).for_each(drop),
        }
    }
    new
}

proptest! {
    #[test]
    fn a_patch_makes_the_new_image(old in image(), edits in edits()) {
        let new = edited(&old, &edits);
        prop_assert_eq!(apply(&old, new.len(), &make(&old, &new)), Ok(new));
    }

    #[test]
    fn a_patch_between_strangers_makes_the_new_image_and_is_not_much_longer(old in image(), new in image()) {
        let patch = make(&old, &new);
        prop_assert!(patch.len() <= new.len() + new.len() / 6 + 16);
        prop_assert_eq!(apply(&old, new.len(), &patch), Ok(new));
    }

    #[test]
    fn any_bytes_are_applied_within_their_bounds(old in image(), mut patch: Vec<u8>, framed: bool, new_bytes in 0_usize..2_000) {
        if framed && !patch.is_empty() {
            patch[0] = 1;
        }
        let _ = apply(&old, new_bytes, &patch);
    }

    #[test]
    fn a_damaged_patch_is_applied_within_its_bounds(
        old in image(),
        edits in edits(),
        damages in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..4),
        shorter in 0_usize..4,
    ) {
        let new = edited(&old, &edits);
        let mut patch = make(&old, &new);
        for (at, byte) in damages {
            let at = usize::from(at) % patch.len();
            patch[at] = byte;
        }
        let _ = apply(&old, new.len().saturating_sub(shorter), &patch);
    }
}

#[test]
fn a_changed_constant_is_a_short_patch_and_moved_code_a_small_part_of_the_image() {
    // Words that look like instructions, with an address in every eighth.
    let word = |index: u32, base: u32| {
        if index % 8 == 3 { base + index * 12 } else { index.wrapping_mul(0x9e37_79b9) >> 7 }
    };
    let image =
        |base: u32| -> Vec<u8> { (0..8_000).flat_map(|index| word(index, base).to_le_bytes()).collect() };
    let old = image(0x0800_0000);
    let mut changed = old.clone();
    changed[10_000] ^= 0x55;
    let patch = make(&old, &changed);
    assert!(patch.len() < old.len() / 12, "{} bytes", patch.len());
    assert_eq!(apply(&old, changed.len(), &patch), Ok(changed));

    let mut moved = image(0x0800_0010);
    moved.splice(4_000..4_000, [0xde, 0xad, 0xbe, 0xef]);
    let patch = make(&old, &moved);
    assert!(patch.len() < moved.len() / 4, "{} bytes", patch.len());
    assert_eq!(apply(&old, moved.len(), &patch), Ok(moved));
}

#[test]
fn what_is_no_patch_is_refused_by_its_reason() {
    assert_eq!(apply(b"old", 3, &[2]), Err(Error::Version(2)));
    // Six bytes of 0xff: a number without an end.
    let mut bits = String::from("111111111").repeat(6);
    bits.push_str("00");
    let pack = |bits: &str| -> Vec<u8> {
        let bytes = bits
            .as_bytes()
            .chunks(8)
            .map(|byte| byte.iter().chain(b"00000000").take(8).fold(0, |byte, bit| byte << 1 | (bit - b'0')));
        [1].into_iter().chain(bytes).collect()
    };
    assert_eq!(apply(b"old", 3, &pack(&bits)), Err(Error::Number));
    // Ten bytes for an image of three.
    assert_eq!(apply(b"old", 3, &pack("100001010")), Err(Error::Beyond));
    // No sums, no bytes, forward by two, then a sum of two: the second is outside.
    let zero = "100000000";
    let two = "100000010";
    let outside = [zero, zero, "100000100", two, zero, zero].concat();
    assert_eq!(apply(b"old", 3, &pack(&outside)), Err(Error::Outside));
    assert_eq!(make(b"old", b""), [1]);
}
