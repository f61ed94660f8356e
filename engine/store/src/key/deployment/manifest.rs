//! What a version says of itself, as a deployment holds it: name, triggers, grants, state version.

use crate::codec::{CodecError, Reader, Write};
use fleetfn_core::deployment::{Manifest, Per, Trigger};

const TELEMETRY: u8 = 1;
const QUIET: u8 = 2;
const PRESENCE: u8 = 3;
const TWIN: u8 = 4;
const TIMER: u8 = 5;
const CRON: u8 = 6;
const MESSAGE: u8 = 7;
const REPLY: u8 = 8;
const HTTP: u8 = 9;
const UPDATE_OFFER: u8 = 10;
const UPDATE_REPORT: u8 = 11;
const GATE: u8 = 12;

const PER_FUNCTION: u8 = 1;
const PER_DEVICE: u8 = 2;

pub(super) fn put(out: &mut Vec<u8>, manifest: &Manifest) {
    let Manifest { name, triggers, publish, command, send, twin, http, secrets, state_version } = manifest;
    let put_texts = |out: &mut Vec<u8>, texts: &[String]| out.put_list(texts, |out, text| out.put_text(text));
    out.put_text(name.as_str());
    out.put_list(triggers, put_trigger);
    put_texts(out, publish);
    out.put_u8(u8::from(*command));
    put_texts(out, send);
    out.put_u8(u8::from(*twin));
    put_texts(out, http);
    put_texts(out, secrets);
    out.put_u32(*state_version);
}

pub(super) fn take(reader: &mut Reader) -> Result<Manifest, CodecError> {
    Ok(Manifest {
        name: reader.name()?,
        triggers: reader.list(take_trigger)?,
        publish: reader.list(Reader::text)?,
        command: reader.flag()?,
        send: reader.list(Reader::text)?,
        twin: reader.flag()?,
        http: reader.list(Reader::text)?,
        secrets: reader.list(Reader::text)?,
        state_version: reader.u32()?,
    })
}

fn put_trigger(out: &mut Vec<u8>, trigger: &Trigger) {
    let put_filter = |out: &mut Vec<u8>, kind: u8, filter: &str| {
        out.put_u8(kind);
        out.put_text(filter);
    };
    match trigger {
        Trigger::Telemetry { filter, schema } => {
            put_filter(out, TELEMETRY, filter);
            out.put_option(schema.as_ref(), |out, schema| out.put_text(schema));
        }
        Trigger::Quiet { filter, for_s } => {
            put_filter(out, QUIET, filter);
            out.put_u32(*for_s);
        }
        Trigger::Presence => out.put_u8(PRESENCE),
        Trigger::Twin => out.put_u8(TWIN),
        Trigger::Timer { filter } => put_filter(out, TIMER, filter),
        Trigger::Cron { expression, per } => {
            put_filter(out, CRON, expression);
            out.put_u8(match per {
                Per::Function => PER_FUNCTION,
                Per::Device => PER_DEVICE,
            });
        }
        Trigger::Message { filter } => put_filter(out, MESSAGE, filter),
        Trigger::Reply { filter } => put_filter(out, REPLY, filter),
        Trigger::Http { filter } => put_filter(out, HTTP, filter),
        Trigger::UpdateOffer => out.put_u8(UPDATE_OFFER),
        Trigger::UpdateReport => out.put_u8(UPDATE_REPORT),
        Trigger::Gate => out.put_u8(GATE),
    }
}

fn take_trigger(reader: &mut Reader) -> Result<Trigger, CodecError> {
    Ok(match reader.u8()? {
        TELEMETRY => Trigger::Telemetry { filter: reader.text()?, schema: reader.option(Reader::text)? },
        QUIET => Trigger::Quiet { filter: reader.text()?, for_s: reader.u32()? },
        PRESENCE => Trigger::Presence,
        TWIN => Trigger::Twin,
        TIMER => Trigger::Timer { filter: reader.text()? },
        CRON => Trigger::Cron {
            expression: reader.text()?,
            per: match reader.u8()? {
                PER_FUNCTION => Per::Function,
                PER_DEVICE => Per::Device,
                _ => return Err(reader.unknown()),
            },
        },
        MESSAGE => Trigger::Message { filter: reader.text()? },
        REPLY => Trigger::Reply { filter: reader.text()? },
        HTTP => Trigger::Http { filter: reader.text()? },
        UPDATE_OFFER => Trigger::UpdateOffer,
        UPDATE_REPORT => Trigger::UpdateReport,
        GATE => Trigger::Gate,
        _ => return Err(reader.unknown()),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, any, prop_oneof};

    fn any_trigger() -> impl Strategy<Value = Trigger> {
        let text = || ".{0,9}";
        prop_oneof![
            (text(), proptest::option::of(text()))
                .prop_map(|(filter, schema)| Trigger::Telemetry { filter, schema }),
            (text(), any::<u32>()).prop_map(|(filter, for_s)| Trigger::Quiet { filter, for_s }),
            Just(Trigger::Presence),
            Just(Trigger::Twin),
            Just(Trigger::UpdateOffer),
            Just(Trigger::UpdateReport),
            Just(Trigger::Gate),
            text().prop_map(|filter| Trigger::Timer { filter }),
            (text(), any::<bool>()).prop_map(|(expression, device)| Trigger::Cron {
                expression,
                per: if device { Per::Device } else { Per::Function },
            }),
            text().prop_map(|filter| Trigger::Message { filter }),
            text().prop_map(|filter| Trigger::Reply { filter }),
            text().prop_map(|filter| Trigger::Http { filter }),
        ]
    }

    pub(in super::super) fn any_manifest() -> impl Strategy<Value = Manifest> {
        let texts = || proptest::collection::vec(".{0,9}", 0..3);
        let grants = (texts(), texts(), texts(), texts());
        (proptest::collection::vec(any_trigger(), 0..4), grants, any::<(bool, bool, u32)>()).prop_map(
            |(triggers, (publish, send, http, secrets), (command, twin, state_version))| Manifest {
                name: "climate".parse().expect("a name"),
                triggers,
                publish,
                command,
                send,
                twin,
                http,
                secrets,
                state_version,
            },
        )
    }
}
