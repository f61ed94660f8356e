//! What a function finds in a case: state, twin and configuration in memory, changed by what it asks for.

use super::case::Case;
use super::value::{bytes, shown};
use bytes::Bytes;
use fleetfn_core::Effect;
use fleetfn_core::invocation::{StateReader, StateUnavailable};
use fleetfn_core::twin::Twin;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The key under which the version of the state stands, which no function can name.
const STATE_VERSION_KEY: &[u8] = b"";

/// A value, and the time from which it is not seen.
#[derive(Debug, Clone)]
struct Kept {
    value: Bytes,
    until_ms: Option<u64>,
}

/// What is there between two events.
#[derive(Debug)]
pub(super) struct World {
    state: Rc<BTreeMap<Vec<u8>, Kept>>,
    config: Rc<BTreeMap<String, Bytes>>,
    /// `None` if the events are not about a device.
    twin: Option<Twin>,
}

/// What one event finds.
#[derive(Debug)]
pub(super) struct Reader {
    state: Rc<BTreeMap<Vec<u8>, Kept>>,
    config: Rc<BTreeMap<String, Bytes>>,
    twin: Option<Bytes>,
    now_ms: u64,
}

impl World {
    /// What a case begins with.
    pub(super) fn new(case: &Case) -> Result<Self, String> {
        let mut state = BTreeMap::new();
        for (key, value) in &case.state {
            state.insert(key.as_bytes().to_vec(), Kept { value: bytes(value)?, until_ms: None });
        }
        if let Some(version) = case.state_version {
            let value = Bytes::copy_from_slice(&version.to_le_bytes());
            state.insert(STATE_VERSION_KEY.to_vec(), Kept { value, until_ms: None });
        }
        let config = case.config.iter().map(|(key, value)| Ok((key.clone(), bytes(value)?)));
        let twin = case.twin.clone().unwrap_or_default();
        let twin = Twin { version: 1, desired: twin.desired, reported: twin.reported, sent: None };
        Ok(Self {
            state: Rc::new(state),
            config: Rc::new(config.collect::<Result<_, String>>()?),
            twin: case.entity.is_none().then_some(twin),
        })
    }

    /// Merges what a device reports.
    pub(super) fn report(&mut self, report: &[u8]) -> Result<(), String> {
        let twin = self.twin.as_mut().ok_or("only a device has a twin")?;
        twin.report(report).map(drop).map_err(|error| error.to_string())
    }

    /// What an event at a time finds.
    pub(super) fn reader(&self, now_ms: u64) -> Reader {
        Reader {
            state: Rc::clone(&self.state),
            config: Rc::clone(&self.config),
            twin: self.twin.as_ref().map(Twin::shown),
            now_ms,
        }
    }

    /// Takes over what a function asked for at a time, as far as it sees it itself.
    pub(super) fn apply(&mut self, effects: &[Effect], now_ms: u64) -> Result<(), String> {
        for effect in effects {
            match effect {
                Effect::StatePut { key, value, ttl_s } => {
                    let until_ms = (*ttl_s > 0).then(|| now_ms.saturating_add(u64::from(*ttl_s) * 1_000));
                    let kept = Kept { value: value.clone(), until_ms };
                    Rc::make_mut(&mut self.state).insert(key.to_vec(), kept);
                }
                Effect::StateDelete { key } => {
                    Rc::make_mut(&mut self.state).remove(&key[..]);
                }
                Effect::TwinPatch { patch } => {
                    if let Some(twin) = &mut self.twin {
                        twin.desire(patch).map_err(|error| error.to_string())?;
                    }
                }
                Effect::Publish { .. }
                | Effect::Command { .. }
                | Effect::Send { .. }
                | Effect::TimerSet { .. }
                | Effect::TimerCancel { .. }
                | Effect::UpdateOrder { .. }
                | Effect::Http { .. }
                | Effect::Respond { .. }
                | Effect::Metric { .. } => {}
            }
        }
        Ok(())
    }

    /// All keys that an event at a time sees, with their values.
    pub(super) fn state(&self, now_ms: u64) -> Map<String, Value> {
        let seen = self.state.iter().filter(|(key, kept)| *key != STATE_VERSION_KEY && kept.is_seen(now_ms));
        seen.map(|(key, kept)| (String::from_utf8_lossy(key).into_owned(), shown(&kept.value))).collect()
    }

    /// The twin as a function sees it.
    pub(super) fn twin(&self) -> Value {
        let shown = self.twin.as_ref().map(Twin::shown).unwrap_or_default();
        serde_json::from_slice(&shown).unwrap_or(Value::Null)
    }
}

impl Kept {
    fn is_seen(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until| now_ms < until)
    }
}

impl StateReader for Reader {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        let kept = self.state.get(key).filter(|kept| kept.is_seen(self.now_ms));
        Ok(kept.map(|kept| kept.value.clone()))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        for (key, kept) in self.state.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) {
                break;
            }
            let wanted = after.is_none_or(|after| &key[..] > after) && kept.is_seen(self.now_ms);
            if wanted && !visit(key, &kept.value) {
                break;
            }
        }
        Ok(())
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.twin.clone())
    }

    fn config(&self, key: &str) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.config.get(key).cloned())
    }
}
