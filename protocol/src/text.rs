//! Text out of bytes.

/// The text that bytes are, if they are UTF-8.
///
/// Whatever runs on a device asks here: `core::str::from_utf8` is quicker with long texts and takes more flash, and with two ways
/// to check a text both would be there.
#[must_use]
pub fn text(bytes: &[u8]) -> Option<&str> {
    match bytes.utf8_chunks().next() {
        None => Some(""),
        Some(chunk) => chunk.invalid().is_empty().then_some(chunk.valid()),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::text;
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use std::string::String;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn bytes_are_a_text_if_the_standard_library_says_so(bytes: Vec<u8>, words in any::<String>(), cut: usize) {
            prop_assert_eq!(text(&bytes), core::str::from_utf8(&bytes).ok());
            let cut = &words.as_bytes()[..cut % (words.len() + 1)];
            prop_assert_eq!(text(cut), core::str::from_utf8(cut).ok());
            prop_assert_eq!(text(words.as_bytes()), Some(words.as_str()));
        }
    }
}
