//! A device with its outbox, from one boot to the next, and the model of what it may have lost.

use crate::flash::{Fault, Flash, RANGE, now};
use crate::server::Server;
use fleetfn_device::agent::{Agent, Identity};
use fleetfn_device::outbox::{Error, Outbox, Policy};
use fleetfn_protocol::DeviceId;

/// One life of a device, until the power goes.
pub(crate) struct Device<'b> {
    pub(crate) agent: Agent<'b>,
    pub(crate) outbox: Outbox<'b, Flash>,
    pub(crate) now_ms: u64,
}

/// The buffers of a device.
pub(crate) struct Memory {
    receive: [u8; 256],
    send: Vec<u8>,
    entry: [u8; 192],
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self::with_send_bytes(512)
    }

    pub(crate) fn with_send_bytes(bytes: usize) -> Self {
        Self { receive: [0; 256], send: vec![0; bytes], entry: [0; 192] }
    }
}

impl<'b> Device<'b> {
    pub(crate) fn boot(flash: &Flash, policy: Policy, memory: &'b mut Memory) -> Result<Self, Error<Fault>> {
        // The worst of chance: always the same.
        Self::boot_by_chance(flash, policy, memory, 7)
    }

    pub(crate) fn boot_by_chance(
        flash: &Flash,
        policy: Policy,
        memory: &'b mut Memory,
        random: u32,
    ) -> Result<Self, Error<Fault>> {
        let device = DeviceId::parse("d1").expect("a name");
        let agent = Agent::new(Identity::new(device, b"token"), &mut memory.receive, &mut memory.send);
        let outbox = now(Outbox::open(flash.clone(), RANGE, policy, &mut memory.entry, random))?;
        Ok(Self { agent, outbox, now_ms: 0 })
    }

    pub(crate) fn send(&mut self, payload: &str) -> Result<(), Error<Fault>> {
        now(self.outbox.send("climate", payload.as_bytes()))
    }

    /// Opens a connection if there is none.
    pub(crate) fn connect(&mut self) {
        self.now_ms = self.now_ms.max(self.agent.next_deadline().unwrap_or_default());
        if self.agent.poll_dial(self.now_ms) {
            self.agent.handle_opened(self.now_ms).expect("it may connect");
        }
    }

    /// Loses the connection.
    pub(crate) fn lose(&mut self) {
        self.agent.handle_closed(self.now_ms, 0);
    }

    /// Exchanges packets with the server until nothing more happens, at most so many; the last one is noted by the
    /// server but not acknowledged.
    pub(crate) fn exchange(&mut self, server: &mut Server, packets: usize) -> Result<(), Error<Fault>> {
        for index in 1..=packets {
            self.settle()?;
            let Some(packet) = self.agent.client().poll_transmit().map(<[u8]>::to_vec) else { return Ok(()) };
            self.agent.client().handle_transmitted(packet.len(), self.now_ms);
            let answer = server.take(&packet, index == packets);
            assert_eq!(self.agent.client().handle_bytes(&answer, self.now_ms), answer.len());
        }
        self.settle()
    }

    /// Looks at what happened, and flushes.
    pub(crate) fn settle(&mut self) -> Result<(), Error<Fault>> {
        while let Some(notice) = self.agent.poll_notice().expect("the server keeps to the standard") {
            self.outbox.handle_notice(&notice);
        }
        now(self.outbox.flush(&mut self.agent)).map(drop)
    }

    /// Connects, and exchanges packets until everything is delivered.
    pub(crate) fn deliver(&mut self, server: &mut Server) -> Result<(), Error<Fault>> {
        self.connect();
        self.exchange(server, 10_000)
    }
}

/// The payloads, as text.
pub(crate) fn payloads(server: &Server) -> Vec<String> {
    server.once().into_iter().map(|message| String::from_utf8(message.payload).expect("text")).collect()
}
