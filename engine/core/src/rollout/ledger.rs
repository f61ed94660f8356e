//! The rows of devices, and everything that follows from them: the queues that they stand in, the times at which they are
//! looked at, and the counts. Whoever moves a device goes through here.

use super::RolloutError;
use super::device::{DEVICE, Device, Step};
use super::head::Head;
use super::machine::Machine;
use super::tally::Tally;
use alloc::format;
use alloc::string::{String, ToString};
use fleetfn_protocol::DeviceId;

pub(super) fn device_key(id: &DeviceId) -> String {
    format!("{DEVICE}{id}")
}

/// The device that the key of a row ends with.
pub(super) fn device_id(key: &str) -> Result<DeviceId, RolloutError> {
    let name = key.rsplit('/').next().unwrap_or_default();
    DeviceId::parse(name).map_err(|error| RolloutError::Damaged { key: key.into(), wrong: error.to_string() })
}

/// The counts that a device belongs to.
fn tally<'h>(head: &'h mut Head, device: &Device) -> &'h mut Tally {
    match device.phase.and_then(|phase| head.phases.get_mut(usize::from(phase))) {
        Some(progress) => &mut progress.tally,
        None => &mut head.outside,
    }
}

/// How many wait for the phase that a waiting device waits for.
fn waiting<'h>(head: &'h mut Head, device: &Device) -> Option<&'h mut u32> {
    if device.step != Step::Undrawn {
        return None;
    }
    Some(match device.group.and_then(|phase| head.phases.get_mut(usize::from(phase))) {
        Some(progress) => &mut progress.reserved,
        None => &mut head.unreserved,
    })
}

impl Machine<'_> {
    /// The row of a device, if it is known.
    pub(super) fn find(&self, id: &DeviceId) -> Result<Option<Device>, RolloutError> {
        self.book.get(&device_key(id))
    }

    /// The row of a device that another row says is there.
    pub(super) fn known(&self, id: &DeviceId) -> Result<Device, RolloutError> {
        self.find(id)?.ok_or_else(|| RolloutError::Damaged {
            key: device_key(id),
            wrong: "a queue or a time names it, but it is not there".into(),
        })
    }

    /// Writes the row of a device and what follows from it.
    pub(super) fn keep(&mut self, id: &DeviceId, before: Option<&Device>, after: &Device) {
        if let Some(before) = before {
            tally(&mut self.head, before).remove(before);
            if let Some(waiting) = waiting(&mut self.head, before) {
                *waiting = waiting.saturating_sub(1);
            }
        }
        tally(&mut self.head, after).add(after);
        if let Some(waiting) = waiting(&mut self.head, after) {
            *waiting = waiting.saturating_add(1);
        }
        let queue = |device: &Device| device.queue_key(id);
        let due = |device: &Device| device.due_key(id);
        self.move_row(before.and_then(queue), queue(after));
        self.move_row(before.and_then(due), due(after));
        self.note_due(before.and_then(|before| before.due_ms), after.due_ms);
        if before != Some(after) {
            self.book.put(device_key(id), after);
        }
    }

    /// Deletes the row of a device and what follows from it.
    pub(super) fn drop_row(&mut self, id: &DeviceId, before: &Device) {
        tally(&mut self.head, before).remove(before);
        if let Some(waiting) = waiting(&mut self.head, before) {
            *waiting = waiting.saturating_sub(1);
        }
        self.move_row(before.queue_key(id), None);
        self.move_row(before.due_key(id), None);
        self.note_due(before.due_ms, None);
        self.book.delete(device_key(id));
    }

    /// Keeps count of the rows of times, and of the earliest.
    fn note_due(&mut self, before_ms: Option<u64>, after_ms: Option<u64>) {
        let others = self.head.due.saturating_sub(before_ms.is_some().into());
        self.head.due = others.saturating_add(after_ms.is_some().into());
        let known_ms = self.head.due_ms.filter(|_| others > 0);
        self.head.due_ms = [known_ms, after_ms].into_iter().flatten().min();
    }

    fn move_row(&mut self, before: Option<String>, after: Option<String>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.book.delete(before);
        }
        if let Some(after) = after {
            self.book.mark(after);
        }
    }
}
