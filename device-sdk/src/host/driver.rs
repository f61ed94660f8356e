//! The task behind a device: moves bytes, hands messages in, hands commands out.

use super::{Command, Config, Error, Status, Trouble};
use crate::agent::{Agent, Identity, Notice};
use crate::dial::Dial;
use crate::mqtt::{self, PacketId, Reason};
use crate::stream::{Allowance, poll_exchange};
use core::future::poll_fn;
use core::hash::BuildHasher;
use core::time::Duration;
use std::hash::RandomState;
use std::io;
use std::string::String;
use std::sync::Arc;
use std::vec;
use std::vec::Vec;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Longest that opening a stream may take.
const DIAL_MAX: Duration = Duration::from_secs(10);

/// Longest that acknowledgements are waited for before the goodbye, in milliseconds.
const LEAVING_MS_MAX: u64 = 5_000;

/// Messages that wait to be acknowledged at once: as many as a window of the engine's and the next one.
const FLIGHTS_MAX: usize = 128;

/// What a message is.
#[derive(Debug)]
pub(super) enum What {
    /// On a channel.
    Telemetry(String),
    Reported,
    /// To a command.
    Reply(String),
}

/// A message to be sent, and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) what: What,
    pub(super) payload: Vec<u8>,
    pub(super) answer: oneshot::Sender<Result<(), Error>>,
}

pub(super) struct Driver<D> {
    dialer: D,
    started: Instant,
    requests: mpsc::Receiver<Request>,
    commands: mpsc::Sender<Command>,
    desired: watch::Sender<Option<Arc<[u8]>>>,
    status: watch::Sender<Status>,
    /// What the send buffer had no room for.
    request: Option<Request>,
    /// What nobody has taken yet. Until it is taken it is not acknowledged.
    command: Option<Command>,
    flights: Vec<(PacketId, oneshot::Sender<Result<(), Error>>)>,
    /// The server's word on the connection that ends.
    refused: Option<Reason>,
    /// When to leave at the latest, once the device is closed.
    leaves_at_ms: Option<u64>,
}

impl<D: Dial> Driver<D> {
    pub(super) fn new(
        dialer: D,
        requests: mpsc::Receiver<Request>,
        commands: mpsc::Sender<Command>,
        desired: watch::Sender<Option<Arc<[u8]>>>,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            dialer,
            started: Instant::now(),
            requests,
            commands,
            desired,
            status,
            request: None,
            command: None,
            flights: Vec::new(),
            refused: None,
            leaves_at_ms: None,
        }
    }

    pub(super) async fn run(mut self, config: Config) {
        let (mut receive, mut send) = (vec![0; config.receive_bytes], vec![0; config.send_bytes]);
        let identity =
            Identity { keep_alive_s: config.keep_alive_s, ..Identity::new(config.device, &config.token) };
        let mut agent = Agent::new(identity, &mut receive, &mut send);
        let mut stream: Option<D::Stream> = None;
        loop {
            if stream.is_some() && (self.hear(&mut agent).is_err() || agent.is_closed()) {
                stream = None;
                self.lose(&mut agent, Trouble::Server);
            }
            self.hand_in(&mut agent);
            if self.leaves(&mut agent, stream.is_some()) {
                return;
            }
            if stream.is_none() && agent.poll_dial(self.now_ms()) {
                stream = self.dial(&mut agent).await;
                continue;
            }
            let due_ms = [agent.next_deadline(), self.leaves_at_ms].into_iter().flatten().min();
            let due_ms = due_ms.unwrap_or(u64::MAX).saturating_sub(self.now_ms());
            let commands = self.commands.clone();
            let (takes_requests, has_command) = (self.takes_requests(), self.command.is_some());
            tokio::select! {
                moved = exchange(&mut agent, &mut stream, self.started), if stream.is_some() => {
                    if let Err(error) = moved {
                        stream = None;
                        self.lose(&mut agent, Trouble::Lost(error.kind()));
                    }
                }
                request = self.requests.recv(), if takes_requests => match request {
                    Some(request) => self.request = Some(request),
                    None => self.leaves_at_ms = Some(self.now_ms().saturating_add(LEAVING_MS_MAX)),
                },
                room = commands.reserve(), if has_command => {
                    // Without a handle there is nobody to take it.
                    let command = self.command.take();
                    if let (Ok(room), Some(command)) = (room, command) {
                        room.send(command);
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(due_ms)) => {}
            }
            if agent.handle_timeout(self.now_ms()).is_err() {
                stream = None;
                self.lose(&mut agent, Trouble::Server);
            }
        }
    }

    fn now_ms(&self) -> u64 {
        now_ms(self.started)
    }

    fn takes_requests(&self) -> bool {
        self.request.is_none() && self.leaves_at_ms.is_none() && self.flights.len() < FLIGHTS_MAX
    }

    /// Whether the task is to end; before, it says goodbye.
    fn leaves(&mut self, agent: &mut Agent<'_>, has_stream: bool) -> bool {
        let Some(until_ms) = self.leaves_at_ms else { return false };
        let (now_ms, is_done) = (self.now_ms(), self.flights.is_empty() && self.request.is_none());
        if is_done && !has_stream {
            return true;
        }
        if is_done || now_ms >= until_ms {
            agent.client().disconnect(Reason::SUCCESS, now_ms);
        }
        now_ms >= until_ms && (!has_stream || agent.is_closed())
    }

    async fn dial(&mut self, agent: &mut Agent<'_>) -> Option<D::Stream> {
        let dialing = tokio::time::timeout(DIAL_MAX, self.dialer.dial());
        let trouble = match dialing.await {
            Ok(Ok(stream)) => match agent.handle_opened(self.now_ms()) {
                Ok(()) => return Some(stream),
                Err(misuse) => Trouble::Caller(misuse),
            },
            Ok(Err(error)) => Trouble::Unreachable(error.kind()),
            Err(_) => Trouble::Unreachable(io::ErrorKind::TimedOut),
        };
        self.lose(agent, trouble);
        None
    }

    fn lose(&mut self, agent: &mut Agent<'_>, trouble: Trouble) {
        // Hashed with a key of its own by each value: as random as a wait has to be.
        let [a, b, c, d, ..] = RandomState::new().hash_one(self.now_ms()).to_le_bytes();
        agent.handle_closed(self.now_ms(), u32::from_le_bytes([a, b, c, d]));
        let trouble = self.refused.take().map_or(trouble, Trouble::Refused);
        self.status.send_replace(Status::Waiting(trouble));
    }

    /// Takes what has happened, until a command has to wait for somebody. An error means that the stream is to be closed.
    fn hear(&mut self, agent: &mut Agent<'_>) -> Result<(), mqtt::Violation> {
        while self.command.is_none() {
            let Some(notice) = agent.poll_notice()? else { return Ok(()) };
            match notice {
                Notice::Listening => drop(self.status.send_replace(Status::Listening)),
                Notice::Command(command) => self.hand_out(Command {
                    name: command.name.into(),
                    payload: command.payload.into(),
                    effect: command.effect.into(),
                    expiry_s: command.expiry_s,
                }),
                Notice::Desired(desired) => drop(self.desired.send_replace(Some(desired.into()))),
                Notice::Delivered { id, reason } if reason.is_failure() => {
                    self.answer(id, Err(Error::Refused(reason)));
                }
                Notice::Delivered { id, .. } => self.answer(id, Ok(())),
                Notice::Lost { id } => self.answer(id, Err(Error::Lost)),
                Notice::Refused(reason) => self.refused = Some(reason),
                Notice::Connected
                | Notice::Repeated { .. }
                | Notice::Other(_)
                | Notice::Offer(_)
                | Notice::Block(_) => {}
            }
        }
        Ok(())
    }

    fn hand_out(&mut self, command: Command) {
        match self.commands.try_send(command) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(command)) => self.command = Some(command),
        }
    }

    fn answer(&mut self, id: PacketId, answer: Result<(), Error>) {
        if let Some(at) = self.flights.iter().position(|(flight, _)| *flight == id) {
            // Whoever has stopped to wait does not want to know.
            let _ = self.flights.remove(at).1.send(answer);
        }
    }

    /// Puts the message that waits into the send buffer, if there is room.
    fn hand_in(&mut self, agent: &mut Agent<'_>) {
        let Some(request) = self.request.take() else { return };
        let sent = match &request.what {
            What::Telemetry(channel) => agent.send(channel, &request.payload),
            What::Reported => agent.report(&request.payload),
            What::Reply(command) => agent.reply(command, &request.payload),
        };
        match sent {
            Ok(Some(id)) => self.flights.push((id, request.answer)),
            // Only QoS 0 has no identifier, and nothing here has QoS 0.
            Ok(None) => drop(request.answer.send(Ok(()))),
            Err(mqtt::Error::Caller(misuse)) => drop(request.answer.send(Err(misuse.into()))),
            Err(mqtt::Error::Resource(_) | mqtt::Error::Peer(_) | mqtt::Error::Silence(_)) => {
                self.request = Some(request);
            }
        }
    }
}

fn now_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Moves bytes. May be cancelled: what has moved is in the agent.
async fn exchange<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    agent: &mut Agent<'_>,
    stream: &mut Option<S>,
    started: Instant,
) -> io::Result<()> {
    let Some(stream) = stream else { return Ok(()) };
    poll_fn(|context| {
        let client = agent.client();
        poll_exchange(stream, client, Allowance::ALL, now_ms(started), context).map_ok(drop)
    })
    .await
}
