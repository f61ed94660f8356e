//! The broker as a whole: listens, gives each connection a task, and takes everything down in order.

use crate::config::Config;
use crate::connection;
use crate::device::Devices;
use crate::handle::Order;
use crate::ingress::{Directory, Ingress, Reports};
use crate::mailbox::Mailboxes;
use crate::pipe::Pipe;
use crate::publisher::Publisher;
use crate::queues::Queues;
use crate::rumqttd::Router;
use crate::statistics::{Counters, Statistics};
use crate::stream::Stream;
use crate::takeover::Clients;
use fleetfn_protocol::DeviceId;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) ingress: Arc<dyn Ingress>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) reports: Arc<dyn Reports>,
    pub(crate) devices: Arc<Devices>,
    pub(crate) clients: Clients,
    pub(crate) router: Arc<Router>,
    pub(crate) counters: Arc<Counters>,
    next_id: AtomicU64,
    closing: watch::Sender<bool>,
}

impl Shared {
    /// A number that no session had before.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Resolves when the broker is going down.
    pub(crate) async fn closing(&self) {
        // The sender lives as long as `self`.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: is another broker running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The router of live messages does not start.
    #[error("cannot start the router of live messages: {0}")]
    Router(String),
}

/// A running broker.
pub struct Broker {
    shared: Arc<Shared>,
    address: SocketAddr,
    listener: JoinHandle<()>,
}

impl Broker {
    /// Starts to listen. Returns when clients can connect.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: Config,
        ingress: Arc<dyn Ingress>,
        directory: Arc<dyn Directory>,
        reports: Arc<dyn Reports>,
    ) -> Result<Self, StartError> {
        let listen_error = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let counters = Arc::new(Counters::default());
        let router =
            Router::start(Arc::clone(&counters)).map_err(|error| StartError::Router(error.to_string()))?;
        let shared = Arc::new(Shared {
            config,
            ingress,
            directory,
            reports,
            devices: Arc::new(Devices::new()),
            clients: Clients::default(),
            router,
            counters,
            next_id: AtomicU64::new(1),
            closing: watch::Sender::new(false),
        });
        let listener = tokio::spawn(accept(Arc::clone(&shared), listener));
        Ok(Self { shared, address, listener })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mailboxes of all devices.
    #[must_use]
    pub fn mailboxes(&self) -> Mailboxes {
        Mailboxes(Arc::clone(&self.shared.devices))
    }

    /// The way to live listeners.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher(Arc::clone(&self.shared.router))
    }

    /// How it stands now.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let counters = &self.shared.counters;
        Statistics {
            connections: counters.connections.load(Ordering::Relaxed),
            devices_online: self.shared.devices.online(),
            live_dropped: counters.live_dropped.load(Ordering::Relaxed),
            router_alive: self.shared.router.is_alive(),
        }
    }

    /// What waits now for those who listen. Looks at each session of a device: not for every event.
    #[must_use]
    pub fn queues(&self) -> Queues {
        let devices = &self.shared.devices;
        Queues {
            block_bytes: u64::try_from(devices.block_bytes()).unwrap_or(u64::MAX),
            parcels: u64::try_from(devices.parcels()).unwrap_or(u64::MAX),
            // What nobody takes out any more waits for nobody.
            live: if self.shared.router.is_alive() {
                self.shared.counters.live_queued.load(Ordering::Relaxed)
            } else {
                0
            },
        }
    }

    /// A connection within the process, as if a client had connected to the listener; `None` if there may be no more.
    #[must_use]
    pub fn connect(&self) -> Option<Pipe> {
        let (here, there) = Pipe::pair();
        let admits = !self.shared.is_closing() && serve(&self.shared, Stream::Pipe(here));
        admits.then_some(there)
    }

    /// Whether a device has a session.
    #[must_use]
    pub fn online(&self, device: &DeviceId) -> bool {
        self.shared.devices.is_online(device)
    }

    /// Ends every session of a device, for it may not be here any more.
    pub fn remove(&self, device: &DeviceId) {
        self.shared.devices.remove(device);
    }

    /// Takes no more clients, acknowledges what was taken, says goodbye to all, and returns when they are gone or the
    /// time for it is over.
    pub async fn shutdown(self) {
        self.shared.closing.send_replace(true);
        // A listener that panicked has stopped as well.
        let _ = self.listener.await;
        self.shared.clients.end_all(Order::Shutdown);
        let deadline = tokio::time::Instant::now() + self.shared.config.shutdown_timeout;
        while self.shared.counters.connections.load(Ordering::Relaxed) > 0
            && tokio::time::Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut closing = pin!(shared.closing());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut closing => return,
        };
        match accepted {
            Ok((stream, _)) => {
                // Small packets must not wait for each other; a socket that cannot do it works all the same.
                let _ = stream.set_nodelay(true);
                // One beyond the bound is closed.
                serve(&shared, Stream::Tcp(stream));
            }
            Err(error) => {
                // Out of files, most likely: others may close theirs.
                if shared.counters.may_log() {
                    tracing::warn!(%error, "a connection cannot be accepted");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Gives a connection a task; `false` if there may be no more.
fn serve(shared: &Arc<Shared>, stream: Stream) -> bool {
    let open = shared.counters.connections.fetch_add(1, Ordering::Relaxed);
    let served = Counted(Arc::clone(shared));
    let full = usize::try_from(open).unwrap_or(usize::MAX) >= shared.config.connections_max;
    if !full {
        tokio::spawn(async move {
            connection::serve(Arc::clone(&served.0), stream).await;
            drop(served);
        });
    }
    !full
}

/// Counts a connection as long as it lives, also if its task panics.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counters.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
