//! rumqttd's router as live fan-out, and nothing else of it.
//!
//! A session takes a link when it first subscribes beyond its own device. What is published goes into the router through
//! one link on a thread of its own. The router is lossy towards slow readers and knows neither QoS nor properties
//! as we do, so a message travels as QoS 0 with what belongs to it framed into its payload:
//!
//! ```text
//! qos u8 | source u64 BE | properties_len u32 BE | properties | payload
//! ```
//! Every topic and filter is mounted under `m/`: a topic that begins with a character of more than one byte would end
//! the router's thread. A link is given back with a DISCONNECT, for a dropped one would leak.

use crate::codec::publish::Qos;
use crate::handle::{Arrival, Handle, Live};
use crate::interest::Interest;
use crate::statistics::Counters;
use bytes::Bytes;
use rumqttd::local::{LinkBuilder, LinkError, LinkRx, LinkTx};
use rumqttd::protocol::{
    Disconnect, DisconnectReasonCode, Filter, Packet, QoS, RetainForwardRule, Subscribe, Unsubscribe,
};
use rumqttd::{Notification, RouterConfig, Strategy};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc;

/// Links that the router has room for: services, not devices.
const LINKS_MAX: usize = 10_000;

/// Messages on their way into the router; what comes while it is full is dropped and counted.
const QUEUE_MAX: usize = 4_096;

/// How long the router may take to give a link.
const LINK_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests of a session that the router has not taken yet.
const REQUESTS_MAX: usize = 128;

const MOUNT: &str = "m/";
const FRAME_BYTES: usize = 1 + 8 + 4;

type Connect = dyn Fn(&str) -> Result<(LinkTx, LinkRx), LinkError> + Send + Sync;

/// The router, and what is listened to in it.
pub(crate) struct Router {
    pub(crate) interest: Interest,
    connect: Arc<Connect>,
    queue: SyncSender<Live>,
    alive: Arc<AtomicBool>,
    counters: Arc<Counters>,
}

/// The router gives no link.
#[derive(Debug, thiserror::Error)]
#[error("the router of live messages gives no link: {0}")]
pub(crate) struct NoLink(String);

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
            link.map(|(tx, rx, _)| (tx, rx))
        });
        let (link, _unread) = connect("publisher").map_err(|error| NoLink(error.to_string()))?;
        let (queue, messages) = sync_channel(QUEUE_MAX);
        let alive = Arc::new(AtomicBool::new(true));
        let watched = Arc::clone(&alive);
        std::thread::Builder::new()
            .name("live".into())
            .spawn(move || {
                publish_all(link, &messages);
                watched.store(false, Ordering::Release);
            })
            .map_err(|error| NoLink(error.to_string()))?;
        Ok(Arc::new(Self { interest: Interest::default(), connect, queue, alive, counters }))
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Sends a message to whoever listens; never waits.
    pub(crate) fn publish(&self, message: Live) {
        if self.queue.try_send(message).is_err() {
            self.counters.live_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a link for a session; what arrives goes to its handle.
    pub(crate) async fn link(&self, handle: &Arc<Handle>) -> Result<Link, NoLink> {
        let (connect, id) = (Arc::clone(&self.connect), format!("session-{}", handle.id));
        let building = tokio::task::spawn_blocking(move || connect(&id));
        // A router whose thread has died would never answer.
        let built = tokio::time::timeout(LINK_TIMEOUT, building).await;
        let (tx, rx) = match built {
            Ok(Ok(Ok(link))) => link,
            Ok(Ok(Err(error))) => return Err(NoLink(error.to_string())),
            Ok(Err(error)) => return Err(NoLink(error.to_string())),
            Err(_) => return Err(NoLink("it does not answer".into())),
        };
        let (requests, wanted) = mpsc::channel(REQUESTS_MAX);
        let session = LinkTask { tx, handle: Arc::clone(handle), counters: Arc::clone(&self.counters) };
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
    tx: LinkTx,
    handle: Arc<Handle>,
    counters: Arc<Counters>,
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
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = alive {
                tracing::error!(%error, "the router of live messages has gone");
                self.handle.arrive(Arrival::Lost);
                return;
            }
        }
        let goodbye = Disconnect { reason_code: DisconnectReasonCode::NormalDisconnection };
        // The router may be gone already.
        let _ = self.tx.send(Packet::Disconnect(goodbye, None)).await;
        while let Ok(Ok(_)) = tokio::time::timeout(LINK_TIMEOUT, rx.next()).await {}
    }

    async fn ask(&mut self, request: Request) -> Result<(), LinkError> {
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

    fn take(&mut self, notification: Notification, rx: &mut LinkRx) -> Result<(), LinkError> {
        match notification {
            Notification::Forward(forward) => {
                let message = unframe(&forward.publish.topic, &forward.publish.payload);
                if let Some(message) = message
                    && !self.handle.arrive(Arrival::Message(message))
                {
                    self.counters.live_dropped.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
            Notification::Unschedule => rx.ready(),
            other => {
                if let Some(Packet::SubAck(ack, _)) = Option::<Packet>::from(other) {
                    self.handle.arrive(Arrival::Subscribed(ack.pkid));
                }
                Ok(())
            }
        }
    }
}

fn publish_all(mut link: LinkTx, messages: &Receiver<Live>) {
    while let Ok(message) = messages.recv() {
        let topic = [MOUNT, &message.topic].concat();
        if let Err(error) = link.publish(topic, frame(&message)) {
            tracing::error!(%error, "the router of live messages has gone: nobody hears live messages any more");
            return;
        }
    }
}

fn frame(message: &Live) -> Bytes {
    let mut framed = Vec::with_capacity(FRAME_BYTES + message.properties.len() + message.payload.len());
    framed.push(u8::from(message.qos == Qos::AtLeastOnce));
    framed.extend_from_slice(&message.source.to_be_bytes());
    let properties = u32::try_from(message.properties.len()).unwrap_or(0);
    framed.extend_from_slice(&properties.to_be_bytes());
    framed.extend_from_slice(&message.properties);
    framed.extend_from_slice(&message.payload);
    Bytes::from(framed)
}

/// Copies a message out of the router's buffer, which a slice would keep alive.
fn unframe(topic: &[u8], framed: &[u8]) -> Option<Live> {
    let topic = std::str::from_utf8(topic).ok()?.strip_prefix(MOUNT)?;
    let (qos, rest) = framed.split_first()?;
    let (source, rest) = rest.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (properties, payload) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    Some(Live {
        topic: topic.to_owned(),
        source: u64::from_be_bytes(*source),
        qos: if *qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce },
        properties: Bytes::copy_from_slice(properties),
        payload: Bytes::copy_from_slice(payload),
    })
}
