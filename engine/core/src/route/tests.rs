use super::filter::Filter;
use super::*;
use crate::deployment::{Manifest, Trigger, Version};
use crate::event::{Entity, EventParts};
use alloc::format;
use alloc::string::{String, ToString};
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

fn targets(routes: &mut Routes, offset: u64, event: &Event) -> Vec<Target> {
    routes.route(Offset(offset), event, None, &event.entity().canonical()).targets.to_vec()
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
