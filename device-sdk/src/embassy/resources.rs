//! The memory of a device, in one block that firmware puts where it likes.

use super::Raw;
use super::command::Slot;
use super::device::Device;
use super::keeping::Keeping;
use super::runner::Runner;
use super::twin::Latest;
use super::updates::{NoUpdates, Talk};
use crate::agent::{Agent, Identity};
use crate::mqtt::Reason;
use embassy_sync::mutex::Mutex;
use embassy_sync::signal::Signal;

/// All buffers of a device. `PACKET` bytes hold the longest packet that may come, `SEND` what waits to be written and
/// what the server has not acknowledged, `MESSAGE` the longest telemetry, command, answer or twin, each with its name or
/// channel.
///
/// ```
/// use fleetfn_device::embassy::Resources;
/// use static_cell::ConstStaticCell;
///
/// static RESOURCES: ConstStaticCell<Resources> = ConstStaticCell::new(Resources::new());
/// ```
pub struct Resources<'r, const PACKET: usize = 1_536, const SEND: usize = 1_536, const MESSAGE: usize = 512> {
    receive: [u8; PACKET],
    send: [u8; SEND],
    entry: [u8; MESSAGE],
    keeping: [u8; MESSAGE],
    command: [u8; MESSAGE],
    desired: [u8; MESSAGE],
    made: Option<Made<'r>>,
}

/// What stands on the buffers. It stays where it is: a future that moves something has room for both of its places.
struct Made<'r> {
    shared: Shared<'r>,
    agent: Agent<'r>,
    _mark: Mark,
}

/// Makes the `None` of what it stands in all zeros, since nothing else there leaves as many numbers unused: memory that is not
/// in use then takes no flash.
#[repr(u64)]
enum Mark {
    Made = 1,
}

/// What both ends hold.
pub(super) struct Shared<'r> {
    pub(super) keeping: Keeping<'r>,
    pub(super) command: Mutex<Raw, Slot<'r>>,
    pub(super) command_there: Signal<Raw, ()>,
    pub(super) desired: Mutex<Raw, Latest<'r>>,
    pub(super) desired_there: Signal<Raw, ()>,
    pub(super) updates: Talk,
    /// Why the server refuses, for the task that asks.
    pub(super) refused: Signal<Raw, Reason>,
    /// The runner is to look again.
    pub(super) nudge: Signal<Raw, ()>,
}

impl<const PACKET: usize, const SEND: usize, const MESSAGE: usize> Resources<'_, PACKET, SEND, MESSAGE> {
    /// Memory that is not in use.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            receive: [0; PACKET],
            send: [0; SEND],
            entry: [0; MESSAGE],
            keeping: [0; MESSAGE],
            command: [0; MESSAGE],
            desired: [0; MESSAGE],
            made: None,
        }
    }
}

impl<const PACKET: usize, const SEND: usize, const MESSAGE: usize> Default
    for Resources<'_, PACKET, SEND, MESSAGE>
{
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a device: the end that tasks hold, and the one that keeps in touch.
pub fn new<'r, const PACKET: usize, const SEND: usize, const MESSAGE: usize>(
    resources: &'r mut Resources<'r, PACKET, SEND, MESSAGE>,
    identity: Identity<'r>,
) -> (Device<'r>, Runner<'r, NoUpdates>) {
    let Resources { receive, send, entry, keeping, command, desired, made } = resources;
    let shared = Shared {
        keeping: Keeping::new(keeping),
        command: Mutex::new(Slot::new(command)),
        command_there: Signal::new(),
        desired: Mutex::new(Latest::new(desired)),
        desired_there: Signal::new(),
        updates: Talk::new(),
        refused: Signal::new(),
        nudge: Signal::new(),
    };
    // One command at a time: it is acknowledged when the application has done it.
    let agent = Agent::new(Identity { receive_maximum: 1, ..identity }, receive, send);
    let Made { shared, agent, .. } = made.insert(Made { shared, agent, _mark: Mark::Made });
    (Device::new(shared), Runner::new(shared, agent, entry))
}
