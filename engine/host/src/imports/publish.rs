//! Publishes on a shared topic.

use super::{payload, shown, wish};
use crate::failure::Failure;
use crate::guest::{Guest, enter, part, split};
use crate::limits::CALL_FUEL;
use crate::wishes::Kind;
use fleetfn_protocol::{Topic, filter_matches};
use wasmi::Caller;

pub(super) fn publish(
    caller: &mut Caller<'_, Guest>,
    topic: u32,
    topic_len: u32,
    payload_ptr: u32,
    payload_len: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(topic, topic_len), (payload_ptr, payload_len)])?;
    let (memory, guest) = split(caller)?;
    let topic = part(memory, topic, topic_len)?;
    let payload = payload(memory, payload_ptr, payload_len)?;
    let name = std::str::from_utf8(topic).map_err(|_| Failure::TopicText)?;
    let parsed = Topic::parse(name).map_err(|source| Failure::Topic { topic: shown(topic), source })?;
    let granted = matches!(parsed, Topic::Shared(_))
        && guest.manifest.publish.iter().any(|filter| filter_matches(filter, name));
    if !granted {
        return Err(Failure::PublishGrant(shown(topic)));
    }
    wish(guest, Kind::Publish, &[topic, payload])
}
