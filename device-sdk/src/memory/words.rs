//! An entry in flash, word by word.

use super::entry::{HEADER_BYTES, Kind, header};
use super::{CHUNK_BYTES, Error};
use embedded_storage_async::nor_flash::NorFlash;

/// Writes an entry, word by word.
pub(super) async fn put<F: NorFlash>(
    flash: &mut F,
    word_bytes: usize,
    at: u32,
    kind: Kind,
    bytes: &[u8],
) -> Result<(), Error<F::Error>> {
    let header = header(kind, bytes);
    let mut rest = header.iter().chain(bytes).copied();
    let words = HEADER_BYTES.saturating_add(bytes.len()).div_ceil(word_bytes.max(1));
    let mut place = at;
    for _ in 0..words {
        let mut word = [0xff; CHUNK_BYTES];
        let word = word.get_mut(..word_bytes).unwrap_or_default();
        word.iter_mut().zip(&mut rest).for_each(|(to, from)| *to = from);
        flash.write(place, word).await.map_err(Error::Flash)?;
        place = place.saturating_add(u32::try_from(word_bytes).unwrap_or(u32::MAX));
    }
    Ok(())
}

/// Reads what an entry holds.
pub(super) async fn get<F: NorFlash>(
    flash: &mut F,
    word_bytes: usize,
    at: u32,
    bytes: &mut [u8],
) -> Result<(), Error<F::Error>> {
    let words = HEADER_BYTES.saturating_add(bytes.len()).div_ceil(word_bytes.max(1));
    let mut place = at;
    let mut skip = HEADER_BYTES;
    let mut room = bytes.iter_mut();
    for _ in 0..words {
        let mut word = [0; CHUNK_BYTES];
        let word = word.get_mut(..word_bytes).unwrap_or_default();
        flash.read(place, word).await.map_err(Error::Flash)?;
        place = place.saturating_add(u32::try_from(word_bytes).unwrap_or(u32::MAX));
        for byte in word {
            match skip.checked_sub(1) {
                Some(left) => skip = left,
                None => room.next().into_iter().for_each(|to| *to = *byte),
            }
        }
    }
    Ok(())
}
