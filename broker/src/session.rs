//! One client's session, from CONNACK to its end.
//!
//! A session is woken by its socket, by receipts, by parcels and by live messages, and then does everything there is to
//! do in one step without waiting: acknowledge what is durable, take what arrived, read what was sent, write it all
//! at once. An idle session holds no buffer.
//!
//! A publish is *parked* from its admission until its receipt: then, in order, live listeners get it and the client its
//! PUBACK. When the window is full, the log has no room or the client is too fast, the session does not read; nothing
//! is dropped.

mod input;
mod output;
mod publish;
mod subscribe;

use crate::acl::Principal;
use crate::broker::Shared;
use crate::codec::connect::Connect;
use crate::codec::publish::Qos;
use crate::codec::reason::Reason;
use crate::codec::{Malformed, Version};
use crate::config::{LIVE_MAX, OUTPUT_BYTES_MAX};
use crate::handle::{Handle, Live, Order};
use crate::rumqttd::Link;
use crate::stream::Stream;
use fleetfn_protocol::EffectId;
use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A session without keep alive looks at the time now and then all the same.
const IDLE: Duration = Duration::from_secs(3_600);

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client said goodbye.
    Goodbye,
    /// It said goodbye and wants its will to be published.
    GoodbyeWithWill,
    /// The connection broke or was closed.
    ConnectionLost,
    /// Nothing came for one and a half times its keep alive.
    KeepAlive,
    /// It left its socket unread for too long.
    Unread,
    /// It sent what must not be.
    Malformed(Malformed),
    /// Somebody ordered it.
    Ordered(Order),
    /// A message could not be made durable, or the router of live messages is gone.
    Unavailable,
}

impl End {
    /// In a word or two, for presence events and the log.
    pub(crate) fn text(&self) -> &'static str {
        match self {
            Self::Goodbye | Self::GoodbyeWithWill => "goodbye",
            Self::ConnectionLost => "connection lost",
            Self::KeepAlive => "keep alive",
            Self::Unread => "unread output",
            Self::Malformed(_) => "protocol error",
            Self::Ordered(Order::TakenOver) => "taken over",
            Self::Ordered(Order::Shutdown) => "shutdown",
            Self::Ordered(Order::Removed) => "removed",
            Self::Unavailable => "unavailable",
        }
    }

    /// What the client is told on MQTT 5; nothing if it has gone itself.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self {
            Self::Goodbye | Self::GoodbyeWithWill | Self::ConnectionLost | Self::Unread => None,
            Self::KeepAlive => Some(Reason::KeepAliveTimeout),
            Self::Malformed(malformed) => Some(malformed.reason),
            Self::Ordered(Order::TakenOver) => Some(Reason::SessionTakenOver),
            Self::Ordered(Order::Shutdown) => Some(Reason::ServerShuttingDown),
            Self::Ordered(Order::Removed) => Some(Reason::NotAuthorized),
            Self::Unavailable => Some(Reason::ServerUnavailable),
        }
    }
}

impl From<Malformed> for End {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// A publish between its admission and its acknowledgement.
struct Parked {
    /// 0 for QoS 0, which is not acknowledged.
    packet_id: u16,
    /// `Some` for what was not admitted and only waits for its turn to be answered.
    answer: Option<Reason>,
    /// A copy for live listeners, if there are any.
    live: Option<Box<Live>>,
}

/// What a service listens to.
struct Listening {
    link: Link,
    filters: Vec<(String, Qos, bool)>,
    /// Answers that wait for the router, by packet id.
    pending: Vec<(u16, Vec<crate::codec::subscribe::Granted>)>,
    /// The last messages that more than one filter covered.
    seen: VecDeque<u64>,
}

impl Listening {
    /// Whether a message that comes once for each filter comes for the first time.
    fn is_first(&mut self, number: u64) -> bool {
        if self.seen.contains(&number) {
            return false;
        }
        if self.seen.len() >= LIVE_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(number);
        true
    }
}

/// What the client has not acknowledged yet, by packet id.
struct Sent {
    packet_id: u16,
    /// The parcel that it was; `None` for a live message.
    effect: Option<EffectId>,
}

/// One client's session.
pub(crate) struct Session {
    shared: Arc<Shared>,
    pub(crate) handle: Arc<Handle>,
    pub(crate) principal: Principal,
    stream: Stream,
    version: Version,
    keep_alive: Option<Duration>,
    receive_maximum: usize,
    packet_bytes_max: usize,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    parked: VecDeque<Parked>,
    /// Receipts that belong to parked messages already acknowledged.
    released: u64,
    sent: Vec<Sent>,
    /// Parcels of QoS 0 in the output: reported when it is written.
    unreported: Vec<EffectId>,
    last_packet_id: u16,
    aliases: HashMap<u16, String>,
    listening: Option<Box<Listening>>,
    /// Filters of a service that wait for a link.
    link_wanted: Option<Box<input::LinkWanted>>,
    tokens: f64,
    refilled: Instant,
    last_packet: Instant,
    unread_since: Option<Instant>,
    busy: bool,
    /// Whether input was left because the session had to stop reading.
    held_back: bool,
}

impl Session {
    pub(crate) fn new(
        shared: Arc<Shared>,
        handle: Arc<Handle>,
        principal: Principal,
        stream: Stream,
        connect: &Connect,
        input: Vec<u8>,
        output: Vec<u8>,
    ) -> Self {
        let now = Instant::now();
        let keep_alive = Duration::from_secs(u64::from(connect.keep_alive_s)) * 3 / 2;
        Self {
            tokens: f64::from(shared.config.messages_per_s),
            shared,
            handle,
            principal,
            stream,
            version: connect.version,
            keep_alive: (connect.keep_alive_s > 0).then_some(keep_alive),
            receive_maximum: usize::from(connect.receive_maximum),
            packet_bytes_max: usize::try_from(connect.packet_bytes_max).unwrap_or(usize::MAX),
            input,
            output,
            written: 0,
            parked: VecDeque::new(),
            released: 0,
            sent: Vec::new(),
            unreported: Vec::new(),
            last_packet_id: 0,
            aliases: HashMap::new(),
            listening: None,
            link_wanted: None,
            refilled: now,
            last_packet: now,
            unread_since: None,
            busy: false,
            held_back: false,
        }
    }

    /// Serves the client until the session ends. What was admitted until then still goes to live listeners, and is
    /// acknowledged if the client is there to hear it.
    pub(crate) async fn run(&mut self) -> End {
        let end = self.serve().await;
        self.finish().await;
        if let Some(reason) = end.reason() {
            crate::codec::disconnect::put(&mut self.output, reason, self.version);
        }
        let flushing = tokio::time::timeout(Duration::from_secs(1), self.flush_all());
        // Whoever does not read its goodbye misses it.
        let _ = flushing.await;
        self.stop_listening();
        end
    }

    async fn serve(&mut self) -> End {
        // One timer for all that has a time: it may ring early and is set anew then, but it is never late.
        let mut armed = self.deadline();
        let mut timer = pin!(tokio::time::sleep_until(armed));
        loop {
            if let Err(end) = self.step() {
                return end;
            }
            if let Some(wanted) = self.link_wanted.take()
                && let Err(end) = self.take_link(*wanted).await
            {
                return end;
            }
            // There is room again already, and nothing else would wake the session for what it holds.
            if (self.held_back && self.reads()) || self.has_more_to_send() {
                tokio::task::consume_budget().await;
                continue;
            }
            let deadline = self.deadline();
            if deadline < armed || timer.is_elapsed() {
                armed = deadline;
                timer.as_mut().reset(armed);
            }
            let (reads, writes) = (self.reads(), self.written < self.output.len());
            let Self { shared, handle, stream, input, busy, .. } = self;
            tokio::select! {
                biased;
                () = handle.woken() => {}
                ready = output::ready(stream, input, reads, writes) => {
                    if let Err(end) = ready {
                        return end;
                    }
                }
                // In a block of its own: the room is asked for only if it is waited for.
                () = async { shared.ingress.room().await }, if *busy => *busy = false,
                () = timer.as_mut() => {}
            }
        }
    }

    /// Everything that can be done now.
    fn step(&mut self) -> Result<(), End> {
        if let Some(order) = self.handle.order() {
            return Err(End::Ordered(order));
        }
        self.release()?;
        self.take_input()?;
        // What was refused waits for no receipt: nothing else would wake the session for it.
        self.release()?;
        self.send_parcels();
        self.take_arrivals()?;
        self.send_blocks();
        self.flush()?;
        self.check_time()
    }

    /// Whether the session wants more input.
    fn reads(&self) -> bool {
        !self.busy
            && self.tokens >= 1.0
            && self.parked.len() < usize::from(self.shared.config.inflight_max)
            && self.output.len() < OUTPUT_BYTES_MAX
    }

    fn deadline(&self) -> Instant {
        let mut deadline = self.last_packet + self.keep_alive.unwrap_or(IDLE);
        if self.tokens < 1.0 {
            deadline = deadline.min(self.refilled + Duration::from_millis(20));
        }
        if let Some(since) = self.unread_since {
            deadline = deadline.min(since + self.shared.config.write_timeout);
        }
        deadline
    }

    fn check_time(&mut self) -> Result<(), End> {
        let now = Instant::now();
        // A session that does not read on its own account must not blame the client for its silence.
        if !self.reads() {
            self.last_packet = now;
        }
        if self.keep_alive.is_some_and(|limit| now >= self.last_packet + limit) {
            return Err(End::KeepAlive);
        }
        if self.keep_alive.is_none() && now >= self.last_packet + IDLE {
            self.last_packet = now;
        }
        match self.unread_since {
            Some(since) if now >= since + self.shared.config.write_timeout => Err(End::Unread),
            _ => Ok(()),
        }
    }

    /// Waits, for a bounded time, until what was admitted is durable, and releases it.
    async fn finish(&mut self) {
        let limit = Instant::now() + self.shared.config.shutdown_timeout / 2;
        while self.release().is_ok() && !self.parked.is_empty() {
            tokio::select! {
                () = self.handle.woken() => {}
                () = tokio::time::sleep_until(limit) => return,
            }
        }
    }

    async fn flush_all(&mut self) {
        while self.flush().is_ok() && self.written < self.output.len() {
            if output::ready(&mut self.stream, &mut self.input, false, true).await.is_err() {
                return;
            }
        }
    }
}
