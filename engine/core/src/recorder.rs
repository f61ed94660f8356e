//! Keeps what an invocation reads, and answers a replay with it.

use crate::invocation::{Read, StateReader, StateUnavailable};
use crate::update::Update;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::cell::RefCell;
use core::mem;
use fleetfn_protocol::FunctionName;

/// Bytes of reads that are kept of one invocation: more than handlers read by far, and a bound on what a commit
/// takes. An invocation that reads more cannot be replayed, and says so.
const READ_BYTES_MAX: usize = 256 * 1024;

/// What was read so far. Shared between the reader that the guest holds and the host.
#[derive(Debug, Clone, Default)]
pub struct Reads(Rc<RefCell<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    state: BTreeMap<Bytes, Option<Bytes>>,
    twin: Option<Option<Bytes>>,
    config: BTreeMap<String, Option<Bytes>>,
    update: Option<Option<Box<Update>>>,
    listeners: BTreeMap<String, Vec<FunctionName>>,
    bytes: usize,
}

impl Kept {
    fn state(&mut self, key: &[u8], value: Option<&Bytes>) {
        if self.bytes <= READ_BYTES_MAX && !self.state.contains_key(key) {
            self.bytes += key.len() + value.map_or(0, Bytes::len);
            self.state.insert(Bytes::copy_from_slice(key), value.cloned());
        }
    }
}

impl Reads {
    /// Takes out what was read: state by key, then the twin, configuration, and what only functions of the engine's own read;
    /// or [`Read::Lost`] alone.
    #[must_use]
    pub fn take(&self) -> Vec<Read> {
        let Kept { state, twin, config, update, listeners, bytes } = mem::take(&mut *self.0.borrow_mut());
        if bytes > READ_BYTES_MAX {
            return Vec::from([Read::Lost]);
        }
        let state = state.into_iter().map(|(key, value)| Read::State { key, value });
        let twin = twin.into_iter().map(|document| Read::Twin { document });
        let config = config.into_iter().map(|(key, value)| Read::Config { key, value });
        let update = update.into_iter().map(|update| Read::Update { update });
        let listeners =
            listeners.into_iter().map(|(message, functions)| Read::Listeners { message, functions });
        state.chain(twin).chain(config).chain(update).chain(listeners).collect()
    }
}

/// A reader that keeps what it answers.
#[derive(Debug)]
pub struct Recorder<S> {
    below: S,
    reads: Reads,
}

impl<S> Recorder<S> {
    /// Records what is read of `below`.
    #[must_use]
    pub fn new(below: S, reads: Reads) -> Self {
        Self { below, reads }
    }
}

impl<S: StateReader> StateReader for Recorder<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        let value = self.below.get(key)?;
        self.reads.0.borrow_mut().state(key, value.as_ref());
        Ok(value)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        // The entry at which the guest stops counts as read: a replay stops there as well.
        self.below.scan(prefix, after, &mut |key, value| {
            self.reads.0.borrow_mut().state(key, Some(value));
            visit(key, value)
        })
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        let document = self.below.twin()?;
        let mut kept = self.reads.0.borrow_mut();
        if kept.twin.is_none() {
            kept.bytes += document.as_ref().map_or(0, Bytes::len);
            kept.twin = Some(document.clone());
        }
        Ok(document)
    }

    fn config(&self, key: &str) -> Result<Option<Bytes>, StateUnavailable> {
        let value = self.below.config(key)?;
        let mut kept = self.reads.0.borrow_mut();
        if kept.bytes <= READ_BYTES_MAX && !kept.config.contains_key(key) {
            kept.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
            kept.config.insert(key.into(), value.clone());
        }
        Ok(value)
    }

    fn update(&self) -> Result<Option<Update>, StateUnavailable> {
        let update = self.below.update()?;
        // Bounded by the longest offer.
        self.reads.0.borrow_mut().update.get_or_insert_with(|| update.clone().map(Box::new));
        Ok(update)
    }

    fn listeners(&self, message: &str) -> Result<Vec<FunctionName>, StateUnavailable> {
        let functions = self.below.listeners(message)?;
        // Of the few names that the engine's own functions ask for.
        self.reads.0.borrow_mut().listeners.entry(message.into()).or_insert_with(|| functions.clone());
        Ok(functions)
    }
}

/// Answers as the store did when the reads were recorded. What was not read then is not there.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    state: BTreeMap<Bytes, Option<Bytes>>,
    twin: Option<Bytes>,
    config: BTreeMap<String, Option<Bytes>>,
    update: Option<Box<Update>>,
    listeners: BTreeMap<String, Vec<FunctionName>>,
}

impl Replay {
    /// A reader over recorded reads; `None` if they were lost.
    #[must_use]
    pub fn new(reads: &[Read]) -> Option<Self> {
        let mut replay = Self::default();
        for read in reads {
            match read {
                Read::State { key, value } => drop(replay.state.insert(key.clone(), value.clone())),
                Read::Twin { document } => replay.twin = document.clone(),
                Read::Config { key, value } => drop(replay.config.insert(key.clone(), value.clone())),
                Read::Update { update } => replay.update.clone_from(update),
                Read::Listeners { message, functions } => {
                    replay.listeners.insert(message.clone(), functions.clone());
                }
                Read::Lost => return None,
            }
        }
        Some(replay)
    }
}

impl StateReader for Replay {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.state.get(key).cloned().flatten())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        let fits = |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        for (key, value) in self.state.iter().filter(|(key, _)| fits(key)) {
            if let Some(value) = value
                && !visit(key, value)
            {
                break;
            }
        }
        Ok(())
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.twin.clone())
    }

    fn config(&self, key: &str) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.config.get(key).cloned().flatten())
    }

    fn update(&self) -> Result<Option<Update>, StateUnavailable> {
        Ok(self.update.as_deref().cloned())
    }

    fn listeners(&self, message: &str) -> Result<Vec<FunctionName>, StateUnavailable> {
        Ok(self.listeners.get(message).cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys `a` to `e`, each with itself as its value.
    struct Letters;

    impl StateReader for Letters {
        fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
            Ok(matches!(key, [b'a'..=b'e']).then(|| Bytes::copy_from_slice(key)))
        }

        fn scan(
            &self,
            prefix: &[u8],
            after: Option<&[u8]>,
            visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
        ) -> Result<(), StateUnavailable> {
            for key in (b'a'..=b'e').map(|letter| [letter]) {
                let fits = key.starts_with(prefix) && after.is_none_or(|after| &key[..] > after);
                if fits && !visit(&key, &Bytes::copy_from_slice(&key)) {
                    break;
                }
            }
            Ok(())
        }

        fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
            Ok(Some(Bytes::from_static(b"{}")))
        }

        fn config(&self, key: &str) -> Result<Option<Bytes>, StateUnavailable> {
            Ok((key == "limit").then(|| Bytes::from_static(b"30")))
        }
    }

    /// Reads here and there; what it found.
    fn run(reader: &dyn StateReader) -> Vec<Option<Bytes>> {
        let mut found = Vec::from(
            [reader.get(b"e"), reader.get(b"z"), reader.twin(), reader.config("limit")]
                .map(|read| read.expect("it can be read")),
        );
        let mut page = 0;
        let visit = &mut |_: &[u8], value: &Bytes| {
            found.push(Some(value.clone()));
            page += 1;
            page < 2
        };
        reader.scan(b"", Some(b"a"), visit).expect("it can be read");
        found
    }

    #[test]
    fn a_replay_finds_what_the_invocation_found_and_nothing_else() {
        let reads = Reads::default();
        let found = run(&Recorder::new(Letters, reads.clone()));
        let kept = reads.take();
        assert_eq!(kept.len(), 6, "b, c, e, z, the twin and the limit: {kept:?}");
        let replay = Replay::new(&kept).expect("kept");
        assert_eq!(run(&replay), found);
        assert_eq!(replay.get(b"d"), Ok(None));
    }

    #[test]
    fn reads_that_are_too_large_are_lost_as_a_whole() {
        struct Large;
        impl StateReader for Large {
            fn get(&self, _: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
                Ok(Some(Bytes::from_static(&[0; 64 * 1024])))
            }
            fn scan(
                &self,
                _: &[u8],
                _: Option<&[u8]>,
                _: &mut dyn FnMut(&[u8], &Bytes) -> bool,
            ) -> Result<(), StateUnavailable> {
                Ok(())
            }
            fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
                Ok(None)
            }
            fn config(&self, _: &str) -> Result<Option<Bytes>, StateUnavailable> {
                Ok(None)
            }
        }
        let reads = Reads::default();
        let recorder = Recorder::new(Large, reads.clone());
        for key in [b"a", b"b", b"c", b"d", b"e", b"f"] {
            recorder.get(key).expect("it can be read");
        }
        assert_eq!(reads.take(), [Read::Lost]);
        assert!(Replay::new(&[Read::Lost]).is_none());
    }
}
