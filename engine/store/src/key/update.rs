//! The firmware of a device: `kind | partition u16 BE | device` to `version u8 = 2, job_last u32, job option, report option,
//! unreadable u32, unfitting u32, failures u32`; in version 1 there are no failures.
//!
//! ```text
//! job: number u32, offer, cause u64, sent option, withdrawn u8, undelivered u8, reached option u8, paused u8, reason u8, have u32,
//!     steps (state u8, reason u8, at_ms u64)
//! report: job u32, sequence u32, version text, phase u8, reason u8, at_ms u64
//! ```

use super::{Kind, after_partition, of_device, of_partition};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::update::{Job, Report, State, Step, Update};
use fleetfn_core::{Change, Offset, PartitionId};
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::{Phase, Reason};

const VERSION: u8 = 2;

/// The version that did not count failures.
const WITHOUT_FAILURES: u8 = 1;

pub(crate) fn prefix(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::Update, partition)
}

pub(crate) fn encode(partition: PartitionId, device: &DeviceId) -> Vec<u8> {
    of_device(Kind::Update, partition, device)
}

pub(crate) fn decode(key: &[u8]) -> Option<DeviceId> {
    std::str::from_utf8(after_partition(key)?).ok()?.parse().ok()
}

fn put_step(out: &mut Vec<u8>, step: &Step) {
    out.put_u8(step.state.byte());
    out.put_u8(step.reason.byte());
    out.put_u64(step.at_ms);
}

fn put_job(out: &mut Vec<u8>, job: &Job) {
    out.put_u32(job.number);
    out.put_bytes(&job.offer);
    out.put_u64(job.cause.0);
    out.put_option(job.sent.as_ref(), |out, sent| out.put_effect_id(sent));
    out.put_u8(job.withdrawn.into());
    out.put_u8(job.undelivered.into());
    out.put_option(job.reached, |out, phase| out.put_u8(phase.byte()));
    out.put_u8(job.paused.into());
    out.put_u8(job.reason.byte());
    out.put_u32(job.have);
    out.put_list(&job.steps, put_step);
}

fn put_report(out: &mut Vec<u8>, report: &Report) {
    out.put_u32(report.job);
    out.put_u32(report.sequence);
    out.put_text(&report.version);
    out.put_u8(report.phase.byte());
    out.put_u8(report.reason.byte());
    out.put_u64(report.at_ms);
}

fn put_value(out: &mut Vec<u8>, update: &Update) {
    out.put_u8(VERSION);
    out.put_u32(update.job_last);
    out.put_option(update.job.as_ref(), put_job);
    out.put_option(update.report.as_ref(), put_report);
    out.put_u32(update.unreadable);
    out.put_u32(update.unfitting);
    out.put_u32(update.failures);
}

pub(crate) fn value(update: &Update) -> Bytes {
    let mut out = Vec::with_capacity(128 + update.job.as_ref().map_or(0, |job| job.offer.len()));
    put_value(&mut out, update);
    Bytes::from(out)
}

fn take_phase(reader: &mut Reader) -> Result<Phase, CodecError> {
    match State::from_byte(reader.u8()?) {
        Some(State::Device(phase)) => Ok(phase),
        _ => Err(reader.unknown()),
    }
}

fn take_reason(reader: &mut Reader) -> Result<Reason, CodecError> {
    let byte = reader.u8()?;
    Reason::ALL.iter().find(|reason| reason.byte() == byte).copied().ok_or_else(|| reader.unknown())
}

fn take_flag(reader: &mut Reader) -> Result<bool, CodecError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(reader.unknown()),
    }
}

fn take_step(reader: &mut Reader) -> Result<Step, CodecError> {
    let state = State::from_byte(reader.u8()?).ok_or_else(|| reader.unknown())?;
    Ok(Step { state, reason: take_reason(reader)?, at_ms: reader.u64()? })
}

fn take_job(reader: &mut Reader) -> Result<Job, CodecError> {
    Ok(Job {
        number: reader.u32()?,
        offer: reader.bytes()?,
        cause: Offset(reader.u64()?),
        sent: reader.option(Reader::effect_id)?,
        withdrawn: take_flag(reader)?,
        undelivered: take_flag(reader)?,
        reached: reader.option(take_phase)?,
        paused: take_flag(reader)?,
        reason: take_reason(reader)?,
        have: reader.u32()?,
        steps: reader.list(take_step)?,
    })
}

fn take_report(reader: &mut Reader) -> Result<Report, CodecError> {
    Ok(Report {
        job: reader.u32()?,
        sequence: reader.u32()?,
        version: reader.text()?,
        phase: take_phase(reader)?,
        reason: take_reason(reader)?,
        at_ms: reader.u64()?,
    })
}

fn take_value(reader: &mut Reader) -> Result<Update, CodecError> {
    let found = reader.u8()?;
    if found != VERSION && found != WITHOUT_FAILURES {
        return Err(CodecError::Version { what: "the firmware of a device", found, known: VERSION });
    }
    Ok(Update {
        job_last: reader.u32()?,
        job: reader.option(take_job)?,
        report: reader.option(take_report)?,
        unreadable: reader.u32()?,
        unfitting: reader.u32()?,
        failures: if found == WITHOUT_FAILURES { 0 } else { reader.u32()? },
    })
}

pub(crate) fn decode_value(value: Bytes) -> Result<Update, CodecError> {
    take_value(&mut Reader::new(value, "the firmware of a device"))
}

pub(crate) fn put(out: &mut Vec<u8>, device: &DeviceId, update: &Update) {
    out.put_text(device.as_str());
    put_value(out, update);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Update { device: reader.name()?, update: Box::new(take_value(reader)?) })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use fleetfn_protocol::EffectId;
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
    use proptest::sample::select;

    fn any_job() -> impl Strategy<Value = Job> {
        let step = (any::<u64>(), select(Reason::ALL), select(Phase::ALL), any::<bool>()).prop_map(
            |(at_ms, reason, phase, queued)| Step {
                state: if queued { State::Queued } else { State::Device(phase) },
                reason,
                at_ms,
            },
        );
        let sent = proptest::option::of(any::<(u64, u32)>().prop_map(|(offset, index)| EffectId {
            offset,
            index,
            function: "operator".parse().expect("a name"),
        }));
        let flags =
            (any::<bool>(), any::<bool>(), proptest::option::of(select(Phase::ALL)), select(Reason::ALL));
        let rest = (sent, proptest::collection::vec(step, 0..4));
        (any::<(u32, u64, u32)>(), proptest::collection::vec(any::<u8>(), 0..9), flags, rest).prop_map(
            |((number, cause, have), offer, (withdrawn, paused, reached, reason), (sent, steps))| Job {
                number,
                offer: offer.into(),
                cause: Offset(cause),
                sent,
                withdrawn,
                undelivered: paused,
                reached,
                paused,
                reason,
                have,
                steps,
            },
        )
    }

    pub(crate) fn any_update() -> impl Strategy<Value = Update> {
        let report = (any::<(u32, u32, u64)>(), ".{1,9}", select(Phase::ALL), select(Reason::ALL)).prop_map(
            |((job, sequence, at_ms), version, phase, reason)| Report {
                job,
                sequence,
                version,
                phase,
                reason,
                at_ms,
            },
        );
        let parts = (proptest::option::of(any_job()), proptest::option::of(report));
        (any::<(u32, u32, u32, u32)>(), parts).prop_map(
            |((job_last, unreadable, unfitting, failures), (job, report))| Update {
                job_last,
                job,
                report,
                unreadable,
                unfitting,
                failures,
            },
        )
    }

    proptest! {
        #[test]
        fn the_firmware_of_a_device_survives_its_bytes(update in any_update(), name in "[a-z0-9]{1,9}") {
            prop_assert_eq!(decode_value(value(&update)), Ok(update));
            let device: DeviceId = name.parse().expect("a name");
            prop_assert_eq!(decode(&encode(PartitionId(2), &device)), Some(device));
        }
    }
}
