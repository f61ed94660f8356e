//! One connection: from the first byte to CONNACK, then a session, then what is due at its end.

use crate::acl::Principal;
use crate::broker::Shared;
use crate::codec::connect::{self, ConnAck, Connect, Will};
use crate::codec::publish::Qos;
use crate::codec::reason::Reason;
use crate::codec::{self, Kind, Malformed, Version};
use crate::config::TOPIC_ALIASES_MAX;
use crate::handle::{Handle, Live, Order};
use crate::ingress::{Message, MessageKind, Outcome, Receipt, Refused};
use crate::presence;
use crate::session::{End, Session};
use crate::stream::Stream;
use bytes::Bytes;
use fleetfn_protocol::Topic;
use fleetfn_protocol::limits::{CLIENT_ID_BYTES_MAX, PACKET_BYTES_MAX, PAYLOAD_BYTES_MAX};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

/// Longest CONNECT that is read, in bytes: ids, a password, and a will of full size.
const CONNECT_BYTES_MAX: usize = PACKET_BYTES_MAX + 4 * 1024;

/// A client that is not let in: what it is told, and why, for the log.
struct Refusal {
    version: Version,
    reason: Reason,
    why: &'static str,
}

/// A client that is let in.
struct Client {
    connect: Connect,
    principal: Principal,
    /// Its own, or the one that it is given.
    id: String,
}

/// Serves one connection to its end.
pub(crate) async fn serve(shared: Arc<Shared>, mut stream: Stream) {
    // Boxed one after the other: a session would otherwise keep the room that its greeting needed.
    match Box::pin(greet(&shared, &mut stream)).await {
        Some(Ok((client, rest))) => Box::pin(session(shared, stream, client, rest)).await,
        Some(Err(refusal)) => Box::pin(refuse(&shared, stream, &refusal)).await,
        None => {}
    }
}

/// Waits for the CONNECT and judges it; `None` if none comes in time.
async fn greet(shared: &Shared, stream: &mut Stream) -> Option<Result<(Box<Client>, Vec<u8>), Refusal>> {
    let reading = tokio::time::timeout(shared.config.connect_timeout, read_connect(stream));
    let read = tokio::select! {
        read = reading => read.ok()?,
        () = shared.closing() => return None,
    };
    let (connect, rest) = match read {
        Ok(read) => read?,
        Err(refusal) => return Some(Err(refusal)),
    };
    Some(admit(shared, connect).map(|client| (Box::new(client), rest)))
}

async fn refuse(shared: &Shared, mut stream: Stream, refusal: &Refusal) {
    if shared.counters.may_log() {
        tracing::info!(peer = stream.peer(), reason = ?refusal.reason, "a client is not let in: {}", refusal.why);
    }
    let mut out = Vec::new();
    ConnAck::refusal(refusal.reason).put(&mut out, refusal.version);
    let _ = tokio::time::timeout(shared.config.connect_timeout, stream.write_all(&out)).await;
}

/// Reads up to the end of the CONNECT; what came behind it is returned with it.
async fn read_connect(stream: &mut Stream) -> Result<Option<(Connect, Vec<u8>)>, Refusal> {
    let mut input = Vec::with_capacity(256);
    loop {
        // Without looking further: whoever begins otherwise is no client.
        if input.first().is_some_and(|first| *first != 0x10) {
            return Ok(None);
        }
        let refuse =
            |version, malformed: Malformed| Refusal { version, reason: malformed.reason, why: malformed.why };
        let frame =
            codec::frame(&input, CONNECT_BYTES_MAX).map_err(|malformed| refuse(Version::V5, malformed))?;
        if let Some(frame) = frame {
            debug_assert_eq!(frame.kind, Kind::Connect);
            let version = connect::spoken(frame.body);
            let connect = connect::decode(frame.body).map_err(|malformed| refuse(version, malformed))?;
            let rest = input.split_off(frame.bytes);
            return Ok(Some((connect, rest)));
        }
        match stream.read_buf(&mut input).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
}

/// Lets a client in under its id, or under one that it is given, if it may come in.
fn admit(shared: &Shared, mut connect: Connect) -> Result<Client, Refusal> {
    let version = connect.version;
    let refuse = |reason, why| Refusal { version, reason, why };
    let id = &connect.client_id;
    if id.len() > CLIENT_ID_BYTES_MAX || id.contains(['+', '#', '$', '/']) || id.chars().any(char::is_control)
    {
        return Err(refuse(Reason::BadClientId, "a client id that is too long or holds one of + # $ /"));
    }
    if id.is_empty() && version == Version::V3 && !connect.clean_start {
        return Err(refuse(Reason::BadClientId, "an empty client id without a clean session"));
    }
    let principal = shared.directory.authenticate(&connect.username, &connect.password).map_err(
        |refused| match refused {
            Refused::BadCredentials => refuse(Reason::BadCredentials, "an unknown user or a wrong token"),
            Refused::NotAuthorized => refuse(Reason::NotAuthorized, "a user that may not connect"),
            Refused::Unavailable => refuse(Reason::ServerUnavailable, "the directory does not answer"),
        },
    )?;
    // A secret is kept no longer than it is needed.
    connect.password = Vec::new();
    let id = if id.is_empty() { format!("auto-{}", shared.next_id()) } else { id.clone() };
    Ok(Client { connect, principal, id })
}

async fn session(shared: Arc<Shared>, stream: Stream, client: Box<Client>, rest: Vec<u8>) {
    let handle = Arc::new(Handle::new(shared.next_id()));
    let place = shared.clients.enter(client.principal.clone(), client.id.clone(), &handle).await;
    if shared.is_closing() {
        handle.end(Order::Shutdown);
    }
    let device = client.principal.device();
    if let Some(device) = device {
        presence::enter(&shared.devices, shared.ingress.as_ref(), device, &handle).await;
    }
    let (mut session, will) = begin(&shared, &handle, stream, client, rest);
    let end = session.run().await;
    drop(session);
    let (principal, client_id) = &place.key;
    if let End::Malformed(malformed) = end
        && shared.counters.may_log()
    {
        tracing::info!(client_id, ?principal, reason = ?malformed.reason, "session ended: {malformed}");
    }
    if let Some(will) = will.filter(|_| end != End::Goodbye) {
        publish_will(&shared, principal, &handle, &will).await;
    }
    if let Some(device) = device {
        presence::leave(&shared.devices, shared.ingress.as_ref(), device, &handle, end.text()).await;
        // What this session held goes to another one that listens, if there is one.
        if shared.devices.listens(&device) {
            shared.reports.listening(device);
        }
    }
    shared.clients.leave(place, &handle);
}

/// A session with its greeting, and the will that it may leave.
fn begin(
    shared: &Arc<Shared>,
    handle: &Arc<Handle>,
    stream: Stream,
    client: Box<Client>,
    rest: Vec<u8>,
) -> (Box<Session>, Option<Box<Will>>) {
    let Client { connect, principal, id } = *client;
    let mut greeting = Vec::new();
    ConnAck {
        reason: Reason::Success,
        assigned_client_id: connect.client_id.is_empty().then_some(id.as_str()),
        receive_maximum: shared.config.inflight_max,
        packet_bytes_max: u32::try_from(PACKET_BYTES_MAX).unwrap_or(u32::MAX),
        topic_alias_maximum: TOPIC_ALIASES_MAX,
    }
    .put(&mut greeting, connect.version);
    let session =
        Session::new(Arc::clone(shared), Arc::clone(handle), principal, stream, &connect, rest, greeting);
    (Box::new(session), connect.will.map(Box::new))
}

/// Says once whether the will is durable.
struct WillReceipt(std::sync::Mutex<Option<oneshot::Sender<Outcome>>>);

impl Receipt for WillReceipt {
    fn settled(&self, outcome: Outcome) {
        let sender = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // The session has stopped waiting.
            let _ = sender.send(outcome);
        }
    }
}

/// Publishes the will of a client that went without goodbye, if the client may publish there.
async fn publish_will(shared: &Shared, principal: &Principal, handle: &Handle, will: &Will) {
    let topic = Topic::parse(&will.topic).ok().filter(|topic| principal.may_publish(topic));
    let Some(topic) = topic.filter(|_| will.payload.len() <= PAYLOAD_BYTES_MAX) else {
        if shared.counters.may_log() {
            tracing::info!(client = ?principal, topic = will.topic, "a will on a topic that is not the client's");
        }
        return;
    };
    let message = Message {
        device: topic.device(),
        kind: MessageKind::Published(topic),
        message_id: "",
        trace: None,
        expiry_s: will.expiry_s,
        payload: &will.payload,
    };
    let (sender, durable) = oneshot::channel();
    let receipt: Arc<dyn Receipt> = Arc::new(WillReceipt(std::sync::Mutex::new(Some(sender))));
    while shared.ingress.admit(&message, Arc::clone(&receipt)).is_err() {
        shared.ingress.room().await;
    }
    let wanted = shared.router.interest.wants(&will.topic);
    if wanted && durable.await == Ok(Outcome::Durable) {
        shared.router.publish(Live {
            topic: will.topic.clone(),
            number: 0,
            source: handle.id,
            qos: Qos::AtLeastOnce.min(will.qos),
            properties: Bytes::new(),
            payload: Bytes::copy_from_slice(&will.payload),
        });
    }
}
