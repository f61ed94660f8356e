//! Reads and writes the state of the event's entity.
//!
//! An invocation reads what it wrote itself; the rest comes from the reader that the host was called with.

use super::{seconds, wish};
use crate::failure::Failure;
use crate::guest::{Guest, burn, enter, fill, fuel_left, fuel_of, give, length, part, part_mut, split};
use crate::limits::{CALL_FUEL, READ_FUEL};
use crate::migration::STATE_VERSION_KEY;
use crate::wishes::{Kind, Wishes, Written};
use bytes::Bytes;
use fleetfn_abi::MISSING;
use fleetfn_abi::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use fleetfn_core::invocation::{StateReader, StateUnavailable};
use std::ops::Range;
use wasmi::Caller;

/// `key_len u16 | value_len u32` before each entry of a scan.
const ENTRY_HEADER_BYTES: usize = 6;
/// Fuel for each entry that a scan visits.
const ENTRY_FUEL: u64 = 50;

/// Where a value is.
enum Found {
    Written(Range<usize>),
    Stored(Bytes),
}

fn key(memory: &[u8], pointer: u32, length: u32) -> Result<&[u8], Failure> {
    let key = part(memory, pointer, length)?;
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Failure::Key(length));
    }
    Ok(key)
}

pub(super) fn state_get(
    caller: &mut Caller<'_, Guest>,
    key_ptr: u32,
    key_len: u32,
    out_ptr: u32,
    out_cap: u32,
) -> Result<i32, Failure> {
    enter(caller, READ_FUEL, &[(key_ptr, key_len)])?;
    let (memory, guest) = split(caller)?;
    part(memory, out_ptr, out_cap)?;
    let key = key(memory, key_ptr, key_len)?;
    let found = match guest.wishes.find(key) {
        Some(written) => written.map(Found::Written),
        None => match &guest.state {
            Some(state) => state.get(key)?.map(Found::Stored),
            None => None,
        },
    };
    match found {
        None => Ok(MISSING),
        Some(Found::Stored(value)) => give(caller, &value, out_ptr, out_cap),
        Some(Found::Written(range)) => {
            burn(caller, fuel_of(range.len()))?;
            let (memory, guest) = split(caller)?;
            fill(memory, guest.wishes.part(&range), out_ptr, out_cap)
        }
    }
}

pub(super) fn state_put(
    caller: &mut Caller<'_, Guest>,
    key_ptr: u32,
    key_len: u32,
    value_ptr: u32,
    value_len: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(key_ptr, key_len), (value_ptr, value_len)])?;
    put(caller, (key_ptr, key_len), (value_ptr, value_len), 0)
}

pub(super) fn state_put_expiring(
    caller: &mut Caller<'_, Guest>,
    key_ptr: u32,
    key_len: u32,
    value_ptr: u32,
    value_len: u32,
    ttl_s: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(key_ptr, key_len), (value_ptr, value_len)])?;
    let ttl_s = seconds("the time to live of a value", ttl_s, 1..=u32::MAX)?;
    put(caller, (key_ptr, key_len), (value_ptr, value_len), ttl_s)
}

fn put(
    caller: &mut Caller<'_, Guest>,
    (key_ptr, key_len): (u32, u32),
    (value_ptr, value_len): (u32, u32),
    ttl_s: u32,
) -> Result<i32, Failure> {
    let (memory, guest) = split(caller)?;
    let key = key(memory, key_ptr, key_len)?;
    let value = part(memory, value_ptr, value_len)?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(Failure::Value(value_len));
    }
    wish(guest, Kind::Put { ttl_s }, &[key, value])
}

pub(super) fn state_delete(
    caller: &mut Caller<'_, Guest>,
    key_ptr: u32,
    key_len: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(key_ptr, key_len)])?;
    let (memory, guest) = split(caller)?;
    let key = key(memory, key_ptr, key_len)?;
    wish(guest, Kind::Delete, &[key])
}

pub(super) fn state_scan(
    caller: &mut Caller<'_, Guest>,
    prefix_ptr: u32,
    prefix_len: u32,
    after_ptr: u32,
    after_len: u32,
    out_ptr: u32,
    out_cap: u32,
) -> Result<i32, Failure> {
    enter(caller, READ_FUEL, &[(prefix_ptr, prefix_len), (after_ptr, after_len)])?;
    let budget = fuel_left(caller);
    let (memory, guest) = split(caller)?;
    // Copied: the guest may let them overlap with the page.
    let mut name = [0; 2 * KEY_BYTES_MAX];
    let (prefix, after) = name.split_at_mut(KEY_BYTES_MAX);
    let prefix = copied(prefix, memory, prefix_ptr, prefix_len)?;
    let after = copied(after, memory, after_ptr, after_len)?;
    let mut page = Page { out: part_mut(memory, out_ptr, out_cap)?, len: 0, too_long: None, fuel: 0, budget };
    let Guest { wishes, state, .. } = guest;
    if let Some(state) = state {
        let after = Some(after).filter(|after| !after.is_empty());
        scan(&**state, wishes, prefix, after, &mut |key, value| page.take(key, value))?;
    }
    let Page { len, too_long, fuel, .. } = page;
    burn(caller, fuel)?;
    Ok(length(too_long.unwrap_or(len)))
}

fn copied<'a>(room: &'a mut [u8], memory: &[u8], pointer: u32, length: u32) -> Result<&'a [u8], Failure> {
    let source = part(memory, pointer, length)?;
    let room = room.get_mut(..source.len()).ok_or(Failure::Key(length))?;
    room.copy_from_slice(source);
    Ok(room)
}

/// A page of entries as it is written into the guest's memory.
struct Page<'a> {
    out: &'a mut [u8],
    len: usize,
    /// Length of a first entry that does not fit.
    too_long: Option<usize>,
    fuel: u64,
    budget: u64,
}

impl Page<'_> {
    /// Adds an entry; whether there may be room for more.
    fn take(&mut self, key: &[u8], value: &[u8]) -> bool {
        let full = ENTRY_HEADER_BYTES + key.len() + value.len();
        self.fuel = self.fuel.saturating_add(ENTRY_FUEL + fuel_of(full));
        if self.fuel > self.budget {
            return false;
        }
        // Both fit: keys and values were checked when they were written.
        let key_len = u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes();
        let value_len = u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes();
        let Some(mut room) = self.out.get_mut(self.len..).filter(|room| room.len() >= full) else {
            if self.len == 0 {
                self.too_long = Some(full);
            }
            return false;
        };
        for part in [&key_len[..], &value_len[..], key, value] {
            let (now, later) = room.split_at_mut(part.len());
            now.copy_from_slice(part);
            room = later;
        }
        self.len += full;
        true
    }
}

/// Visits what is stored and what was written, merged in order, without what was deleted and without the row that
/// only the host knows.
fn scan(
    state: &dyn StateReader,
    wishes: &Wishes,
    prefix: &[u8],
    after: Option<&[u8]>,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), StateUnavailable> {
    let wanted = |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| key > after);
    let written = wishes.find_all(wanted);
    if written.is_empty() {
        return state.scan(prefix, after, &mut |key, value| key == STATE_VERSION_KEY || visit(key, value));
    }
    let mut written = written.iter().peekable();
    let show = |entry: &Written, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool| match &entry.value {
        Some(value) => visit(wishes.part(&entry.key), wishes.part(value)),
        None => true,
    };
    let mut go_on = true;
    state.scan(prefix, after, &mut |key, value| {
        if key == STATE_VERSION_KEY {
            return true;
        }
        while let Some(entry) = written.next_if(|entry| wishes.part(&entry.key) < key) {
            go_on = show(entry, visit);
            if !go_on {
                return false;
            }
        }
        go_on = match written.next_if(|entry| wishes.part(&entry.key) == key) {
            Some(entry) => show(entry, visit),
            None => visit(key, value),
        };
        go_on
    })?;
    while go_on && let Some(entry) = written.next() {
        go_on = show(entry, visit);
    }
    Ok(())
}
