//! Where a log keeps its bytes: what the committer needs of it, and nothing else.

use super::{ReadError, Stored};
use fleetfn_core::Offset;
use std::io;
use std::time::Duration;

/// Keeps groups of encoded records. Only one thread, the committer, writes.
pub trait Medium: Send + Sync + 'static {
    /// Where the checksums of this log begin: unknown to those who send payloads, so that none can be made to look
    /// like a record.
    fn salt(&self) -> u32;

    /// Writes a group whose first record is at `first`, behind all that was written before. After a failed write or
    /// sync the same group may come again, and takes the place of the first try.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] and [`io::ErrorKind::QuotaExceeded`] mean that it may be tried again.
    fn write(&self, first: Offset, group: &[u8]) -> io::Result<()>;

    /// Makes durable what was written.
    ///
    /// # Errors
    /// As for [`Medium::write`].
    fn sync(&self) -> io::Result<()>;

    /// Records in `from..end`, in order, about `bytes_max` bytes of them, at least one.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read(&self, from: Offset, end: Offset, bytes_max: usize) -> Result<Vec<Stored>, ReadError>;

    /// The oldest record that can be read.
    fn start(&self) -> Offset;

    /// The oldest record to keep of those below `end`, if no more than `bytes_max` bytes and nothing older than
    /// `age_max` is to be kept.
    fn retained_from(&self, end: Offset, bytes_max: u64, age_max: Duration) -> Offset;

    /// About how many bytes stand at `from` and behind it.
    fn bytes_from(&self, from: Offset) -> u64;

    /// Forgets records below an offset, as far as it can; the new start.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    fn trim(&self, below: Offset) -> Result<Offset, ReadError>;
}
