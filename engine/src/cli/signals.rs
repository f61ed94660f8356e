//! What runs until somebody asks it to end: the runtime, and the signals that ask.

use super::failure::Failure;
use std::future::Future;
use std::pin::Pin;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code after a second signal: nothing was put in order.
const HURRIED: i32 = 1;

/// Resolves when the process is asked to end.
pub(super) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs something that ends by itself or in order at the first signal; a second signal ends the process at once. Errors
/// that are no [`Failure`] are told as what failed: `what`.
pub(super) fn until_stopped<F>(what: &str, run: impl FnOnce(Stop) -> F) -> Result<(), Failure>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = runtime()?;
    let ran = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let stop = Box::pin(async move {
            signals.next().await;
            tokio::spawn(async move {
                signals.next().await;
                std::process::exit(HURRIED);
            });
        });
        run(stop).await.map_err(|error| {
            error.downcast::<Failure>().unwrap_or_else(|error| Failure::new(what, format!("{error:#}")))
        })
    });
    // What is left are tasks that wait for sockets.
    runtime.shutdown_background();
    ran
}

/// Tasks after which a busy thread looks for sockets that have become ready, and for what other threads have woken: with the
/// runtime's own 61, an acknowledgement waits for as many sessions that are being served.
const POLLS: u32 = 8;

/// The runtime of everything that waits for sockets; functions run on threads of their own.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(POLLS)
        .global_queue_interval(POLLS)
        .build()
        .map_err(|error| Failure::new("cannot start the runtime", error))
}

/// The signals that ask a process to end.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on these signals do not end the process by themselves.
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::new("cannot listen for signals", error));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Resolves when one of them comes.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
