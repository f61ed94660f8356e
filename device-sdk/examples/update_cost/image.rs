//! Two images that look like what a compiler makes: instructions of which some come often, and addresses within.

use fleetfn_device::simulation::Random;

/// Words of four bytes.
const WORDS: usize = 16_384;

/// One word in so many is an address.
const ADDRESSES: u64 = 8;

/// Where the image lies.
const BASE: u32 = 0x0800_0000;

/// What the edit puts into the middle.
const INSERTED_WORDS: usize = 16;

/// 64 KB, the same in every run.
pub(crate) fn old() -> Vec<u8> {
    let mut random = Random::new(1, "image", 0);
    let instructions: Vec<u32> = (0..512).map(|_| random.number()).collect();
    let words = (0..WORDS).map(|_| {
        if random.below(ADDRESSES) == 0 {
            BASE + random.number() % 16_384 * 4
        } else {
            // Few of them come often, as in real code.
            let often = usize::try_from(random.below(512).min(random.below(512))).expect("short");
            instructions[often]
        }
    });
    words.flat_map(u32::to_le_bytes).collect()
}

/// The same with a few instructions more in the middle, and as many fewer at the end: what points behind them moves.
pub(crate) fn edited(old: &[u8]) -> Vec<u8> {
    let (words, _) = old.as_chunks::<4>();
    let middle = BASE + 4 * 8_192;
    let moved = 4 * u32::try_from(INSERTED_WORDS).expect("few");
    let mut new: Vec<u32> = words
        .iter()
        .map(|word| u32::from_le_bytes(*word))
        .map(|word| if (middle..BASE + 4 * 16_384).contains(&word) { word + moved } else { word })
        .collect();
    let mut random = Random::new(2, "edit", 0);
    new.splice(8_192..8_192, (0..INSERTED_WORDS).map(|_| random.number()));
    new.truncate(WORDS);
    new.into_iter().flat_map(u32::to_le_bytes).collect()
}
