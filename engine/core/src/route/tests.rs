use super::filter::Filter;
use super::*;
use crate::deployment::{Canary, Manifest, Trigger, Version};
use crate::event::{Entity, EventParts, Firing, Origin, Purpose};
use crate::position::PartitionId;
use alloc::string::{String, ToString};
use alloc::{format, vec};
use bytes::Bytes;
use fleetfn_protocol::{DeviceId, filter_matches};
use proptest::prelude::{prop_assert_eq, proptest};

fn name(text: &str) -> FunctionName {
    FunctionName::parse(text).expect("a name")
}

fn version(function: &str, hash: u8, triggers: Vec<Trigger>) -> Version {
    let manifest = Manifest { triggers, ..Manifest::new(name(function)) };
    Version { hash: ModuleHash([hash; 32]), manifest, deployed_at_ms: 0 }
}

fn deployment(function: &str, hash: u8, filters: &[&str]) -> Deployment {
    let telemetry = |filter: &&str| Trigger::Telemetry { filter: (*filter).to_string(), schema: None };
    let live = Some(version(function, hash, filters.iter().map(telemetry).collect()));
    Deployment { live, ..Deployment::default() }
}

fn event(device: &str, kind: EventKind<'_>) -> Event {
    let parts = EventParts {
        entity: Entity::Device(DeviceId::parse(device).expect("a name")),
        kind,
        received_at_ms: 0,
        expiry_s: 0,
        message_id: "",
        origin: None,
        payload: &[],
    };
    Event::decode(parts.encode().expect("fits")).expect("decodes")
}

fn telemetry(channel: &str) -> Event {
    event("d", EventKind::Telemetry { channel })
}

/// What runs of those that are deployed.
fn targets(routes: &mut Routes, offset: u64, event: &Event) -> Vec<Target> {
    let mut targets = routes.route(Offset(offset), event, None, &event.entity().canonical()).targets.to_vec();
    targets.retain(|target| Builtin::of(&target.version).is_none());
    targets
}

fn answer(routes: &mut Routes, offset: u64, channel: &str) -> Vec<(String, u8, u16)> {
    let targets = targets(routes, offset, &telemetry(channel));
    targets.iter().map(|target| (target.function.to_string(), target.version.0[0], target.trigger)).collect()
}

#[test]
fn an_event_runs_the_newest_version_deployed_before_it() {
    let mut routes = Routes::default();
    let (one, two) = (deployment("f", 1, &["t"]), deployment("f", 2, &["t"]));
    routes.handle_deployment(Offset(10), name("f"), Some(&one));
    routes.handle_deployment(Offset(20), name("f"), Some(&two));
    routes.handle_deployment(Offset(30), name("f"), None);
    for _ in 0..2 {
        assert_eq!(answer(&mut routes, 10, "t"), []);
        assert_eq!(answer(&mut routes, 11, "t"), [("f".into(), 1, 0)]);
        assert_eq!(answer(&mut routes, 20, "t"), [("f".into(), 1, 0)]);
        assert_eq!(answer(&mut routes, 21, "t"), [("f".into(), 2, 0)]);
        assert_eq!(answer(&mut routes, 31, "t"), []);
        // The same record again, as after a restart.
        routes.handle_deployment(Offset(20), name("f"), Some(&two));
    }
}

#[test]
fn forgotten_versions_are_those_that_no_later_event_runs() {
    let mut routes = Routes::default();
    for version in 1..=4 {
        let deployment = deployment("f", version, &["t"]);
        routes.handle_deployment(Offset(u64::from(version) * 10), name("f"), Some(&deployment));
    }
    routes.handle_deployment(Offset(5), name("gone"), None);
    routes.forget_before(Offset(25));
    assert_eq!(answer(&mut routes, 25, "t"), [("f".into(), 2, 0)]);
    assert_eq!(answer(&mut routes, 45, "t"), [("f".into(), 4, 0)]);
    assert_eq!(routes.history.len(), 1);
    assert_eq!(routes.history.values().map(BTreeMap::len).sum::<usize>(), 3);
}

#[test]
fn functions_run_in_the_order_of_their_names_each_once() {
    let mut routes = Routes::default();
    routes.handle_deployment(Offset(1), name("z"), Some(&deployment("z", 1, &["a/+", "a/b", "#"])));
    routes.handle_deployment(Offset(2), name("b"), Some(&deployment("b", 2, &["x", "a/{room}"])));
    assert_eq!(answer(&mut routes, 9, "a/b"), [("b".into(), 2, 1), ("z".into(), 1, 0)]);
    assert_eq!(answer(&mut routes, 9, "c"), [("z".into(), 1, 2)]);
}

#[test]
fn ever_new_channels_do_not_grow_the_table() {
    let mut routes = Routes::default();
    routes.handle_deployment(Offset(1), name("f"), Some(&deployment("f", 1, &["+"])));
    for channel in 0..3_000 {
        assert_eq!(answer(&mut routes, 2, &format!("c{channel}")).len(), 1);
        let era = routes.era.as_ref().expect("asked");
        assert!(era.answers.len() <= NAMES_MAX && era.channels.len() <= NAMES_MAX);
    }
}

#[test]
fn a_canary_gets_the_same_entities_each_time_and_more_of_them_when_it_grows() {
    let mut routes = Routes::default();
    let channel = || vec![Trigger::Telemetry { filter: "t".into(), schema: None }];
    for percent in [1, 20, 50, 99] {
        let canary = Some(Canary { version: version("f", 2, channel()), percent });
        let live = Some(version("f", 1, channel()));
        let line = Deployment { live, canary, ..Deployment::default() };
        routes.handle_deployment(Offset(u64::from(percent)), name("f"), Some(&line));
    }
    let (mut counts, mut offsets) = ([0; 4], [2, 21, 51, 100].iter().enumerate().cycle());
    for number in 0..1_000 {
        let event = event(&format!("d{number}"), EventKind::Telemetry { channel: "t" });
        let mut before = 0;
        for (at, offset) in offsets.by_ref().take(4) {
            let hash = targets(&mut routes, *offset, &event)[0].version.0[0];
            assert_eq!(targets(&mut routes, *offset, &event)[0].version.0[0], hash, "always the same");
            assert!(hash >= before, "what a small canary handles, a larger one handles as well");
            counts[at] += usize::from(hash == 2);
            before = hash;
        }
    }
    for (count, percent) in counts.iter().zip([1_usize, 20, 50, 99]) {
        assert!(count.abs_diff(percent * 10) < 60, "{count} of a thousand are not {percent} percent");
    }
}

#[test]
fn a_canary_that_asks_for_something_else_gets_it_for_its_entities_alone() {
    let mut routes = Routes::default();
    let canary = Some(Canary { version: version("f", 2, vec![Trigger::Presence]), percent: 50 });
    let live = Some(version("f", 1, vec![Trigger::Telemetry { filter: "#".into(), schema: None }]));
    let line = Deployment { live, canary, ..Deployment::default() };
    routes.handle_deployment(Offset(1), name("f"), Some(&line));
    let mut canaries = 0;
    for number in 0..100 {
        let device = format!("d{number}");
        let reading = targets(&mut routes, 2, &event(&device, EventKind::Telemetry { channel: "t" }));
        let presence = targets(&mut routes, 2, &event(&device, EventKind::Connected));
        assert_eq!(reading.len() + presence.len(), 1, "one version a device");
        canaries += presence.len();
    }
    assert!((25..75).contains(&canaries));
}

#[test]
fn a_dark_version_runs_after_the_one_that_counts() {
    let mut routes = Routes::default();
    let channel = || vec![Trigger::Telemetry { filter: "#".into(), schema: None }];
    let (live, dark) = (Some(version("f", 1, channel())), Some(version("f", 2, channel())));
    let line = Deployment { live, dark, dark_since: Offset(7), ..Deployment::default() };
    routes.handle_deployment(Offset(1), name("f"), Some(&line));
    routes.handle_deployment(Offset(1), name("g"), Some(&deployment("g", 3, &["#"])));
    let ran = targets(&mut routes, 2, &telemetry("t"));
    let ran: Vec<_> = ran.iter().map(|one| (one.version.0[0], one.role, one.dark_since)).collect();
    let none = Offset(0);
    assert_eq!(ran, [(1, Role::Live, none), (2, Role::Dark, Offset(7)), (3, Role::Live, none)]);
}

#[test]
fn each_kind_of_event_finds_its_triggers() {
    let mut routes = Routes::default();
    let triggers = vec![
        Trigger::Telemetry { filter: "climate/+".into(), schema: None },
        Trigger::Presence,
        Trigger::Twin,
        Trigger::Reply { filter: "fan".into() },
        Trigger::Message { filter: "site/#".into() },
    ];
    let line = Deployment { live: Some(version("f", 1, triggers)), ..Deployment::default() };
    routes.handle_deployment(Offset(1), name("f"), Some(&line));
    let mut trigger = |kind| targets(&mut routes, 2, &event("d", kind)).first().map(|one| one.trigger);
    assert_eq!(trigger(EventKind::Telemetry { channel: "climate/hall" }), Some(0));
    assert_eq!(trigger(EventKind::Connected), Some(1));
    assert_eq!(trigger(EventKind::Disconnected { reason: "timeout" }), Some(1));
    assert_eq!(trigger(EventKind::TwinReported), Some(2));
    assert_eq!(trigger(EventKind::CommandReply { name: "fan" }), Some(3));
    assert_eq!(trigger(EventKind::CommandReply { name: "door" }), None);
    assert_eq!(trigger(EventKind::CommandRequested { name: "fan" }), None);
    assert_eq!(trigger(EventKind::TwinRequested { expected: "" }), None);
    assert_eq!(trigger(EventKind::UpdateStatus), None);
}

#[test]
fn one_of_the_engines_own_runs_before_those_that_are_deployed() {
    let mut routes = Routes::default();
    let line = Deployment { live: Some(version("a", 1, vec![Trigger::Presence])), ..Deployment::default() };
    routes.handle_deployment(Offset(1), name("a"), Some(&line));
    let event = event("d", EventKind::Connected);
    let routed = routes.route(Offset(2), &event, None, &event.entity().canonical());
    let ran: Vec<_> = routed.targets.iter().map(|target| target.function).collect();
    assert_eq!(ran, [name("update"), name("a")]);
    let again = routes.route(Offset(2), &event, Some(name("update")), &event.entity().canonical());
    assert_eq!(again.targets.iter().map(|target| target.function).collect::<Vec<_>>(), [name("update")]);
}

#[test]
fn an_event_for_one_function_asks_no_other() {
    let mut routes = Routes::default();
    for function in ["f", "g"] {
        let triggers = vec![
            Trigger::Message { filter: "response/#".into() },
            Trigger::Http { filter: "rooms/{room}".into() },
            Trigger::Timer { filter: "#".into() },
        ];
        let line = Deployment { live: Some(version(function, 1, triggers)), ..Deployment::default() };
        routes.handle_deployment(Offset(1), name(function), Some(&line));
    }
    let firing = Firing { next_ms: 0, purpose: Purpose::Named("a").to_bytes(), payload: Bytes::new() };
    let cases = [
        (EventKind::Response { name: "response/weather" }, vec![], 0),
        (EventKind::Request { path: "rooms/7" }, vec![], 1),
        (EventKind::TimerFired, firing.encode(), 2),
    ];
    for (kind, payload, trigger) in cases {
        let origin = Origin {
            cause: Offset(1),
            function: name("g"),
            partition: PartitionId(0),
            sequence: 0,
            hops: 0,
            source: "",
        };
        let parts = EventParts {
            entity: Entity::Named("site/berlin"),
            kind,
            received_at_ms: 0,
            expiry_s: 0,
            message_id: "",
            origin: Some(origin),
            payload: &payload,
        };
        let event = Event::decode(parts.encode().expect("fits")).expect("decodes");
        let ran = targets(&mut routes, 2, &event);
        assert_eq!(
            ran.iter().map(|one| (one.function, one.trigger)).collect::<Vec<_>>(),
            [(name("g"), trigger)]
        );
    }
}

#[test]
fn a_reading_breaks_the_silence_of_each_trigger_that_it_fits() {
    let mut routes = Routes::default();
    let quiet = |filter: &str, for_s| Trigger::Quiet { filter: filter.into(), for_s };
    let triggers = vec![quiet("a", 5), quiet("b", 6), quiet("#", 7)];
    let line = Deployment { live: Some(version("f", 1, triggers)), ..Deployment::default() };
    routes.handle_deployment(Offset(1), name("f"), Some(&line));
    let event = telemetry("a");
    let routed = routes.route(Offset(2), &event, None, &event.entity().canonical());
    assert!(routed.targets.iter().all(|target| Builtin::of(&target.version).is_some()));
    let broken: Vec<_> = routed.quiet.iter().map(|one| (one.purpose.clone(), one.for_s)).collect();
    let quiet = |filter, for_s| (Purpose::Quiet(for_s, filter).to_bytes(), for_s);
    assert_eq!(broken, [quiet("a", 5), quiet("#", 7)]);
}

#[test]
fn a_function_is_paused_where_the_log_says_so() {
    let mut routes = Routes::default();
    let live = || Some(version("f", 1, vec![]));
    let backfill = Backfill { from: Offset(0), until: Offset(20) };
    let lines = [
        Deployment { live: live(), ..Deployment::default() },
        Deployment { live: live(), paused: Some("for now".into()), ..Deployment::default() },
        Deployment { live: live(), backfill: Some(backfill), ..Deployment::default() },
    ];
    for (offset, line) in (1..).map(|at| Offset(at * 10)).zip(&lines) {
        routes.handle_deployment(offset, name("f"), Some(line));
    }
    assert_eq!(
        [11, 20, 21, 31].map(|at| routes.is_paused(Offset(at), &name("f"))),
        [false, false, true, true]
    );
    assert_eq!([30, 31].map(|at| routes.backfill(Offset(at), &name("f"))), [None, Some(backfill)]);
}

proptest! {
    #[test]
    fn a_filter_matches_as_mqtt_says(
        filter in "([ab+]/){0,3}([ab+#])",
        channel in "[ab](/[ab]){0,3}",
    ) {
        prop_assert_eq!(Filter::parse(&filter).matches(&channel), filter_matches(&filter, &channel));
        let named = filter.replace('+', "{part}");
        prop_assert_eq!(Filter::parse(&named).matches(&channel), filter_matches(&filter, &channel));
    }
}

/// A message that a function sends to a device.
fn told(sender: &str, message: &str) -> Event {
    let origin = Origin {
        cause: Offset(1),
        function: name(sender),
        partition: PartitionId(0),
        sequence: 1,
        hops: 1,
        source: "",
    };
    let parts = EventParts {
        entity: Entity::Device(DeviceId::parse("d").expect("a name")),
        kind: EventKind::Message { name: message },
        received_at_ms: 0,
        expiry_s: 0,
        message_id: "",
        origin: Some(origin),
        payload: &[],
    };
    Event::decode(parts.encode().expect("fits")).expect("decodes")
}

#[test]
fn what_the_engines_own_functions_say_is_for_the_triggers_that_are_made_for_it_and_nobody_elses() {
    let mut routes = Routes::default();
    let any = || vec![Trigger::Message { filter: "#".into() }];
    let own = vec![
        Trigger::UpdateOffer,
        Trigger::UpdateReport,
        Trigger::Gate,
        Trigger::Message { filter: "#".into() },
    ];
    for (function, triggers) in [("any", any()), ("guard", own)] {
        let line = Deployment { live: Some(version(function, 1, triggers)), ..Deployment::default() };
        routes.handle_deployment(Offset(1), name(function), Some(&line));
    }
    let mut ran = |sender, message| -> Vec<(String, u16)> {
        let ran = targets(&mut routes, 2, &told(sender, message));
        ran.iter().map(|target| (target.function.to_string(), target.trigger)).collect()
    };
    let guard = |trigger| vec![("guard".to_string(), trigger)];
    assert_eq!(ran("update", "update/offer"), guard(0));
    assert_eq!(ran("update", "update/report"), guard(1));
    assert_eq!(ran("rollout", "rollout/gate/guard"), guard(2));
    assert_eq!(ran("rollout", "rollout/gate/any"), [], "it is no gate");
    assert_eq!(ran("rollout", "rollout/offer"), []);
    let both = [("any".to_string(), 0), ("guard".to_string(), 3)];
    assert_eq!(ran("climate", "update/offer"), both, "that is a message like any other");
    assert_eq!(ran("climate", "rollout/gate/guard"), both);
    let entity = Entity::Device(DeviceId::parse("d").expect("a name")).canonical();
    assert_eq!(routes.listeners(Offset(2), "update/offer", &entity), [name("guard")]);
    assert_eq!(routes.listeners(Offset(2), "hello", &entity), []);
    assert_eq!(routes.listeners(Offset(1), "update/offer", &entity), [], "it was not there yet");
}
