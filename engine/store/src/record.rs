//! A commit in the bytes that the log keeps.
//!
//! ```text
//! version u8 = 1 | partition u16 | epoch u64 | cursor option u64 | changes list
//! change: kind u8 | fields, as below
//! ```

use crate::codec::{CodecError, Reader, Write};
use crate::key::{dead_letter, deployment, device, outbox};
use bytes::Bytes;
use fleetfn_core::commit::{OutboxKey, Timer, TimerPurpose};
use fleetfn_core::{Change, Commit, Epoch, Offset, PartitionId};
use fleetfn_protocol::EffectId;

const VERSION: u8 = 1;

const STATE: u8 = 1;
const OUTBOX_PUT: u8 = 2;
const OUTBOX_DELETE: u8 = 3;
const TIMER_SET: u8 = 4;
const TIMER_DELETE: u8 = 5;
const SEEN: u8 = 6;
const DEAD_LETTER_PUT: u8 = 7;
const DEVICE: u8 = 8;
const DEPLOYMENT: u8 = 9;

/// Encodes a commit.
#[must_use]
pub fn encode_commit(commit: &Commit) -> Bytes {
    let mut out = Vec::with_capacity(64 + commit.changes.len() * 96);
    out.put_u8(VERSION);
    out.put_u16(commit.partition.0);
    out.put_u64(commit.epoch.0);
    out.put_option(commit.cursor, |out, cursor| out.put_u64(cursor.0));
    out.put_len(commit.changes.len());
    for change in &commit.changes {
        put_change(&mut out, change);
    }
    Bytes::from(out)
}

/// Decodes a commit; what it holds shares the record's memory.
///
/// # Errors
/// [`CodecError`] if the record is damaged or of a newer version.
pub fn decode_commit(record: &Bytes) -> Result<Commit, CodecError> {
    let mut reader = Reader::new(record.clone(), "a commit");
    if reader.u8()? != VERSION {
        return Err(reader.unknown());
    }
    let commit = Commit {
        partition: PartitionId(reader.u16()?),
        epoch: Epoch(reader.u64()?),
        cursor: reader.option(|reader| reader.u64().map(Offset))?,
        changes: reader.list(take_change)?,
    };
    if reader.is_empty() { Ok(commit) } else { Err(CodecError::Unknown("a commit")) }
}

fn put_outbox_key(out: &mut Vec<u8>, key: &OutboxKey) {
    out.put_bytes(key.device.as_str().as_bytes());
    out.put_u64(key.effect.offset);
    out.put_u32(key.effect.index);
    out.put_bytes(key.effect.function.as_str().as_bytes());
}

fn take_outbox_key(reader: &mut Reader) -> Result<OutboxKey, CodecError> {
    let device = reader.name()?;
    let (offset, index) = (reader.u64()?, reader.u32()?);
    Ok(OutboxKey { device, effect: EffectId { offset, index, function: reader.name()? } })
}

fn put_timer(out: &mut Vec<u8>, timer: &Timer) {
    out.put_u64(timer.due_ms);
    out.put_bytes(&timer.entity);
    out.put_u8(timer.purpose as u8);
}

fn take_timer(reader: &mut Reader) -> Result<Timer, CodecError> {
    let (due_ms, entity) = (reader.u64()?, reader.bytes()?);
    let purpose = match reader.u8()? {
        1 => TimerPurpose::OutboxExpiry,
        _ => return Err(reader.unknown()),
    };
    Ok(Timer { due_ms, entity, purpose })
}

fn put_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::State { entity, function, key, value } => {
            out.put_u8(STATE);
            out.put_bytes(entity);
            out.put_bytes(function.as_str().as_bytes());
            out.put_bytes(key);
            out.put_option(value.as_ref(), |out, value| out.put_bytes(value));
        }
        Change::OutboxPut { key, entry } => {
            out.put_u8(OUTBOX_PUT);
            put_outbox_key(out, key);
            outbox::put_value(out, entry);
        }
        Change::OutboxDelete { key } => {
            out.put_u8(OUTBOX_DELETE);
            put_outbox_key(out, key);
        }
        Change::TimerSet { timer } => {
            out.put_u8(TIMER_SET);
            put_timer(out, timer);
        }
        Change::TimerDelete { timer } => {
            out.put_u8(TIMER_DELETE);
            put_timer(out, timer);
        }
        Change::Seen { entity, ids } => {
            out.put_u8(SEEN);
            out.put_bytes(entity);
            out.put_len(ids.len());
            ids.iter().for_each(|id| out.put_u64(*id));
        }
        Change::DeadLetterPut { letter } => {
            out.put_u8(DEAD_LETTER_PUT);
            dead_letter::put_value(out, letter);
        }
        Change::Device { id, row } => {
            out.put_u8(DEVICE);
            out.put_bytes(id.as_str().as_bytes());
            out.put_option(row.as_ref(), device::put_value);
        }
        Change::Deployment { name, deployment } => {
            out.put_u8(DEPLOYMENT);
            out.put_bytes(name.as_str().as_bytes());
            out.put_option(deployment.as_ref(), deployment::put_value);
        }
    }
}

fn take_change(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(match reader.u8()? {
        STATE => Change::State {
            entity: reader.bytes()?,
            function: reader.name()?,
            key: reader.bytes()?,
            value: reader.option(Reader::bytes)?,
        },
        OUTBOX_PUT => Change::OutboxPut { key: take_outbox_key(reader)?, entry: outbox::take_value(reader)? },
        OUTBOX_DELETE => Change::OutboxDelete { key: take_outbox_key(reader)? },
        TIMER_SET => Change::TimerSet { timer: take_timer(reader)? },
        TIMER_DELETE => Change::TimerDelete { timer: take_timer(reader)? },
        SEEN => Change::Seen { entity: reader.bytes()?, ids: reader.list(Reader::u64)? },
        DEAD_LETTER_PUT => Change::DeadLetterPut { letter: dead_letter::take_value(reader)? },
        DEVICE => Change::Device { id: reader.name()?, row: reader.option(device::take_value)? },
        DEPLOYMENT => {
            Change::Deployment { name: reader.name()?, deployment: reader.option(deployment::take_value)? }
        }
        _ => return Err(reader.unknown()),
    })
}
