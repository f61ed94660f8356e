//! The simulated devices of the emulator: agents of the device SDK, with real connections.

use super::devices::Cast;
use crate::clock::Clock;
use crate::scenario::{self, Epoch, Observer};
use fleetfn_device::agent::Notice;
use fleetfn_device::simulation::{Cause, Happened, Run, Simulation};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Reports between all devices and whoever shows them; of those that come while it is full nothing is told.
const REPORTS_MAX: usize = 4_096;

/// Buffers of a device, in bytes: a twin of full size, and what a function under work may ask for.
const ROOM_BYTES: usize = 40 << 10;

/// What is worth telling of a device.
#[derive(Debug)]
pub(super) enum Report {
    /// The broker refused a message.
    Refused { device: String, why: String },
    /// It lost its connection, and tries again.
    Lost { device: String, why: String },
    /// It has left; so many messages were left out.
    Gone { skipped: u64 },
}

/// The devices.
pub(super) struct Fleet {
    simulation: Simulation,
    epoch: Epoch,
}

impl Fleet {
    /// Connects every device; what is worth telling comes out of the receiver, which is closed when all have left.
    pub(super) fn start(mqtt: SocketAddr, cast: Cast, clock: Clock) -> (Self, mpsc::Receiver<Report>) {
        let (reporter, reports) = mpsc::channel(REPORTS_MAX);
        let observer = Arc::new(Reporter(reporter));
        let Cast { devices, epoch, seed, .. } = cast;
        let run = Run { seed, number: Clock::Real.now_ms() };
        // The engine is open: anybody may come.
        let members = scenario::members(devices, clock, &observer, ROOM_BYTES, |_| Box::default());
        (Self { simulation: Simulation::start(mqtt, Arc::new(clock), run, members), epoch }, reports)
    }

    /// Resolves when all devices are there, or have tried in vain. May be cancelled.
    pub(super) async fn gathered(&self) {
        self.simulation.gathered().await;
    }

    /// Lets the scenario begin, at this time of the engine's clock.
    pub(super) fn begin(&self, begin_ms: u64) {
        self.epoch.begin(begin_ms);
        self.simulation.begin();
    }

    /// Lets every device leave.
    pub(super) fn end(&self) {
        self.simulation.end();
    }
}

/// Tells what goes wrong with devices.
struct Reporter(mpsc::Sender<Report>);

impl Reporter {
    fn tell(&self, report: Report) {
        // What there is no room for, or nobody to hear, is not told.
        let _ = self.0.try_send(report);
    }
}

impl Observer for Reporter {
    fn see(&self, device: &str, happened: &Happened<'_>) {
        let device = || device.to_owned();
        match happened {
            Happened::Acknowledged { reason, .. } if reason.is_failure() => {
                self.tell(Report::Refused { device: device(), why: reason.text().into() });
            }
            Happened::Unsendable(misuse) => {
                self.tell(Report::Refused { device: device(), why: misuse.to_string() });
            }
            Happened::Notice(Notice::Refused(reason)) => {
                self.tell(Report::Lost { device: device(), why: reason.text().into() });
            }
            Happened::Disconnected { cause, .. } if *cause != Cause::Script => {
                self.tell(Report::Lost { device: device(), why: cause.to_string() });
            }
            _ => {}
        }
    }

    fn skipped(&self, count: u64) {
        self.tell(Report::Gone { skipped: count });
    }
}
