//! Any change there is.

use super::*;
use crate::key::deployment::tests::any_deployment;
use crate::key::update::tests::any_update;
use crate::record::effect::tests::any_effect;
use bytes::Bytes;
use fleetfn_core::audit::{Deed, Line};
use fleetfn_core::commit::{
    Backfilled, DeadLetter, DeviceRow, Due, DueState, OutboxEntry, OutboxKey, ParcelKind, Request, Send,
    Setting, Spent, Timer, TimerKey, TimerPurpose, TimerRow, Value,
};
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::difference::{Difference, Side};
use fleetfn_core::update::{KeyRow, ReleaseRow, Yanked};
use fleetfn_core::usage::{Usage, UsageKey};
use fleetfn_core::{Offset, PartitionId};
use fleetfn_protocol::update::{Digest, UpdateKey};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use proptest::option::of;
use proptest::prelude::{BoxedStrategy, Strategy, any, prop_assert_eq, prop_oneof, proptest};

fn bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from)
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(".{0,9}", 0..3)
}

fn function() -> impl Strategy<Value = FunctionName> {
    "[a-z][a-z0-9-]{0,8}[a-z]".prop_map(|name| name.parse().expect("a name"))
}

fn device() -> impl Strategy<Value = DeviceId> {
    "[a-z0-9]{1,9}".prop_map(|name| name.parse().expect("a name"))
}

fn effect_id() -> impl Strategy<Value = EffectId> {
    (any::<(u64, u32)>(), function()).prop_map(|((offset, index), function)| EffectId {
        offset,
        index,
        function,
    })
}

fn value() -> impl Strategy<Value = Option<Value>> {
    of((bytes(), of(any::<u64>()))
        .prop_map(|(bytes, expires)| Value { bytes, expires_at_ms: expires.unwrap_or(u64::MAX) }))
}

fn letter() -> impl Strategy<Value = DeadLetter> {
    let texts = (".{0,9}", ".{0,9}", texts());
    (any::<(u64, u64, u64)>(), any::<[u8; 32]>(), function(), texts, bytes()).prop_map(
        |((offset, received_at_ms, fuel), version, function, (error_type, detail, logs), event)| DeadLetter {
            offset: Offset(offset),
            function,
            version: ModuleHash(version),
            received_at_ms,
            error_type,
            detail,
            fuel,
            logs,
            event,
        },
    )
}

fn side() -> impl Strategy<Value = Side> {
    let effects = proptest::collection::vec(any_effect(), 0..3);
    (any::<[u8; 32]>(), of((".{0,9}", ".{0,9}")), any::<(u64, u32)>(), effects).prop_map(
        |(version, failure, (fuel, effect_count), effects)| Side {
            version: ModuleHash(version),
            failure,
            fuel,
            effect_count,
            effects,
        },
    )
}

/// What concerns an entity and a function.
fn any_of_entity() -> BoxedStrategy<Change> {
    let timer_key = || {
        (bytes(), function(), bytes()).prop_map(|(entity, function, purpose)| TimerKey {
            entity,
            function,
            purpose,
        })
    };
    let timer_row = (any::<(u64, u64, u64)>(), bytes()).prop_map(|((due_ms, armed_ms, cause), payload)| {
        TimerRow { due_ms, armed_ms, cause: Offset(cause), payload }
    });
    prop_oneof![
        (bytes(), function(), bytes(), value()).prop_map(|(entity, function, key, value)| Change::State {
            entity,
            function,
            key,
            value
        }),
        (bytes(), function(), any::<u64>(), bytes(), value()).prop_map(
            |(entity, function, since, key, value)| Change::Shadow {
                entity,
                function,
                since: Offset(since),
                key,
                value,
            }
        ),
        (timer_key(), of(timer_row)).prop_map(|(key, row)| Change::FunctionTimer { key, row }),
        (any::<u64>(), timer_key(), any::<bool>()).prop_map(|(armed_ms, key, set)| Change::Due {
            due: Due { armed_ms, key },
            state: if set { DueState::Set } else { DueState::Gone },
        }),
        (bytes(), proptest::collection::vec(any::<u64>(), 0..4))
            .prop_map(|(entity, ids)| Change::Seen { entity, ids }),
        (any::<u32>(), function(), bytes(), any::<[u64; 8]>()).prop_map(|(month, function, entity, sums)| {
            let [invocations, errors, refused, dark, fuel, guest_ns, bytes_in, bytes_out] = sums;
            Change::Usage {
                key: UsageKey { month, function, entity },
                usage: Usage { invocations, errors, refused, dark, fuel, guest_ns, bytes_in, bytes_out },
            }
        }),
        (any::<u32>(), function(), bytes()).prop_map(|(month, function, entity)| Change::UsageDelete {
            key: UsageKey { month, function, entity }
        }),
        (any::<u64>(), bytes(), function(), of(side()), of(side())).prop_map(
            |(offset, entity, function, live, dark)| Change::Difference {
                difference: Box::new(Difference { offset: Offset(offset), entity, function, live, dark }),
            }
        ),
        (any::<u64>(), function(), bytes()).prop_map(|(offset, function, event)| Change::BacklogPut {
            offset: Offset(offset),
            function,
            event,
        }),
        (any::<u64>(), function())
            .prop_map(|(offset, function)| Change::BacklogDelete { offset: Offset(offset), function }),
        (function(), any::<(u64, u64)>()).prop_map(|(function, (until, through))| Change::Backfilled {
            function,
            progress: Backfilled { until: Offset(until), through: Offset(through) },
        }),
        (function(), any::<(u64, u64)>())
            .prop_map(|(owner, (at_ms, fuel))| Change::Budget { owner, spent: Spent { at_ms, fuel } }),
        letter().prop_map(|letter| Change::Refused { letter }),
        letter().prop_map(|letter| Change::DeadLetterPut { letter }),
        (any::<u64>(), function())
            .prop_map(|(offset, function)| Change::DeadLetterDelete { offset: Offset(offset), function }),
    ]
    .boxed()
}

/// What is on its way.
fn any_waiting() -> BoxedStrategy<Change> {
    let outbox_key = || (device(), effect_id()).prop_map(|(device, effect)| OutboxKey { device, effect });
    let entry = (any::<bool>(), bytes(), bytes(), any::<u64>()).prop_map(
        |(is_twin, name, payload, expires_at_ms)| OutboxEntry {
            parcel: if is_twin { ParcelKind::Twin } else { ParcelKind::Command },
            name,
            payload,
            expires_at_ms,
        },
    );
    let timer = || {
        (any::<u64>(), bytes()).prop_map(|(due_ms, entity)| Timer {
            due_ms,
            entity,
            purpose: TimerPurpose::OutboxExpiry,
        })
    };
    let send = (bytes(), bytes(), effect_id(), any::<u8>(), bytes(), bytes())
        .prop_map(|(to, from, effect, hops, name, payload)| Send { to, from, effect, hops, name, payload });
    let request = (bytes(), bytes(), bytes(), any::<u64>())
        .prop_map(|(entity, tag, request, asked_at_ms)| Request { entity, tag, request, asked_at_ms });
    prop_oneof![
        (outbox_key(), entry).prop_map(|(key, entry)| Change::OutboxPut { key, entry }),
        outbox_key().prop_map(|key| Change::OutboxDelete { key }),
        timer().prop_map(|timer| Change::TimerSet { timer }),
        timer().prop_map(|timer| Change::TimerDelete { timer }),
        (any::<u64>(), send).prop_map(|(sequence, send)| Change::SendPut { sequence, send }),
        any::<u64>().prop_map(|sequence| Change::SendDelete { sequence }),
        any::<u64>().prop_map(|sequence| Change::SendNext { sequence }),
        any::<(u16, u64)>()
            .prop_map(|(source, sequence)| Change::Mark { source: PartitionId(source), sequence }),
        (device(), bytes()).prop_map(|(device, twin)| Change::Twin { device, twin }),
        (device(), any_update())
            .prop_map(|(device, update)| Change::Update { device, update: Box::new(update) }),
        (effect_id(), request).prop_map(|(effect, request)| Change::RequestPut { effect, request }),
        effect_id().prop_map(|effect| Change::RequestDelete { effect }),
    ]
    .boxed()
}

/// What operators do.
fn any_act() -> BoxedStrategy<Change> {
    let row = (of("[a-z]{1,9}"), any::<[u8; 32]>(), texts(), of(".{0,9}"), any::<u64>()).prop_map(
        |(product, token_sha256, tags, time_zone, added_at_ms)| DeviceRow {
            class: product.as_ref().map(|class| class.parse().expect("a name")),
            product: product.map(|product| product.parse().expect("a name")),
            token_sha256,
            tags,
            time_zone,
            added_at_ms,
        },
    );
    let setting = prop_oneof![
        bytes().prop_map(Setting::Config),
        bytes().prop_map(Setting::Secret),
        any::<u64>().prop_map(Setting::Budget),
    ];
    let yanked = (".{0,9}", ".{0,9}", any::<u64>()).prop_map(|(by, why, at_ms)| Yanked { by, why, at_ms });
    let release = (bytes(), any::<u64>(), of(yanked))
        .prop_map(|(envelope, published_at_ms, yanked)| ReleaseRow { envelope, published_at_ms, yanked });
    let line = (any::<u64>(), ".{0,9}", proptest::sample::select(&Deed::ALL[..]), ".{0,9}", ".{0,9}")
        .prop_map(|(at_ms, by, deed, subject, why)| Line { at_ms, by, deed, subject, why });
    let key = any::<u64>().prop_map(|added_at_ms| KeyRow { added_at_ms });
    prop_oneof![
        (any::<[u8; 32]>(), of(release)).prop_map(|(id, row)| Change::Release { id: Digest(id), row }),
        ("[a-z]{1,9}", any::<[u8; 32]>(), of(key)).prop_map(|(product, key, row)| Change::UpdateKey {
            product: product.parse().expect("a name"),
            key: UpdateKey(key),
            row,
        }),
        ("[a-z]{1,9}", any::<u8>()).prop_map(|(product, count)| Change::Threshold {
            product: product.parse().expect("a name"),
            count,
        }),
        (any::<u64>(), of(line))
            .prop_map(|(number, line)| Change::Audit { number, line: line.map(Box::new) }),
        (device(), of(row)).prop_map(|(id, row)| Change::Device { id, row }),
        (function(), of(any_deployment()))
            .prop_map(|(name, deployment)| Change::Deployment { name, deployment: deployment.map(Box::new) }),
        (function(), ".{0,9}", of(setting)).prop_map(|(name, key, setting)| Change::Setting {
            name,
            key,
            setting
        }),
    ]
    .boxed()
}

pub(in crate::record) fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![any_of_entity(), any_waiting(), any_act()]
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 2_000, ..Default::default() })]

    #[test]
    fn a_change_survives_its_bytes(change in any_change()) {
        let mut out = Vec::new();
        put(&mut out, &change);
        prop_assert_eq!(take(&mut Reader::new(out.into(), "a change")), Ok(change));
    }
}
