//! One invocation as the log keeps it:
//!
//! ```text
//! offset u64 | entity | function | version | role u8 | trigger u16 | failure option (error_type, detail)
//!     | fuel u64 | guest_ns u64 | reads list | effects list | logs list (level u8, text)
//! read: kind u8 | fields
//! ```

use super::effect;
use crate::codec::{CodecError, Reader, Write};
use crate::key;
use fleetfn_core::Offset;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::invocation::{LogLevel, LogLine, Read, Role};
use fleetfn_core::recording::{RecordedOutcome, Recording};

const STATE: u8 = 1;
const TWIN: u8 = 2;
const CONFIG: u8 = 3;
const LOST: u8 = 4;
const UPDATE: u8 = 5;
const LISTENERS: u8 = 6;

fn put_read(out: &mut Vec<u8>, read: &Read) {
    match read {
        Read::State { key, value } => {
            out.put_u8(STATE);
            out.put_bytes(key);
            out.put_option(value.as_ref(), |out, value| out.put_bytes(value));
        }
        Read::Twin { document } => {
            out.put_u8(TWIN);
            out.put_option(document.as_ref(), |out, document| out.put_bytes(document));
        }
        Read::Config { key, value } => {
            out.put_u8(CONFIG);
            out.put_text(key);
            out.put_option(value.as_ref(), |out, value| out.put_bytes(value));
        }
        Read::Lost => out.put_u8(LOST),
        Read::Update { update } => {
            out.put_u8(UPDATE);
            out.put_option(update.as_deref(), |out, update| out.put_bytes(&key::update::value(update)));
        }
        Read::Listeners { message, functions } => {
            out.put_u8(LISTENERS);
            out.put_text(message);
            out.put_list(functions, |out, function| out.put_text(function.as_str()));
        }
    }
}

fn take_read(reader: &mut Reader) -> Result<Read, CodecError> {
    Ok(match reader.u8()? {
        STATE => Read::State { key: reader.bytes()?, value: reader.option(Reader::bytes)? },
        TWIN => Read::Twin { document: reader.option(Reader::bytes)? },
        CONFIG => Read::Config { key: reader.text()?, value: reader.option(Reader::bytes)? },
        LOST => Read::Lost,
        UPDATE => {
            let update = |reader: &mut Reader| key::update::decode_value(reader.bytes()?).map(Box::new);
            Read::Update { update: reader.option(update)? }
        }
        LISTENERS => Read::Listeners { message: reader.text()?, functions: reader.list(Reader::name)? },
        _ => return Err(reader.unknown()),
    })
}

fn take_line(reader: &mut Reader) -> Result<LogLine, CodecError> {
    let level = match reader.u8()? {
        0 => LogLevel::Debug,
        1 => LogLevel::Info,
        2 => LogLevel::Warn,
        3 => LogLevel::Error,
        _ => return Err(reader.unknown()),
    };
    Ok(LogLine { level, text: reader.text()? })
}

pub(super) fn put(out: &mut Vec<u8>, recording: &Recording) {
    out.put_u64(recording.offset.0);
    out.put_bytes(&recording.entity);
    out.put_text(recording.function.as_str());
    out.put(&recording.version.0);
    out.put_u8(recording.role as u8);
    out.put_u16(recording.trigger);
    let failure = match &recording.outcome {
        RecordedOutcome::Done => None,
        RecordedOutcome::Failed { error_type, detail } => Some((error_type, detail)),
    };
    out.put_option(failure, |out, (error_type, detail)| {
        out.put_text(error_type);
        out.put_text(detail);
    });
    out.put_u64(recording.fuel);
    out.put_u64(recording.guest_ns);
    out.put_list(&recording.reads, put_read);
    out.put_list(&recording.effects, effect::put);
    out.put_list(&recording.logs, |out, line| {
        out.put_u8(line.level as u8);
        out.put_text(&line.text);
    });
}

pub(super) fn take(reader: &mut Reader) -> Result<Recording, CodecError> {
    Ok(Recording {
        offset: Offset(reader.u64()?),
        entity: reader.bytes()?,
        function: reader.name()?,
        version: ModuleHash(reader.hash()?),
        role: match reader.u8()? {
            0 => Role::Live,
            1 => Role::Dark,
            _ => return Err(reader.unknown()),
        },
        trigger: reader.u16()?,
        outcome: match reader.option(|reader| Ok((reader.text()?, reader.text()?)))? {
            None => RecordedOutcome::Done,
            Some((error_type, detail)) => RecordedOutcome::Failed { error_type, detail },
        },
        fuel: reader.u64()?,
        guest_ns: reader.u64()?,
        reads: reader.list(take_read)?,
        effects: reader.list(effect::take)?,
        logs: reader.list(take_line)?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use bytes::Bytes;
    use fleetfn_core::update::Update;
    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

    fn any_read() -> impl Strategy<Value = Read> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from);
        let value = move || proptest::option::of(bytes());
        prop_oneof![
            (bytes(), value()).prop_map(|(key, value)| Read::State { key, value }),
            value().prop_map(|document| Read::Twin { document }),
            (".{0,9}", value()).prop_map(|(key, value)| Read::Config { key, value }),
            Just(Read::Lost),
            proptest::option::of(any::<(u32, u32)>()).prop_map(|known| {
                let update = |(job_last, unreadable)| Update { job_last, unreadable, ..Update::default() };
                Read::Update { update: known.map(update).map(Box::new) }
            }),
            ".{0,9}".prop_map(|message| {
                Read::Listeners { message, functions: vec!["climate".parse().expect("a name")] }
            }),
        ]
    }

    fn any_line() -> impl Strategy<Value = LogLine> {
        let levels = vec![LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
        (proptest::sample::select(levels), ".{0,20}").prop_map(|(level, text)| LogLine { level, text })
    }

    pub(in super::super) fn any_recording() -> impl Strategy<Value = Recording> {
        let failure = proptest::option::of(("[a-z-]{1,9}", ".{0,20}"));
        let reads = proptest::collection::vec(any_read(), 0..4);
        let effects = proptest::collection::vec(effect::tests::any_effect(), 0..4);
        let logs = proptest::collection::vec(any_line(), 0..4);
        let numbers = any::<(u64, u64, u64, u16, bool)>();
        (numbers, any::<[u8; 32]>(), "[dn][a-z/]{1,9}", failure, reads, effects, logs).prop_map(
            |((offset, fuel, guest_ns, trigger, dark), version, entity, failure, reads, effects, logs)| {
                let outcome = match failure {
                    None => RecordedOutcome::Done,
                    Some((error_type, detail)) => RecordedOutcome::Failed { error_type, detail },
                };
                Recording {
                    offset: Offset(offset),
                    entity: entity.into(),
                    function: "climate".parse().expect("a name"),
                    version: ModuleHash(version),
                    role: if dark { Role::Dark } else { Role::Live },
                    trigger,
                    outcome,
                    fuel,
                    guest_ns,
                    reads,
                    effects,
                    logs,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_recording_survives_its_bytes(recording in any_recording()) {
            let mut out = Vec::new();
            put(&mut out, &recording);
            prop_assert_eq!(take(&mut Reader::new(out.into(), "a recording")), Ok(recording));
        }
    }
}
