//! rumqttd's router as live fan-out, and nothing else of it.
//!
//! A session takes a link when it first subscribes beyond its own device. What is published goes into the router through
//! one link on a thread of its own. The router is lossy towards slow readers and knows neither QoS nor properties
//! as we do, so a message travels as QoS 0 with what belongs to it framed into its payload:
//!
//! ```text
//! qos u8 | number u64 BE | source u64 BE | properties_len u32 BE | properties | payload
//! ```
//! Every topic and filter is mounted under `m/`: a topic that begins with a character of more than one byte would end
//! the router's thread. A link is given back with a DISCONNECT, for a dropped one would leak.

use crate::codec::publish::Qos;
use crate::config::LIVE_QUEUE_MAX;
use crate::handle::{Arrival, Handle, Live};
use crate::interest::Interest;
use crate::statistics::Counters;
use bytes::Bytes;
use rumqttd::local::{LinkBuilder, LinkError, LinkRx, LinkTx};
use rumqttd::protocol::{
    Disconnect, DisconnectReasonCode, Filter, Packet, QoS, RetainForwardRule, Subscribe, Unsubscribe,
};
use rumqttd::{Notification, RouterConfig, Strategy};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Links that the router has room for: services, not devices.
const LINKS_MAX: usize = 10_000;

/// How long the router may take to give a link.
const LINK_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests of a session that the router has not taken yet.
const REQUESTS_MAX: usize = 128;

const MOUNT: &str = "m/";
const FRAME_BYTES: usize = 1 + 8 + 8 + 4;

type Connect = dyn Fn(&str) -> Result<(LinkTx, LinkRx), NoLink> + Send + Sync;

/// The router, and what is listened to in it.
pub(crate) struct Router {
    pub(crate) interest: Interest,
    connect: Arc<Connect>,
    queue: SyncSender<Live>,
    state: Arc<State>,
}

/// What the router's links share.
struct State {
    alive: AtomicBool,
    counters: Arc<Counters>,
    /// Names that no link has now. The router never forgets a name, so that they are used again.
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    free: Vec<u32>,
    next: u32,
}

impl State {
    fn take_name(&self) -> u32 {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.free.pop().unwrap_or_else(|| {
            names.next += 1;
            names.next
        })
    }

    fn give_name(&self, name: u32) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).free.push(name);
    }

    /// Says once, in the log and in the statistics, that the router's thread has ended.
    fn lost(&self, error: &NoLink) {
        if self.alive.swap(false, Ordering::AcqRel) {
            tracing::error!(%error, "nobody hears live messages any more");
        }
    }
}

/// The router gives no link, or has gone.
#[derive(Debug, thiserror::Error)]
#[error("the router of live messages does not answer: {0}")]
pub(crate) struct NoLink(String);

// Not kept as it is: it carries the whole event that could not be sent.
impl From<LinkError> for NoLink {
    fn from(error: LinkError) -> Self {
        Self(error.to_string())
    }
}

/// What a session asks of its link.
enum Request {
    Subscribe { packet_id: u16, filters: Vec<String> },
    Unsubscribe { filters: Vec<String> },
}

/// A session's link into the router: given back when it is dropped.
pub(crate) struct Link {
    requests: mpsc::Sender<Request>,
}

impl Router {
    /// Starts the router; its thread runs as long as the process.
    pub(crate) fn start(counters: Arc<Counters>) -> Result<Arc<Self>, NoLink> {
        let config = RouterConfig {
            max_connections: LINKS_MAX,
            max_outgoing_packet_count: 200,
            max_segment_size: 1 << 20,
            max_segment_count: 8,
            custom_segment: None,
            // Without a filter that takes them, messages on new topics are dear.
            initialized_filters: Some(vec!["#".to_owned()]),
            shared_subscriptions_strategy: Strategy::RoundRobin,
        };
        let router = rumqttd::Router::new(0, config).spawn();
        let connect: Arc<Connect> = Arc::new(move |id| {
            let link = LinkBuilder::new(id, router.clone()).clean_session(true).topic_alias_max(0).build();
            link.map(|(tx, rx, _)| (tx, rx)).map_err(NoLink::from)
        });
        let (link, unread) = connect("publisher")?;
        let (queue, messages) = sync_channel(LIVE_QUEUE_MAX);
        let state =
            Arc::new(State { alive: AtomicBool::new(true), counters, names: Mutex::new(Names::default()) });
        let watched = Arc::clone(&state);
        std::thread::Builder::new()
            .name("live".into())
            .spawn(move || {
                // Nothing is sent to this link, but without its end the router would take it for gone.
                let _unread = unread;
                if let Err(error) = publish_all(link, &messages, &watched.counters) {
                    watched.lost(&error);
                }
            })
            .map_err(|error| NoLink(error.to_string()))?;
        Ok(Arc::new(Self { interest: Interest::default(), connect, queue, state }))
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.state.alive.load(Ordering::Acquire)
    }

    /// Sends a message to whoever listens; never waits.
    pub(crate) fn publish(&self, message: Live) {
        let counters = &self.state.counters;
        // Before it is sent, for it may be taken out at once.
        counters.live_queued.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(message).is_err() {
            counters.live_queued.fetch_sub(1, Ordering::Relaxed);
            counters.live_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a link for a session; what arrives goes to its handle.
    pub(crate) async fn link(&self, handle: &Arc<Handle>) -> Result<Link, NoLink> {
        if !self.is_alive() {
            return Err(NoLink("its thread has ended".into()));
        }
        let name = self.state.take_name();
        let connect = Arc::clone(&self.connect);
        let building = tokio::task::spawn_blocking(move || connect(&format!("session-{name}")));
        // A router whose thread has died would never answer. The name of a link that came too late is not used again.
        let (tx, rx) = tokio::time::timeout(LINK_TIMEOUT, building)
            .await
            .map_err(|_| NoLink("no link in time".into()))?
            .map_err(|error| NoLink(error.to_string()))??;
        let (requests, wanted) = mpsc::channel(REQUESTS_MAX);
        let session = LinkTask { name, tx, handle: Arc::clone(handle), state: Arc::clone(&self.state) };
        tokio::spawn(session.run(rx, wanted));
        Ok(Link { requests })
    }
}

impl Link {
    /// Asks for filters; [`Arrival::Subscribed`] says when they stand. `false` if too much is asked for at once.
    #[must_use]
    pub(crate) fn subscribe(&self, packet_id: u16, filters: Vec<String>) -> bool {
        self.requests.try_send(Request::Subscribe { packet_id, filters }).is_ok()
    }

    /// Gives filters back. `false` if too much is asked for at once.
    #[must_use]
    pub(crate) fn unsubscribe(&self, filters: Vec<String>) -> bool {
        self.requests.try_send(Request::Unsubscribe { filters }).is_ok()
    }
}

struct LinkTask {
    name: u32,
    tx: LinkTx,
    handle: Arc<Handle>,
    state: Arc<State>,
}

impl LinkTask {
    async fn run(mut self, mut rx: LinkRx, mut wanted: mpsc::Receiver<Request>) {
        loop {
            let alive = tokio::select! {
                request = wanted.recv() => match request {
                    Some(request) => self.ask(request).await,
                    None => break,
                },
                notification = rx.next() => match notification {
                    Ok(Some(notification)) => self.take(notification, &mut rx),
                    Ok(None) => Ok(()),
                    Err(error) => Err(error.into()),
                },
            };
            if let Err(error) = alive {
                self.state.lost(&error);
                self.handle.arrive(Arrival::Lost);
                return;
            }
        }
        let goodbye = Disconnect { reason_code: DisconnectReasonCode::NormalDisconnection };
        // The router may be gone already.
        let _ = self.tx.send(Packet::Disconnect(goodbye, None)).await;
        // What is still under way is of no use; the end of it says that the router has let the link go.
        while let Ok(left) = tokio::time::timeout(LINK_TIMEOUT, rx.next()).await {
            if left.is_err() {
                self.state.give_name(self.name);
                return;
            }
        }
    }

    async fn ask(&mut self, request: Request) -> Result<(), NoLink> {
        match request {
            Request::Subscribe { packet_id, filters } => {
                let filter = |filter: String| Filter {
                    path: format!("{MOUNT}{filter}"),
                    qos: QoS::AtMostOnce,
                    nolocal: false,
                    preserve_retain: false,
                    retain_forward_rule: RetainForwardRule::Never,
                };
                let filters = filters.into_iter().map(filter).collect();
                self.tx.send(Packet::Subscribe(Subscribe { pkid: packet_id, filters }, None)).await?;
            }
            Request::Unsubscribe { filters } => {
                let filters = filters.into_iter().map(|filter| format!("{MOUNT}{filter}")).collect();
                self.tx.send(Packet::Unsubscribe(Unsubscribe { pkid: 1, filters }, None)).await?;
            }
        }
        Ok(())
    }

    fn take(&self, notification: Notification, rx: &mut LinkRx) -> Result<(), NoLink> {
        match notification {
            Notification::Forward(forward) => {
                let message = unframe(&forward.publish.topic, &forward.publish.payload);
                if let Some(message) = message
                    && !self.handle.arrive(Arrival::Message(message))
                {
                    self.state.counters.live_dropped.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
            Notification::Unschedule => Ok(rx.ready()?),
            other => {
                if let Some(Packet::SubAck(ack, _)) = Option::<Packet>::from(other) {
                    self.handle.arrive(Arrival::Subscribed(ack.pkid));
                }
                Ok(())
            }
        }
    }
}

fn publish_all(mut link: LinkTx, messages: &Receiver<Live>, counters: &Counters) -> Result<(), NoLink> {
    let mut number = 0;
    while let Ok(mut message) = messages.recv() {
        counters.live_queued.fetch_sub(1, Ordering::Relaxed);
        number += 1;
        message.number = number;
        let topic = [MOUNT, &message.topic].concat();
        link.publish(topic, frame(&message))?;
    }
    Ok(())
}

fn frame(message: &Live) -> Bytes {
    let properties_len = u32::try_from(message.properties.len()).unwrap_or(0);
    let mut framed = Vec::with_capacity(FRAME_BYTES + message.properties.len() + message.payload.len());
    framed.push(u8::from(message.qos == Qos::AtLeastOnce));
    framed.extend_from_slice(&message.number.to_be_bytes());
    framed.extend_from_slice(&message.source.to_be_bytes());
    framed.extend_from_slice(&properties_len.to_be_bytes());
    framed.extend_from_slice(&message.properties);
    framed.extend_from_slice(&message.payload);
    Bytes::from(framed)
}

/// Copies a message out of the router's buffer, which a slice would keep alive.
fn unframe(topic: &[u8], framed: &[u8]) -> Option<Live> {
    let topic = std::str::from_utf8(topic).ok()?.strip_prefix(MOUNT)?;
    let (qos, rest) = framed.split_first()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (source, rest) = rest.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (properties, payload) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    Some(Live {
        topic: topic.to_owned(),
        number: u64::from_be_bytes(*number),
        source: u64::from_be_bytes(*source),
        qos: if *qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce },
        properties: Bytes::copy_from_slice(properties),
        payload: Bytes::copy_from_slice(payload),
    })
}
