use super::*;
use crate::event::{EventParts, Firing, Origin, Purpose};
use crate::invocation::StateUnavailable;
use crate::partition::OPERATOR;
use crate::position::PartitionId;
use bytes::Bytes;

fn event(entity: &str, kind: EventKind<'_>, function: &str, payload: &[u8]) -> Event {
    let origin = Origin {
        cause: Offset(u64::MAX),
        function: FunctionName::parse(function).expect("a name"),
        partition: PartitionId::CONTROL,
        sequence: 0,
        hops: 0,
        source: "",
    };
    let parts = EventParts {
        entity: Entity::parse(entity).expect("an entity"),
        kind,
        received_at_ms: 1_000,
        expiry_s: 0,
        message_id: "",
        origin: kind.has_origin().then_some(origin),
        payload,
    };
    Event::decode(parts.encode().expect("fits")).expect("decodes")
}

fn message(entity: &str, name: &str) -> Event {
    event(entity, EventKind::Message { name }, OPERATOR, b"{}")
}

/// A store that has nothing, or cannot answer.
struct Store {
    is_there: bool,
}

impl StateReader for Store {
    fn get(&self, _: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        if self.is_there { Ok(None) } else { Err(StateUnavailable("gone".into())) }
    }

    fn scan(
        &self,
        _: &[u8],
        _: Option<&[u8]>,
        _: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        self.get(&[]).map(drop)
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        self.get(&[])
    }

    fn config(&self, _: &str) -> Result<Option<Bytes>, StateUnavailable> {
        self.get(&[])
    }
}

#[test]
fn messages_go_to_the_function_whose_entity_they_are_for() {
    let of = |entity, name| Builtin::for_event(&message(entity, name), None);
    assert_eq!(of("rollout/fw-2", "rollout/act"), Some(Builtin::Rollout));
    assert_eq!(of("rollout/fw-2", "rollout/report"), Some(Builtin::Rollout));
    assert_eq!(of("rollout/fw-2", "rollout/gate/crashes"), None, "it is the gate's");
    assert_eq!(of("rollout/fw-2", "hello"), None);
    assert_eq!(of("rollout/a/b", "rollout/act"), None, "no rollout has such a name");
    assert_eq!(of("site/berlin", "rollout/act"), None);
    for name in ["rollout/offer", "rollout/withdraw", "rollout/watch", "update/answer"] {
        assert_eq!(of("devices/d-1", name), Some(Builtin::Update), "{name}");
    }
    for name in ["rollout/gate/crashes", "updates/x", "update", "hello"] {
        assert_eq!(of("devices/d-1", name), None, "{name}");
    }
}

#[test]
fn a_timer_goes_to_the_function_that_has_set_it() {
    let firing = Firing { next_ms: 0, purpose: Purpose::Named("tick").to_bytes(), payload: Bytes::new() };
    let fired = |entity, function: &str| {
        let event = event(entity, EventKind::TimerFired, function, &firing.encode());
        Builtin::for_event(&event, event.origin().map(|origin| origin.function))
    };
    assert_eq!(fired("rollout/fw-2", "rollout"), Some(Builtin::Rollout));
    assert_eq!(fired("devices/d-1", "update"), Some(Builtin::Update));
    assert_eq!(fired("devices/d-1", "rollout"), None);
    assert_eq!(fired("rollout/fw-2", "climate"), None);
    assert_eq!(fired("devices/d-1", "climate"), None);
}

#[test]
fn what_devices_send_otherwise_is_nobodys_business_here() {
    let of = |kind| Builtin::for_event(&event("devices/d-1", kind, OPERATOR, b""), None);
    assert_eq!(of(EventKind::Disconnected { reason: "gone" }), None);
    assert_eq!(of(EventKind::CommandRequested { name: "fan" }), None);
    for (kind, concern) in [
        (EventKind::UpdateStatus, Concern::Always),
        (EventKind::Connected, Concern::WhileKnown),
        (EventKind::Telemetry { channel: "climate" }, Concern::WhileWatched),
        (EventKind::TwinReported, Concern::WhileWatched),
    ] {
        assert_eq!((of(kind), Builtin::Update.concern(&kind)), (Some(Builtin::Update), concern), "{kind:?}");
    }
}

#[test]
fn a_version_says_which_function_it_is() {
    for builtin in Builtin::ALL {
        let target = builtin.target().expect("its name is one");
        assert_eq!(Builtin::of(&target.version), Some(builtin));
        assert_eq!(target.function.as_str(), builtin.name());
    }
    assert_eq!(Builtin::of(&ModuleHash([0; 32])), None);
}

#[test]
fn only_a_store_that_cannot_answer_is_worth_another_try() {
    let act = br#"{"by": "ann", "verb": "pause"}"#;
    let act = event("rollout/fw-2", EventKind::Message { name: rollout::ACT }, OPERATOR, act);
    let handle = |event, is_there| Builtin::Rollout.handle(event, &Store { is_there });
    assert!(matches!(handle(&act, false).outcome, Outcome::Interrupted { .. }));
    let Handled { outcome, effects, logs } = handle(&act, true);
    assert_eq!((outcome, effects.len()), (Outcome::Done, 0));
    assert_eq!(logs.first().map(|line| line.text.as_str()), Some("ignored: there is no rollout 'fw-2'"));
    let garbage = message("rollout/fw-2", rollout::ACT);
    let failure = handle(&garbage, true).outcome.failure().expect("an act has more to say");
    assert!(failure.0 == "input" && failure.1.contains("rollout/act"), "{failure:?}");
}
