//! The device's own topics, put together without an allocator.

use fleetfn_protocol::DeviceId;
use fleetfn_protocol::limits::NAME_BYTES_MAX;

/// Longest name of a telemetry channel or command, in bytes: what the engine takes as the name of a command.
pub(crate) const PART_BYTES_MAX: usize = 128;

/// Longest topic, in bytes: the longest device, the longest part, and the words between.
pub(super) const TOPIC_BYTES_MAX: usize = "devices//commands//reply".len() + NAME_BYTES_MAX + PART_BYTES_MAX;

/// Longest topic without a name of the caller's, in bytes.
pub(super) const OWN_TOPIC_BYTES_MAX: usize = "devices//update/manifest".len() + NAME_BYTES_MAX;

/// Puts `devices/{device}` and all of `parts` into the caller's room; `None` if that is too short. Nothing is handed back by
/// value, which would be on the stack twice.
#[inline(never)]
pub(super) fn write<'r>(room: &'r mut [u8], device: &DeviceId, parts: &[&str]) -> Option<&'r str> {
    let mut len = 0_usize;
    for part in ["devices/", device.as_str()].iter().chain(parts) {
        let end = len.checked_add(part.len())?;
        let place = room.get_mut(len..end)?;
        place.iter_mut().zip(part.bytes()).for_each(|(to, from)| *to = from);
        len = end;
    }
    // Made of whole texts, so it is one.
    fleetfn_protocol::text(room.get(..len)?)
}

/// What follows `devices/{device}/` in a topic.
pub(super) fn below<'t>(device: &DeviceId, topic: &'t str) -> Option<&'t str> {
    topic.strip_prefix("devices/")?.strip_prefix(device.as_str())?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::{OWN_TOPIC_BYTES_MAX, PART_BYTES_MAX, TOPIC_BYTES_MAX, below, write};
    use crate::agent::LISTENED;
    use fleetfn_protocol::{DeviceId, Topic};

    #[test]
    fn topics_are_those_of_the_grammar() {
        let device = DeviceId::parse(&"d".repeat(63)).expect("a name");
        let name = "n".repeat(PART_BYTES_MAX);
        let mut room = [0; TOPIC_BYTES_MAX];
        let reply = write(&mut room, &device, &["/commands/", &name, "/reply"]).expect("it fits");
        assert_eq!(Topic::parse(reply), Ok(Topic::CommandReply { device, name: &name }));
        assert!(write(&mut room, &device, &["/commands/", &name, "/reply", "x"]).is_none());
        let mut room = [0; OWN_TOPIC_BYTES_MAX];
        for (part, _) in LISTENED {
            assert!(write(&mut room, &device, &[part]).is_some(), "{part}");
        }
    }

    #[test]
    fn only_the_devices_own_topics_are_below_it() {
        let device = DeviceId::parse("d1").expect("a name");
        assert_eq!(below(&device, "devices/d1/twin/desired"), Some("twin/desired"));
        for other in ["devices/d1", "devices/d10/twin/desired", "devices/d2/twin/desired", "d1/x"] {
            assert_eq!(below(&device, other), None, "{other}");
        }
    }
}
