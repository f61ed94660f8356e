//! What the broker needs of the rest, played by the test: it sees what was admitted and settles it when it wants.

use fleetfn_broker::{
    Broker, Busy, Config, Directory, Ingress, Message, MessageKind, Outcome, Principal, Receipt, Refused,
    Reports, Role,
};
use fleetfn_protocol::{DeviceId, EffectId, TraceParent};
use std::collections::VecDeque;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A message that was admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) device: Option<String>,
    /// The topic, or the presence event.
    pub(crate) what: String,
    pub(crate) message_id: String,
    pub(crate) trace: Option<TraceParent>,
    pub(crate) expiry_s: u32,
    pub(crate) payload: Vec<u8>,
}

/// What a session reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    Acknowledged(EffectId),
    Listening(DeviceId),
    Wanted(DeviceId, Vec<u8>),
}

/// All that a test looks at.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) admitted: Vec<Admitted>,
    pub(crate) reports: Vec<Report>,
    /// Receipts that wait for [`Backend::settle`].
    receipts: VecDeque<Arc<dyn Receipt>>,
    holds: bool,
    busy: bool,
    /// How often a session was told that there is no room.
    pub(crate) refused: usize,
}

impl State {
    /// What was admitted, in order, presence included.
    pub(crate) fn story(&self) -> Vec<&str> {
        self.admitted.iter().map(|admitted| admitted.what.as_str()).collect()
    }
}

/// The rest, played by the test.
pub(crate) struct Backend(watch::Sender<State>);

impl Backend {
    /// From now on nothing is settled but by [`Backend::settle`].
    pub(crate) fn hold(&self) {
        self.0.send_modify(|state| state.holds = true);
    }

    /// Whether the log is full.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.0.send_modify(|state| state.busy = busy);
    }

    /// Settles the oldest receipts.
    pub(crate) fn settle(&self, count: usize, outcome: Outcome) {
        let mut receipts = Vec::new();
        self.0.send_modify(|state| receipts.extend(state.receipts.drain(..count)));
        receipts.iter().for_each(|receipt| receipt.settled(outcome));
    }

    /// Looks at what happened so far.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.borrow())
    }

    /// Waits until something has happened.
    pub(crate) async fn until(&self, happened: impl FnMut(&State) -> bool) {
        let mut state = self.0.subscribe();
        let waited = tokio::time::timeout(PATIENCE, state.wait_for(happened)).await;
        let state = self.0.borrow();
        assert!(
            waited.is_ok(),
            "it never happened; admitted {:?}, reports {:?}",
            state.story(),
            state.reports
        );
    }

    /// Waits until the admitted messages are these.
    pub(crate) async fn until_story(&self, story: &[&str]) {
        self.until(|state| state.story() == story).await;
    }
}

impl Ingress for Backend {
    fn admit(&self, message: &Message<'_>, receipt: Arc<dyn Receipt>) -> Result<(), Busy> {
        let mut result = Ok(());
        let mut now = None;
        self.0.send_modify(|state| {
            if state.busy {
                state.refused += 1;
                result = Err(Busy);
                return;
            }
            state.admitted.push(Admitted {
                device: message.device.map(|device| device.as_str().to_owned()),
                what: match message.kind {
                    MessageKind::Published(topic) => topic.to_string(),
                    MessageKind::Connected => "connected".into(),
                    MessageKind::Disconnected { reason } => format!("disconnected: {reason}"),
                },
                message_id: message.message_id.to_owned(),
                trace: message.trace,
                expiry_s: message.expiry_s,
                payload: message.payload.to_vec(),
            });
            let presence = !matches!(message.kind, MessageKind::Published(_));
            if state.holds && !presence { state.receipts.push_back(receipt) } else { now = Some(receipt) }
        });
        if let Some(receipt) = now {
            receipt.settled(Outcome::Durable);
        }
        result
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            // The sender is `self`.
            let _ = self.0.subscribe().wait_for(|state| !state.busy).await;
        })
    }
}

impl Directory for Backend {
    fn authenticate(&self, username: &str, password: &[u8]) -> Result<Principal, Refused> {
        let service = |role| Ok(Principal::Service { name: username.to_owned(), role });
        match (username, password) {
            ("nobody", _) => Err(Refused::NotAuthorized),
            ("later", _) => Err(Refused::Unavailable),
            ("operator", b"secret") => service(Role::Operator),
            ("viewer", b"secret") => service(Role::Viewer),
            (device, b"secret") => {
                DeviceId::parse(device).map(Principal::Device).map_err(|_| Refused::BadCredentials)
            }
            _ => Err(Refused::BadCredentials),
        }
    }
}

impl Reports for Backend {
    fn acknowledged(&self, _: DeviceId, effect: EffectId) {
        self.0.send_modify(|state| state.reports.push(Report::Acknowledged(effect)));
    }

    fn listening(&self, device: DeviceId) {
        self.0.send_modify(|state| state.reports.push(Report::Listening(device)));
    }

    fn wanted(&self, device: DeviceId, request: &[u8]) {
        self.0.send_modify(|state| state.reports.push(Report::Wanted(device, request.to_vec())));
    }
}

/// A configuration for a free port on this machine.
pub(crate) fn config() -> Config {
    Config { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..Config::default() }
}

/// A broker with the given configuration, and what plays the rest.
pub(crate) async fn start_with(config: Config) -> (Broker, Arc<Backend>) {
    let backend = Arc::new(Backend(watch::Sender::new(State::default())));
    let broker = Broker::start(
        config,
        Arc::clone(&backend) as _,
        Arc::clone(&backend) as _,
        Arc::clone(&backend) as _,
    )
    .await
    .expect("the broker starts");
    (broker, backend)
}

/// A broker, and what plays the rest.
pub(crate) async fn start() -> (Broker, Arc<Backend>) {
    start_with(config()).await
}
