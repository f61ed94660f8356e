//! `fleetfn serve`.

use super::failure::Failure;
use super::signals::{Signals, runtime};
use super::{bytes, duration, logging, output, rehearsal, timestamp};
use crate::api::{Running, Server};
use crate::clock::{Clock, Speed};
use crate::engine::{Engine, Options, Retention};
use crate::fetch::Private;
use crate::memory;
use crate::registry::Access;
use crate::worker::Recordings;
use fleetfn_store::Durability;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Exit code after a second signal: nothing was drained.
const HURRIED: i32 = 130;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where MQTT clients connect; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:1883", value_parser = address)]
    mqtt: SocketAddr,
    /// Where the HTTP API listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    http: SocketAddr,
    /// Accept any device without a token: for labs and benchmarks, on loopback only
    #[arg(long)]
    open: bool,
    /// Let functions make HTTP requests to private networks and this machine, too: for laboratories
    #[arg(long)]
    http_allow_private: bool,
    /// How long the log is kept: how far back tail, logs, trace, replay and backfills see
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration::parse)]
    retain_for: Duration,
    /// How many bytes of the log are kept, if that is less
    #[arg(long, value_name = "BYTES", default_value = "8GiB", value_parser = bytes::parse)]
    retain_bytes: u64,
    /// How many bytes of updates are sent to devices in a second, all together: telemetry goes first
    #[arg(long, value_name = "BYTES", default_value = "16MiB", value_parser = update_rate)]
    update_rate: u64,
    /// Memory in which the state is cached: reads beyond it go to the disk. A thirty-second of what there is, from 64MiB to
    /// 512MiB, unless it is given
    #[arg(long, value_name = "BYTES", value_parser = cache)]
    cache: Option<u64>,
    /// Begin at this time instead of the real one, as in 2027-03-28T00:30:00Z: for rehearsals, in a data directory of their own
    #[arg(long, value_name = "TIME", value_parser = timestamp::parse_time)]
    clock: Option<u64>,
    /// Send a span for each invocation to an OpenTelemetry collector (OTLP/HTTP with JSON)
    #[arg(long, value_name = "URL", value_parser = crate::otlp::check)]
    otlp: Option<String>,
    /// Whether an acknowledged message is synced; `none` measures what syncing costs and is for nothing else
    #[arg(long, value_enum, default_value_t = Sync::Fsync, hide = true)]
    durability: Sync,
    /// Whether invocations are recorded; `none` measures what recording costs and is for nothing else
    #[arg(long, value_enum, default_value_t = Recordings::Kept, hide = true)]
    recordings: Recordings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sync {
    Fsync,
    None,
}

impl From<Sync> for Durability {
    fn from(sync: Sync) -> Self {
        match sync {
            Sync::Fsync => Self::Fsync,
            Sync::None => Self::None,
        }
    }
}

/// With nothing a second no update would ever end, and none would be refused either.
fn update_rate(text: &str) -> Result<u64, String> {
    match bytes::parse(text)? {
        0 => Err(
            "no update would ever arrive; to hold updates back, pause their rollouts (fleetfn rollout pause)"
                .into(),
        ),
        bytes => Ok(bytes),
    }
}

/// Where to listen is no question for a name service.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, as in 127.0.0.1:1883 or 0.0.0.0:1883".into())
}

/// The database wants to have some, and addresses no more.
fn cache(text: &str) -> Result<u64, String> {
    const SIZES: std::ops::RangeInclusive<u64> = 8 << 20..=64 << 30;
    let bytes = bytes::parse(text)?;
    if SIZES.contains(&bytes) { Ok(bytes) } else { Err(format!("{text} is not between 8MiB and 64GiB")) }
}

pub(super) fn run(arguments: &Arguments, data: PathBuf) -> Result<(), Failure> {
    let access = if arguments.open { Access::Open } else { Access::Tokens };
    if let Some(address) = [arguments.mqtt, arguments.http].iter().find(|address| !address.ip().is_loopback())
        && access == Access::Open
    {
        return Err(Failure::usage(
            format!("will not serve on {address}"),
            "--open lets anybody in, so it takes loopback addresses only",
        )
        .next("leave --open away, and register devices with: fleetfn device add ID"));
    }
    logging::start("info");
    if arguments.durability == Sync::None {
        tracing::warn!("nothing is synced: what is acknowledged is lost when the machine dies");
    }
    if arguments.recordings == Recordings::None {
        tracing::warn!("no invocation is recorded: tail, logs, trace and replay show nothing");
    }
    let clock = clock(arguments.clock, &data)?;
    let (durability, recordings) = (arguments.durability.into(), arguments.recordings);
    let private = if arguments.http_allow_private { Private::Allowed } else { Private::Refused };
    let retention = Retention { bytes: arguments.retain_bytes, age: arguments.retain_for };
    let options = Options {
        access,
        durability,
        recordings,
        private,
        clock,
        retention,
        update_bytes_per_s: arguments.update_rate,
        cache_bytes: arguments.cache.unwrap_or_else(memory::for_cache),
        ..Options::new(data, arguments.mqtt)
    };
    let runtime = runtime()?;
    let served = runtime.block_on(serve(arguments.http, options, arguments.otlp.as_deref()));
    // What is left are tasks that wait for sockets.
    runtime.shutdown_background();
    served
}

/// The clock of the engine, and whether the data directory may be used with it.
fn clock(start_ms: Option<u64>, data: &Path) -> Result<Clock, Failure> {
    let Some(start_ms) = start_ms else {
        return rehearsal::check(data, rehearsal::Clock::Real).map(|()| Clock::Real);
    };
    rehearsal::check(data, rehearsal::Clock::Set)?;
    tracing::warn!("a rehearsal: the clock is set to {}", timestamp::rfc3339(start_ms));
    Ok(Clock::set(start_ms, Speed::REAL))
}

async fn serve(http: SocketAddr, options: Options, otlp: Option<&str>) -> Result<(), Failure> {
    let (engine, api) = start(http, options).await?;
    if let Some(url) = otlp {
        crate::otlp::start(&engine, url);
    }
    let mut signals = Signals::listen()?;
    output::line(&format!("fleetfn ready mqtt={} http={}", engine.mqtt_address(), api.address()))?;
    let failed = tokio::select! {
        () = signals.next() => None,
        reason = engine.failed() => Some(reason),
    };
    tracing::info!("stopping; a second signal ends at once");
    tokio::spawn(async move {
        signals.next().await;
        std::process::exit(HURRIED);
    });
    let stopped = api.stop().await;
    // Whatever the API did, the log is to be closed in order.
    engine.shutdown().await.map_err(|error| stopping(&error))?;
    stopped.map_err(|error| stopping(&error))?;
    match failed {
        Some(reason) => Err(Failure::new("the engine cannot go on", reason)
            .next("see its log above; start it again when the cause is gone")),
        None => Ok(()),
    }
}

/// Starts engine and API, and writes where they are found.
async fn start(http: SocketAddr, options: Options) -> Result<(Engine, Running), Failure> {
    let starting = |error: anyhow::Error| {
        let next = "choose other addresses with --mqtt and --http (port 0: a free one), \
                    or another directory with --data";
        Failure::new("cannot start the engine", format!("{error:#}")).next(next)
    };
    let server = Server::bind(http).await.map_err(starting)?;
    let engine = Engine::start(options).await.map_err(starting)?;
    let api = server.start(engine.clone());
    engine.announce(api.address()).map_err(starting)?;
    Ok((engine, api))
}

fn stopping(error: &anyhow::Error) -> Failure {
    Failure::new("cannot stop the engine in order", format!("{error:#}"))
        .next("nothing that was acknowledged is lost: the next start recovers from the log")
}
