//! The effects of one invocation while it runs: one arena of bytes, and a list of what they mean.
//!
//! Both are kept from invocation to invocation. What leaves is one allocation for the bytes of all effects and one
//! for the list; nothing that leaves holds on to more memory than it needs.

use bytes::Bytes;
use fleetfn_core::Effect;
use fleetfn_core::effect::MetricKind;
use std::mem;
use std::ops::Range;

/// From here on the arena itself leaves instead of a copy.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// What kind of effect; says what its parts are, and holds what is no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Key and value.
    Put { ttl_s: u32 },
    /// Key.
    Delete,
    /// Topic and payload.
    Publish,
    /// Name and payload.
    Command { ttl_s: u32, timeout_s: u32 },
    /// Canonical bytes of the entity, name and payload.
    Send { delay_s: u32 },
    /// Name and payload.
    TimerSet { delay_s: u32 },
    /// Name.
    TimerCancel,
    /// JSON.
    TwinPatch,
    /// Tag and encoded request.
    Http,
    /// Content type and body.
    Respond { status: u16 },
    /// Name.
    Metric { kind: MetricKind, value_bits: u64 },
}

/// Parts that an effect has at most.
const PARTS: usize = 3;

#[derive(Debug, Clone, Copy)]
struct Wish {
    kind: Kind,
    at: usize,
    /// Where each part ends, and the next begins.
    ends: [usize; PARTS],
}

/// A key that was written: its place in the arena, and that of its value unless it was deleted.
pub(crate) struct Written {
    pub(crate) key: Range<usize>,
    pub(crate) value: Option<Range<usize>>,
}

/// The effects so far, in order.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    bytes: Vec<u8>,
    wishes: Vec<Wish>,
}

impl Wishes {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.wishes.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.wishes.len()
    }

    /// Bytes of all effects.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn push(&mut self, kind: Kind, parts: &[&[u8]]) {
        let at = self.bytes.len();
        let mut ends = [at; PARTS];
        let mut parts = parts.iter();
        for end in &mut ends {
            self.bytes.extend_from_slice(parts.next().copied().unwrap_or_default());
            *end = self.bytes.len();
        }
        self.wishes.push(Wish { kind, at, ends });
    }

    /// Whether there is an effect that `wanted` takes.
    pub(crate) fn any(&self, wanted: impl Fn(Kind) -> bool) -> bool {
        self.wishes.iter().any(|wish| wanted(wish.kind))
    }

    /// A part of the arena.
    pub(crate) fn part(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    fn written(&self) -> impl DoubleEndedIterator<Item = Written> {
        self.wishes.iter().filter_map(|wish| {
            let [key_end, value_end, _] = wish.ends;
            let value = match wish.kind {
                Kind::Put { .. } => Some(key_end..value_end),
                Kind::Delete => None,
                Kind::Publish
                | Kind::Command { .. }
                | Kind::Send { .. }
                | Kind::TimerSet { .. }
                | Kind::TimerCancel
                | Kind::TwinPatch
                | Kind::Http
                | Kind::Respond { .. }
                | Kind::Metric { .. } => return None,
            };
            Some(Written { key: wish.at..key_end, value })
        })
    }

    /// The last write of a key: `None` if it was not written, `Some(None)` if it was deleted.
    pub(crate) fn find(&self, key: &[u8]) -> Option<Option<Range<usize>>> {
        self.written().rev().find(|written| self.part(&written.key) == key).map(|written| written.value)
    }

    /// The last write of each key that `wanted` takes, ascending.
    pub(crate) fn find_all(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<Written> {
        let mut newest: Vec<Written> =
            self.written().rev().filter(|written| wanted(self.part(&written.key))).collect();
        // Stable: of equal keys the newest stays first, and alone.
        newest.sort_by(|a, b| self.part(&a.key).cmp(self.part(&b.key)));
        newest.dedup_by(|later, first| self.part(&later.key) == self.part(&first.key));
        newest
    }

    /// Takes the effects out.
    pub(crate) fn take(&mut self) -> Vec<Effect> {
        if self.wishes.is_empty() {
            return Vec::new();
        }
        let bytes = if self.bytes.len() > COPY_BYTES_MAX {
            Bytes::from(mem::take(&mut self.bytes))
        } else {
            Bytes::copy_from_slice(&self.bytes)
        };
        let effect = |wish: Wish| {
            let [one, two, three] = wish.ends;
            let (first, second) = (bytes.slice(wish.at..one), bytes.slice(one..two));
            match wish.kind {
                Kind::Put { ttl_s } => Effect::StatePut { key: first, value: second, ttl_s },
                Kind::Delete => Effect::StateDelete { key: first },
                Kind::Publish => Effect::Publish { topic: first, payload: second },
                Kind::Command { ttl_s, timeout_s } => {
                    Effect::Command { name: first, payload: second, ttl_s, timeout_s }
                }
                Kind::Send { delay_s } => {
                    Effect::Send { entity: first, name: second, payload: bytes.slice(two..three), delay_s }
                }
                Kind::TimerSet { delay_s } => Effect::TimerSet { name: first, payload: second, delay_s },
                Kind::TimerCancel => Effect::TimerCancel { name: first },
                Kind::TwinPatch => Effect::TwinPatch { patch: first },
                Kind::Http => Effect::Http { tag: first, request: second },
                Kind::Respond { status } => Effect::Respond { content_type: first, body: second, status },
                Kind::Metric { kind, value_bits } => Effect::Metric { name: first, kind, value_bits },
            }
        };
        let effects = self.wishes.drain(..).map(effect).collect();
        self.bytes.clear();
        effects
    }
}
