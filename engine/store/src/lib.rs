//! Remembers: the log, and the shared state as a view of it.
//!
//! [`Store`] is the facade: events go in with [`Store::admit`], what came of them with [`Store::commit`], and
//! [`View`] answers reads. [`log`] is the narrow waist below: a log on a file system, in memory, and a faulty one
//! for tests.
#![forbid(unsafe_code)]

mod codec;
mod flusher;
mod key;
pub mod log;
mod priority;
mod record;
mod recovery;
mod snapshot;
mod store;
mod view;

pub use codec::CodecError;
pub use log::group::Durability;
pub use log::{
    Append, AppendError, Channel, Failure, Haste, LeaseError, PartitionLog, ReadError, Receipt, Stored, Tail,
};
pub use priority::give_way;
pub use record::{decode_changes, decode_commit, decode_recordings, encode_commit};
pub use recovery::Recovery;
pub use store::{CommitError, Committed, Config, OpenError, Store};
pub use view::{Error, PartitionView, SettingRow, StateView, View};
