//! One device's connection: a socket, what is still to be written, what was sent and not yet answered.

use crate::wire::{self, Packet};
use anyhow::{Result, bail};
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

/// What ends an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Its PUBACK.
    Acked,
    /// Its PUBACK and the command that the function sends.
    Commanded,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// CONNECT and SUBSCRIBE are sent.
    Joining,
    /// SUBACK has come.
    Ready,
}

/// What devices are called and publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// What their ids begin with.
    pub(crate) devices: &'static str,
    /// Last levels of their topics.
    pub(crate) channel: &'static str,
    /// Bytes of each payload.
    pub(crate) payload_bytes: usize,
}

impl Load {
    /// What the function `counter` answers.
    pub(crate) fn bench(payload_bytes: usize) -> Self {
        Self { devices: "bench", channel: "bench", payload_bytes }
    }
}

/// One device.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: TcpStream,
    pub(crate) phase: Phase,
    /// A PUBLISH as it goes out, but for the packet id.
    publish: Vec<u8>,
    id_at: usize,
    next_id: u16,
    input: Vec<u8>,
    output: Vec<u8>,
    /// When the events were due that wait for what ends them, oldest first.
    waiting: VecDeque<Instant>,
    unacked: usize,
}

impl Link {
    /// Starts to connect the device `number`.
    pub(crate) fn open(address: SocketAddr, number: usize, load: &Load) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        let id = format!("{}-{number:05}", load.devices);
        let topic = format!("devices/{id}/telemetry/{}", load.channel);
        let (publish, id_at) = wire::publish(&topic, &vec![b'7'; load.payload_bytes]);
        let mut output = Vec::with_capacity(256);
        wire::connect(&mut output, &id, "bench", 0);
        wire::subscribe(&mut output, &format!("devices/{id}/commands/#"));
        Ok(Self {
            stream,
            phase: Phase::Joining,
            publish,
            id_at,
            next_id: 1,
            input: Vec::new(),
            output,
            waiting: VecDeque::new(),
            unacked: 0,
        })
    }

    /// Whether another event may be sent with at most `in_flight` unanswered.
    pub(crate) fn may_send(&self, in_flight: usize) -> bool {
        self.waiting.len() < in_flight && self.unacked < in_flight
    }

    /// Queues one event that was due at `due`.
    pub(crate) fn send(&mut self, due: Instant) {
        let start = self.output.len() + self.id_at;
        self.output.extend_from_slice(&self.publish);
        for (place, byte) in self.output.iter_mut().skip(start).zip(self.next_id.to_be_bytes()) {
            *place = byte;
        }
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.waiting.push_back(due);
        self.unacked += 1;
    }

    /// Writes what is queued; the rest follows when the socket can be written again.
    pub(crate) fn flush(&mut self) -> Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads what is there; calls `done` with the due time of each event that ended.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut [u8],
        until: Until,
        mut done: impl FnMut(Instant),
    ) -> Result<()> {
        loop {
            let read = match self.stream.read(scratch) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(read) => read,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            let fresh = scratch.get(..read).unwrap_or_default();
            if self.input.is_empty() {
                let used = self.take(fresh, until, &mut done)?;
                self.input.extend_from_slice(fresh.get(used..).unwrap_or_default());
            } else {
                let mut input = std::mem::take(&mut self.input);
                input.extend_from_slice(fresh);
                let used = self.take(&input, until, &mut done)?;
                input.drain(..used);
                self.input = input;
            }
            if read < scratch.len() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, bytes: &[u8], until: Until, done: &mut impl FnMut(Instant)) -> Result<usize> {
        let mut used = 0;
        while let Some((packet, length)) = wire::next(bytes.get(used..).unwrap_or_default())? {
            used += length;
            match packet {
                Packet::Subscribed => self.phase = Phase::Ready,
                Packet::PubAck => {
                    self.unacked = self.unacked.saturating_sub(1);
                    if until == Until::Acked {
                        self.waiting.pop_front().into_iter().for_each(&mut *done);
                    }
                }
                Packet::Publish { packet_id } => {
                    if packet_id != 0 {
                        wire::puback(&mut self.output, packet_id);
                    }
                    if until == Until::Commanded {
                        self.waiting.pop_front().into_iter().for_each(&mut *done);
                    }
                }
                Packet::Connected | Packet::Other => {}
            }
        }
        Ok(used)
    }
}
