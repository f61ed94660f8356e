//! What a handler asked for, as recordings and differences keep it: `kind u8 | fields`.

use crate::codec::{CodecError, Reader, Write};
use fleetfn_core::Effect;
use fleetfn_core::effect::MetricKind;

const STATE_PUT: u8 = 1;
const STATE_DELETE: u8 = 2;
const PUBLISH: u8 = 3;
const COMMAND: u8 = 4;
const SEND: u8 = 5;
const TIMER_SET: u8 = 6;
const TIMER_CANCEL: u8 = 7;
const TWIN_PATCH: u8 = 8;
const HTTP: u8 = 9;
const RESPOND: u8 = 10;
const METRIC: u8 = 11;
const UPDATE_ORDER: u8 = 12;

/// A kind and the parts that are bytes.
fn put_parts<const N: usize>(out: &mut Vec<u8>, kind: u8, parts: [&[u8]; N]) {
    out.put_u8(kind);
    parts.into_iter().for_each(|part| out.put_bytes(part));
}

pub(crate) fn put(out: &mut Vec<u8>, effect: &Effect) {
    match effect {
        Effect::StatePut { key, value, ttl_s } => {
            put_parts(out, STATE_PUT, [key, value]);
            out.put_u32(*ttl_s);
        }
        Effect::StateDelete { key } => put_parts(out, STATE_DELETE, [key]),
        Effect::Publish { topic, payload } => put_parts(out, PUBLISH, [topic, payload]),
        Effect::Command { name, payload, ttl_s, timeout_s } => {
            put_parts(out, COMMAND, [name, payload]);
            out.put_u32(*ttl_s);
            out.put_u32(*timeout_s);
        }
        Effect::Send { entity, name, payload, delay_s } => {
            put_parts(out, SEND, [entity, name, payload]);
            out.put_u32(*delay_s);
        }
        Effect::TimerSet { name, payload, delay_s } => {
            put_parts(out, TIMER_SET, [name, payload]);
            out.put_u32(*delay_s);
        }
        Effect::TimerCancel { name } => put_parts(out, TIMER_CANCEL, [name]),
        Effect::TwinPatch { patch } => put_parts(out, TWIN_PATCH, [patch]),
        Effect::UpdateOrder { offer } => put_parts(out, UPDATE_ORDER, [offer]),
        Effect::Http { tag, request } => put_parts(out, HTTP, [tag, request]),
        Effect::Respond { content_type, body, status } => {
            put_parts(out, RESPOND, [content_type, body]);
            out.put_u16(*status);
        }
        Effect::Metric { name, kind, value_bits } => {
            put_parts(out, METRIC, [name]);
            out.put_u8(*kind as u8);
            out.put_u64(*value_bits);
        }
    }
}

pub(crate) fn take(reader: &mut Reader) -> Result<Effect, CodecError> {
    Ok(match reader.u8()? {
        STATE_PUT => Effect::StatePut { key: reader.bytes()?, value: reader.bytes()?, ttl_s: reader.u32()? },
        STATE_DELETE => Effect::StateDelete { key: reader.bytes()? },
        PUBLISH => Effect::Publish { topic: reader.bytes()?, payload: reader.bytes()? },
        COMMAND => Effect::Command {
            name: reader.bytes()?,
            payload: reader.bytes()?,
            ttl_s: reader.u32()?,
            timeout_s: reader.u32()?,
        },
        SEND => Effect::Send {
            entity: reader.bytes()?,
            name: reader.bytes()?,
            payload: reader.bytes()?,
            delay_s: reader.u32()?,
        },
        TIMER_SET => {
            Effect::TimerSet { name: reader.bytes()?, payload: reader.bytes()?, delay_s: reader.u32()? }
        }
        TIMER_CANCEL => Effect::TimerCancel { name: reader.bytes()? },
        TWIN_PATCH => Effect::TwinPatch { patch: reader.bytes()? },
        UPDATE_ORDER => Effect::UpdateOrder { offer: reader.bytes()? },
        HTTP => Effect::Http { tag: reader.bytes()?, request: reader.bytes()? },
        RESPOND => {
            Effect::Respond { content_type: reader.bytes()?, body: reader.bytes()?, status: reader.u16()? }
        }
        METRIC => Effect::Metric {
            name: reader.bytes()?,
            kind: match reader.u8()? {
                0 => MetricKind::Counter,
                1 => MetricKind::Gauge,
                _ => return Err(reader.unknown()),
            },
            value_bits: reader.u64()?,
        },
        _ => return Err(reader.unknown()),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};

    fn any_bytes() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from)
    }

    pub(crate) fn any_effect() -> impl Strategy<Value = Effect> {
        let two = || (any_bytes(), any_bytes());
        prop_oneof![
            (two(), any::<u32>()).prop_map(|((key, value), ttl_s)| Effect::StatePut { key, value, ttl_s }),
            any_bytes().prop_map(|key| Effect::StateDelete { key }),
            two().prop_map(|(topic, payload)| Effect::Publish { topic, payload }),
            (two(), any::<(u32, u32)>()).prop_map(|((name, payload), (ttl_s, timeout_s))| {
                Effect::Command { name, payload, ttl_s, timeout_s }
            }),
            (any_bytes(), two(), any::<u32>()).prop_map(|(entity, (name, payload), delay_s)| {
                Effect::Send { entity, name, payload, delay_s }
            }),
            (two(), any::<u32>()).prop_map(|((name, payload), delay_s)| Effect::TimerSet {
                name,
                payload,
                delay_s
            }),
            any_bytes().prop_map(|name| Effect::TimerCancel { name }),
            any_bytes().prop_map(|patch| Effect::TwinPatch { patch }),
            any_bytes().prop_map(|offer| Effect::UpdateOrder { offer }),
            two().prop_map(|(tag, request)| Effect::Http { tag, request }),
            (two(), any::<u16>()).prop_map(|((content_type, body), status)| Effect::Respond {
                content_type,
                body,
                status
            }),
            (any_bytes(), any::<bool>(), any::<u64>()).prop_map(|(name, gauge, value_bits)| {
                let kind = if gauge { MetricKind::Gauge } else { MetricKind::Counter };
                Effect::Metric { name, kind, value_bits }
            }),
        ]
    }

    proptest! {
        #[test]
        fn an_effect_survives_its_bytes(effect in any_effect()) {
            let mut out = Vec::new();
            put(&mut out, &effect);
            prop_assert_eq!(take(&mut Reader::new(out.into(), "an effect")), Ok(effect));
        }
    }
}
