//! A device of a scenario on the stage of the simulation: its program and its update machine, as one script.

use super::Device;
use super::program::Program;
use crate::clock::Clock;
use fleetfn_device::agent::Notice;
use fleetfn_device::simulation::{Act, Happened, Member, Script, Update};
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::Phase;
use std::sync::Arc;
use std::time::Duration;

/// How late, in real time, a message may be before it is left out: what is later shows a machine that is too slow.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a packet has besides topic and payload: header, property lengths, the id of the message.
const ENVELOPE_BYTES: usize = 96;

/// Room for the longest name of a device and of what is below it in a topic that is not foreseen.
const TOPIC_BYTES: usize = 96;

/// The longest packet that a device takes when nothing is said: a command of some 300 bytes with its effect id.
const RECEIVE_BYTES_DEFAULT: usize = 512;

/// The same of one that takes updates: most offers, and two blocks of common length.
const RECEIVE_BYTES_UPDATING: usize = 1_536;

/// Who is told what happens to devices. Called on the tasks of the devices: it must not block.
pub(crate) trait Observer: Send + Sync + 'static {
    /// Something happened to a device.
    fn see(&self, device: &str, happened: &Happened<'_>);

    /// A device answered a command.
    fn answered(&self) {}

    /// An update is this far.
    fn updated(&self, _phase: Phase) {}

    /// A device has left, and so many of its messages were left out because they were too late.
    fn skipped(&self, _count: u64) {}
}

/// One device.
pub(crate) struct Actor<O> {
    name: Arc<str>,
    program: Program,
    update: Option<Box<Update>>,
    observer: Arc<O>,
    patience_ms: u64,
    /// Whether its update has restarted it.
    restarts: bool,
    phase: Phase,
}

/// Devices as the simulation takes them, with their passwords; `room_bytes` is more room for those that may have it.
pub(crate) fn members<O: Observer>(
    devices: Vec<Device>,
    clock: Clock,
    observer: &Arc<O>,
    room_bytes: usize,
    mut token: impl FnMut(&DeviceId) -> Box<[u8]>,
) -> impl Iterator<Item = Member<Actor<O>>> {
    devices.into_iter().map(move |device| {
        let Device { id, program, link, update, payload_bytes, receive_bytes: wanted, .. } = device;
        let packet_bytes = payload_bytes + ENVELOPE_BYTES + TOPIC_BYTES;
        let receive_bytes = match &update {
            Some((plan, _)) => RECEIVE_BYTES_UPDATING.max(usize::from(plan.block_bytes.get()) * 2),
            None => RECEIVE_BYTES_DEFAULT,
        };
        let update = update
            .map(|(plan, installed)| Box::new(Update::new(plan, installed.sequence, &installed.version)));
        let script = Actor {
            name: id.as_str().into(),
            program,
            update,
            observer: Arc::clone(observer),
            patience_ms: clock.span_ms(PATIENCE),
            restarts: false,
            phase: Phase::Idle,
        };
        Member {
            device: id,
            token: token(&id),
            script,
            link,
            receive_bytes: wanted.unwrap_or(receive_bytes.max(room_bytes)),
            // One message on its way, and the next.
            send_bytes: (2 * packet_bytes).max(room_bytes),
        }
    })
}

impl<O: Observer> Script for Actor<O> {
    fn begins_online(&self) -> bool {
        self.program.is_online()
    }

    fn listens_to(&self) -> &'static [&'static str] {
        if self.update.is_some() { &["update/manifest", "update/block"] } else { &[] }
    }

    fn next_deadline(&self) -> Option<u64> {
        let update = self.update.as_ref().and_then(|update| update.next_deadline());
        self.program.next_deadline().into_iter().chain(update).min()
    }

    fn poll(&mut self, now_ms: u64) -> Option<Act> {
        while let Some(act) = self.program.poll(now_ms, self.patience_ms) {
            match &act {
                Act::Publish(message) if message.topic.ends_with("/reply") => self.observer.answered(),
                Act::Publish(_) => {}
                // It comes back when its restart is over, or when its absence is, whichever is later.
                Act::Connect if self.restarts => continue,
                Act::Connect | Act::Disconnect | Act::Vanish => {}
            }
            return Some(act);
        }
        let update = self.update.as_mut()?;
        let act = update.poll(now_ms)?;
        if std::mem::replace(&mut self.phase, update.phase()) != self.phase {
            self.observer.updated(self.phase);
        }
        match act {
            Act::Disconnect | Act::Vanish => self.restarts = true,
            Act::Connect => {
                self.restarts = false;
                if !self.program.is_online() {
                    return self.poll(now_ms);
                }
            }
            Act::Publish(_) => {}
        }
        Some(act)
    }

    fn handle(&mut self, happened: Happened<'_>, now_ms: u64) {
        match &happened {
            Happened::Notice(Notice::Command(command)) => {
                self.program.handle_command(command.name, command.payload, now_ms);
            }
            Happened::Notice(Notice::Desired(desired)) => self.program.handle_desired(desired, now_ms),
            Happened::Notice(Notice::Listening) => {
                if let Some(update) = &mut self.update {
                    update.handle_listening();
                }
            }
            Happened::Notice(Notice::Offer(offer)) => {
                if let Some(update) = &mut self.update {
                    update.handle_offer(offer, now_ms);
                }
            }
            Happened::Notice(Notice::Block(block)) => {
                if let Some(update) = &mut self.update {
                    update.handle_block(block, now_ms);
                }
            }
            Happened::Left { .. } => self.observer.skipped(self.program.skipped()),
            _ => {}
        }
        self.observer.see(&self.name, &happened);
    }
}
