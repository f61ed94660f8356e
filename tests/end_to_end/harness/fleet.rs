//! A fleet that keeps books: devices that publish numbered events with QoS 1 through any number of crashes, know
//! which were acknowledged, collect what the ledger function answers, and compare the two at the end.

use super::client::{Client, Packet, subscribe};
use super::ledger::Entry;
use super::{PATIENCE, wait_until};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a device looks up from its socket.
const GLANCE: Duration = Duration::from_millis(20);

/// Acknowledged events that a device leaves unanswered at most: half of what the engine keeps for a device that does
/// not take its commands, beyond which it makes dead letters.
const UNANSWERED_MAX: usize = 500;

/// What the devices share with the test.
#[derive(Default)]
struct Control {
    /// Where the server is now.
    address: Mutex<Option<SocketAddr>>,
    /// No new events: answer what comes, finish.
    draining: AtomicBool,
    sent: AtomicU64,
    acked: AtomicU64,
}

impl Control {
    fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The devices, each on a thread of its own.
pub(crate) struct Fleet {
    control: Arc<Control>,
    devices: Vec<JoinHandle<Device>>,
}

impl Fleet {
    /// Starts devices with these ids and tokens, each with up to `in_flight` unacknowledged events.
    pub(crate) fn start(credentials: Vec<(String, String)>, in_flight: usize, payload_bytes: usize) -> Self {
        let control = Arc::new(Control::default());
        let devices = credentials
            .into_iter()
            .map(|(id, token)| {
                let control = Arc::clone(&control);
                let mut device = Device::new(id, token, in_flight, payload_bytes);
                std::thread::spawn(move || {
                    device.live(&control);
                    device
                })
            })
            .collect();
        Self { control, devices }
    }

    /// Tells the devices where the server is; `None` while there is none.
    pub(crate) fn point_at(&self, address: Option<SocketAddr>) {
        *self.control.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// Events acknowledged so far, over all devices.
    pub(crate) fn acked(&self) -> u64 {
        self.control.acked.load(Ordering::Relaxed)
    }

    /// Events published and not acknowledged, over all devices and all connections.
    pub(crate) fn unacknowledged(&self) -> u64 {
        self.control.sent.load(Ordering::Relaxed).saturating_sub(self.acked())
    }

    /// Waits until `count` more events are acknowledged than now.
    pub(crate) fn wait_for_acks(&self, count: u64) {
        let wanted = self.acked() + count;
        wait_until("enough events are acknowledged", || self.acked() >= wanted);
    }

    /// Stops publishing, waits until every event that was acknowledged is answered, and compares the books.
    #[must_use = "books that nobody looks at prove nothing"]
    pub(crate) fn settle(self) -> Books {
        self.control.draining.store(true, Ordering::Relaxed);
        let mut books = Books::default();
        for device in self.devices {
            match device.join() {
                Ok(device) => books.add(&device),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        books
    }
}

/// What the comparison found, over all devices.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Books {
    /// Devices that took part.
    pub(crate) devices: u64,
    /// Events published.
    pub(crate) sent: u64,
    /// Events acknowledged.
    pub(crate) acked: u64,
    /// Events that the function handled.
    pub(crate) handled: u64,
    /// Acknowledged events that the function never handled.
    pub(crate) lost: u64,
    /// Events whose effects were applied more than once.
    pub(crate) twice: u64,
    /// Events handled after a later one of their device.
    pub(crate) disordered: u64,
    /// Commands that the function sent and the device never received.
    pub(crate) commands_lost: u64,
    /// Commands received again after a reconnect: allowed, counted.
    pub(crate) commands_repeated: u64,
    /// Commands received after a later one in the same session.
    pub(crate) commands_disordered: u64,
    /// Times that a device found the server gone.
    pub(crate) disconnects: u64,
    /// The first few things that were wrong, in words.
    pub(crate) notes: Vec<String>,
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} devices, sent {}, acked {}, handled {}, disconnects {}, commands repeated {}; \
             lost {}, applied twice {}, out of order {}, commands lost {}, commands out of order {}",
            self.devices,
            self.sent,
            self.acked,
            self.handled,
            self.disconnects,
            self.commands_repeated,
            self.lost,
            self.twice,
            self.disordered,
            self.commands_lost,
            self.commands_disordered,
        )
    }
}

impl Books {
    /// Fails unless nothing acknowledged was lost, applied twice or handled out of order.
    #[track_caller]
    pub(crate) fn assert_balanced(&self) {
        let wrong = self.lost + self.twice + self.disordered + self.commands_lost + self.commands_disordered;
        assert_eq!(wrong, 0, "{self}\n{}", self.notes.join("\n"));
        assert!(self.acked > 0, "nothing happened: {self}");
    }

    fn add(&mut self, device: &Device) {
        let numbers: Vec<u64> = device.handled.values().map(|entry| entry.number).collect();
        let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
        let newest = device.handled.last_key_value();
        let lost: Vec<u64> =
            device.acked.iter().copied().filter(|number| !distinct.contains(number)).collect();
        let count = newest.map_or(0, |(count, _)| *count);
        let received = device.handled.len() as u64;
        let twice = received - distinct.len() as u64 + device.contradictions;
        let disordered = numbers.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64;
        if self.notes.len() < 20 {
            if !lost.is_empty() {
                self.notes.push(format!("{}: acknowledged and not handled: {lost:?}", device.id));
            }
            if twice + disordered > 0 || received != count {
                self.notes.push(format!(
                    "{}: count {count}, {received} commands, twice {twice}, {newest:?}",
                    device.id
                ));
            }
        }
        self.devices += 1;
        self.sent += device.sent;
        self.acked += device.acked.len() as u64;
        self.handled += count;
        self.lost += lost.len() as u64;
        self.twice += twice;
        self.disordered += disordered.max(newest.map_or(0, |(_, entry)| entry.not_rising));
        self.commands_lost += count - received;
        self.commands_repeated += device.repeated;
        self.commands_disordered += device.commands_disordered;
        self.disconnects += device.disconnects;
    }
}

/// One device.
struct Device {
    id: String,
    token: String,
    topic: String,
    in_flight: usize,
    payload: Vec<u8>,
    /// Number of the newest event sent.
    sent: u64,
    acked: BTreeSet<u64>,
    /// What the ledger said, by its count.
    handled: BTreeMap<u64, Entry>,
    /// The same count with another number: two histories.
    contradictions: u64,
    repeated: u64,
    /// Count of the newest command in this session.
    newest_in_session: u64,
    commands_disordered: u64,
    disconnects: u64,
}

impl Device {
    fn new(id: String, token: String, in_flight: usize, payload_bytes: usize) -> Self {
        Self {
            topic: format!("devices/{id}/telemetry/load"),
            id,
            token,
            in_flight,
            payload: vec![b'.'; payload_bytes.max(8)],
            sent: 0,
            acked: BTreeSet::new(),
            handled: BTreeMap::new(),
            contradictions: 0,
            repeated: 0,
            newest_in_session: 0,
            commands_disordered: 0,
            disconnects: 0,
        }
    }

    /// Publishes through every crash, until the fleet drains and the books can be closed.
    fn live(&mut self, control: &Control) {
        let mut draining_since = None;
        loop {
            let ended = match control.address() {
                Some(address) => self.session(address, control, &mut draining_since),
                None => Ok(false),
            };
            match ended {
                Ok(true) => return,
                Ok(false) => std::thread::sleep(GLANCE),
                Err(_) => {
                    self.disconnects += 1;
                    std::thread::sleep(GLANCE);
                }
            }
            let waited = draining_since.is_some_and(|since: Instant| since.elapsed() > PATIENCE);
            assert!(!waited, "{}: the server went away while the books were closed", self.id);
        }
    }

    /// One connection; true when all is answered and the fleet drains.
    fn session(
        &mut self,
        address: SocketAddr,
        control: &Control,
        draining_since: &mut Option<Instant>,
    ) -> io::Result<bool> {
        let mut client = Client::connect(address, &self.id, &self.token)?;
        let mut waiting: BTreeMap<u16, u64> = BTreeMap::new();
        self.newest_in_session = 0;
        client.send(&subscribe(&format!("devices/{}/commands/#", self.id)))?;
        loop {
            if control.draining.load(Ordering::Relaxed) {
                let since = *draining_since.get_or_insert_with(Instant::now);
                if waiting.is_empty() && self.is_settled() || since.elapsed() > PATIENCE {
                    return Ok(true);
                }
            } else {
                while waiting.len() < self.in_flight && self.acked.len() < self.handled.len() + UNANSWERED_MAX
                {
                    control.sent.fetch_add(1, Ordering::Relaxed);
                    self.publish(&mut client, &mut waiting)?;
                }
            }
            if let Some(packet) = client.read_within(GLANCE)? {
                self.take(packet, &mut client, &mut waiting, control)?;
            }
        }
    }

    fn publish(&mut self, client: &mut Client, waiting: &mut BTreeMap<u16, u64>) -> io::Result<()> {
        self.sent += 1;
        self.payload[..8].copy_from_slice(&self.sent.to_le_bytes());
        let packet_id = u16::try_from(self.sent % 65_535).unwrap_or(0) + 1;
        waiting.insert(packet_id, self.sent);
        client.publish(&self.topic, packet_id, &self.payload)
    }

    fn take(
        &mut self,
        packet: Packet,
        client: &mut Client,
        waiting: &mut BTreeMap<u16, u64>,
        control: &Control,
    ) -> io::Result<()> {
        match packet {
            Packet::PubAck(id) => {
                if let Some(number) = waiting.remove(&id) {
                    self.acked.insert(number);
                    control.acked.fetch_add(1, Ordering::Relaxed);
                }
            }
            Packet::Publish { packet_id, payload, .. } => {
                client.acknowledge(packet_id)?;
                let entry =
                    Entry::parse(&payload).ok_or_else(|| io::Error::other("not an entry of the ledger"))?;
                self.commands_disordered += u64::from(entry.count <= self.newest_in_session);
                self.newest_in_session = entry.count;
                match self.handled.insert(entry.count, entry) {
                    None => {}
                    Some(same) if same == entry => self.repeated += 1,
                    Some(_) => self.contradictions += 1,
                }
            }
            Packet::SubAck(0x80) | Packet::ConnAck(_) => return Err(io::Error::other("refused")),
            Packet::SubAck(_) | Packet::PingResp | Packet::Other(..) => {}
        }
        Ok(())
    }

    /// Whether every acknowledged event is answered, with no gap among the answers.
    fn is_settled(&self) -> bool {
        let count = self.handled.last_key_value().map_or(0, |(count, _)| *count);
        let answered: BTreeSet<u64> = self.handled.values().map(|entry| entry.number).collect();
        self.handled.len() as u64 == count && self.acked.is_subset(&answered)
    }
}
