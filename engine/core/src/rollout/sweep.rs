//! A walk over all devices, some with each event: takes back what has not begun, tries again what has failed, or deletes
//! what is kept of them.

use super::RolloutError;
use super::device::{DEVICE, Device, Step};
pub(super) use super::head::SweepTo;
use super::head::{State, Sweep};
use super::ledger::device_id;
use super::machine::Machine;
use super::why::Why;
use fleetfn_protocol::DeviceId;

/// Devices that one event looks at.
const SWEEP_MAX: usize = 256;

impl Machine<'_> {
    /// Begins a walk; one that is under way ends, for what it does not reach is what this one is for.
    pub(super) fn begin_sweep(&mut self, to: SweepTo) {
        self.head.sweep = Some(Sweep { to, after: None });
    }

    pub(super) fn sweep(&mut self) -> Result<(), RolloutError> {
        let Some(Sweep { to, after }) = self.head.sweep.take() else {
            return Ok(());
        };
        let keys = self.book.keys(DEVICE, after.as_ref().map(DeviceId::as_str), SWEEP_MAX)?;
        let mut last = after;
        for key in &keys {
            let id = device_id(key)?;
            let before = self.known(&id)?;
            let mut device = before.clone();
            match to {
                SweepTo::Cancel => self.cancel(&id, &mut device),
                SweepTo::Retry => self.retry(&mut device),
                SweepTo::Remove => self.remove(&id, &before),
            }
            if to != SweepTo::Remove {
                self.keep(&id, Some(&before), &device);
            }
            last = Some(id);
        }
        if keys.len() == SWEEP_MAX {
            self.head.sweep = Some(Sweep { to, after: last });
        }
        Ok(())
    }

    fn cancel(&mut self, id: &DeviceId, device: &mut Device) {
        match device.step {
            Step::Undrawn | Step::Ready | Step::Later | Step::Absent => {}
            Step::Offered | Step::Downloading | Step::Verified => {
                self.withdraw(id, device.generation, false, "the rollout was aborted");
            }
            Step::Armed
            | Step::Trial
            | Step::Succeeded
            | Step::Failed
            | Step::TimedOut
            | Step::Rejected
            | Step::Removed
            | Step::Canceled => return,
        }
        device.go(Step::Canceled, Why::Aborted, self.now_ms);
        device.group = None;
    }

    fn retry(&self, device: &mut Device) {
        let can = match device.step {
            Step::Failed | Step::TimedOut => true,
            Step::Rejected => matches!(device.why, Why::Refused { .. }),
            _ => false,
        };
        if can && self.head.state != State::Aborted {
            (device.attempts, device.deliveries) = (0, 0);
            self.make_ready(device, Why::Retried);
        }
    }
}
