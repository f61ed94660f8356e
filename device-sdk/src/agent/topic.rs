//! The device's own topics, put together without an allocator.

use fleetfn_protocol::DeviceId;
use fleetfn_protocol::limits::NAME_BYTES_MAX;

/// Longest name of a telemetry channel or command, in bytes: what the engine takes as the name of a command.
pub(crate) const PART_BYTES_MAX: usize = 128;

/// Longest topic, in bytes: the longest device, the longest part, and the words between.
const TOPIC_BYTES_MAX: usize = "devices//commands//reply".len() + NAME_BYTES_MAX + PART_BYTES_MAX;

/// A topic below `devices/{id}/`.
pub(super) struct DeviceTopic {
    bytes: [u8; TOPIC_BYTES_MAX],
    len: usize,
}

impl DeviceTopic {
    /// `devices/{device}` and all of `parts`; `None` if that is too long.
    pub(super) fn new(device: &DeviceId, parts: &[&str]) -> Option<Self> {
        let mut topic = Self { bytes: [0; TOPIC_BYTES_MAX], len: 0 };
        topic.push("devices/")?;
        topic.push(device.as_str())?;
        parts.iter().try_for_each(|part| topic.push(part))?;
        Some(topic)
    }

    fn push(&mut self, part: &str) -> Option<()> {
        let end = self.len.checked_add(part.len())?;
        let room = self.bytes.get_mut(self.len..end)?;
        room.iter_mut().zip(part.bytes()).for_each(|(to, from)| *to = from);
        self.len = end;
        Some(())
    }

    pub(super) fn as_str(&self) -> &str {
        // Made of whole texts, so it is one.
        fleetfn_protocol::text(self.bytes.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }
}

/// What follows `devices/{device}/` in a topic.
pub(super) fn below<'t>(device: &DeviceId, topic: &'t str) -> Option<&'t str> {
    topic.strip_prefix("devices/")?.strip_prefix(device.as_str())?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::{DeviceTopic, PART_BYTES_MAX, below};
    use fleetfn_protocol::{DeviceId, Topic};

    #[test]
    fn topics_are_those_of_the_grammar() {
        let device = DeviceId::parse(&"d".repeat(63)).expect("a name");
        let name = "n".repeat(PART_BYTES_MAX);
        let reply = DeviceTopic::new(&device, &["/commands/", &name, "/reply"]).expect("it fits");
        assert_eq!(Topic::parse(reply.as_str()), Ok(Topic::CommandReply { device, name: &name }));
        assert!(DeviceTopic::new(&device, &["/commands/", &name, "/reply", "x"]).is_none());
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
