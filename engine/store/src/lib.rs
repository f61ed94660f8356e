//! Remembers: the segment log and the sled view of it.
