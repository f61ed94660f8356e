use super::*;
use alloc::string::String;
use proptest::prelude::{any, prop_assert_eq, proptest};

fn parts<'a>(kind: EventKind<'a>, id: &'a str, payload: &'a [u8]) -> EventParts<'a> {
    let entity = Entity::Device(DeviceId::parse("d-1").expect("a name"));
    EventParts { entity, kind, received_at_ms: 5, expiry_s: 7, message_id: id, origin: None, payload }
}

fn origin(source: &str) -> Origin<'_> {
    Origin {
        cause: Offset(9),
        function: FunctionName::parse("f").expect("a name"),
        partition: PartitionId(3),
        sequence: u64::MAX,
        hops: 2,
        source,
    }
}

proptest! {
    #[test]
    fn an_event_survives_its_bytes(name in "[a-z/]{0,40}", id in "[ -~]{0,64}", payload: Vec<u8>, at in any::<u64>()) {
        for kind in (1..=14).filter_map(|code| EventKind::from_code(code, &name)) {
            for named in [false, true] {
                let mut parts = EventParts { received_at_ms: at, ..parts(kind, &id, &payload) };
                if named || matches!(kind, EventKind::Shared { .. }) {
                    parts.entity = Entity::Named(if named { "site/x" } else { &name });
                }
                if matches!(kind, EventKind::Shared { .. }) {
                    parts.entity = Entity::Named(&name);
                }
                parts.origin = kind.has_origin().then(|| origin(&name));
                let event = Event::decode(parts.encode().expect("fits")).expect("decodes");
                prop_assert_eq!(event.kind(), kind);
                prop_assert_eq!(event.entity(), parts.entity);
                prop_assert_eq!(event.origin(), parts.origin);
                prop_assert_eq!(event.received_at_ms(), at);
                prop_assert_eq!(event.expiry_s(), 7);
                prop_assert_eq!(event.message_id(), id.as_str());
                prop_assert_eq!(&event.payload()[..], &payload[..]);
            }
        }
    }

    #[test]
    fn decoding_never_panics(bytes: Vec<u8>, version in 0_u8..5, kind in 0_u8..16) {
        let _ = Event::decode(Bytes::from([&[version, kind][..], &bytes].concat()));
        let _ = Event::decode(Bytes::from(bytes));
    }

    #[test]
    fn a_truncated_event_is_an_error(cut in 0_usize..45) {
        let parts = EventParts { origin: Some(origin("x")), ..parts(EventKind::Message { name: "m" }, "", &[]) };
        let bytes = parts.encode().expect("fits");
        assert!(bytes.len() > cut);
        prop_assert_eq!(Event::decode(bytes.slice(..cut)).err(), Some(EventError::Truncated));
    }
}

#[test]
fn an_event_of_version_1_is_read() {
    let header = [1, 1, 5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3, 7, 0, 2];
    let event = Event::decode(Bytes::from([&header[..], b"d-1climateidpayload"].concat())).expect("decodes");
    let entity = Entity::Device(DeviceId::parse("d-1").expect("a name"));
    assert_eq!((event.kind(), event.entity()), (EventKind::Telemetry { channel: "climate" }, entity));
    assert_eq!((event.message_id(), &event.payload()[..], event.origin()), ("id", &b"payload"[..], None));
    assert_eq!((event.received_at_ms(), event.expiry_s()), (5, 7));
}

#[test]
fn an_event_that_a_span_led_to_says_so_and_others_are_as_before() {
    let trace = TraceParent { trace_id: [7; 16], span_id: [9; 8], flags: 1 };
    let parts = parts(EventKind::Telemetry { channel: "climate" }, "id", b"payload");
    let traced = Event::decode(parts.encode_traced(Some(&trace)).expect("fits")).expect("decodes");
    let plain = Event::decode(parts.encode().expect("fits")).expect("decodes");
    assert_eq!((traced.trace(), plain.trace()), (Some(trace), None));
    assert_eq!((traced.bytes()[0], plain.bytes()[0]), (3, 2));
    assert_eq!(traced.bytes().len(), plain.bytes().len() + TraceParent::BYTES);
    for event in [&traced, &plain] {
        assert_eq!((event.kind(), event.entity()), (parts.kind, parts.entity));
        assert_eq!((event.message_id(), &event.payload()[..]), ("id", &b"payload"[..]));
    }
    for cut in 0..traced.bytes().len() - b"payload".len() {
        assert_eq!(Event::decode(traced.bytes().slice(..cut)).err(), Some(EventError::Truncated));
    }
}

#[test]
fn a_kind_that_has_an_origin_must_say_it() {
    let bytes = parts(EventKind::TimerFired, "", &[]).encode().expect("fits");
    assert_eq!(Event::decode(bytes).err(), Some(EventError::Origin));
}

#[test]
fn a_shared_event_belongs_to_its_topic() {
    let kind = EventKind::Shared { topic: "alerts/x" };
    let parts = EventParts { entity: Entity::Named("alerts/x"), ..parts(kind, "", &[]) };
    let event = Event::decode(parts.encode().expect("fits")).expect("decodes");
    assert_eq!((event.entity(), event.device()), (Entity::Named("alerts/x"), None));
}

#[test]
fn a_name_that_does_not_fit_is_refused() {
    let long: String = core::iter::repeat_n('x', 70_000).collect();
    assert_eq!(
        parts(EventKind::Telemetry { channel: &long }, "", &[]).encode().err(),
        Some(EventError::TooLong)
    );
}
