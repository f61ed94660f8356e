//! A fleet to try an engine with: as many simulated devices as one likes, which do what a scenario says, against an engine
//! anywhere or one in the same process, and counts of what came of it.

mod counts;
mod door;
mod verdict;
mod view;

pub(crate) use door::Inside;

use crate::cli::{Failure, print_line};
use crate::clock::Clock;
use crate::scenario::{self, Scenario};
use counts::Counts;
use fleetfn_device::dial::Dial;
use fleetfn_device::simulation::{Run, Simulation};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use verdict::Verdict;
use view::View;

/// How long the last acknowledgements may take after devices have stopped to publish.
const DRAIN_MAX: Duration = Duration::from_secs(15);

/// How often a line is printed.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// How often it is looked whether anything is missing still.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Buffers of a device are as small as its messages are.
const ROOM_BYTES: usize = 0;

/// The tag by which simulated devices are told from others.
pub(crate) const SIMULATED: &str = "simulated";

/// What an engine says that it has made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metered {
    /// When it started, by which one that was started again is known.
    pub(crate) since: u64,
    /// Events since then.
    pub(crate) events: u64,
}

/// Asks the engine; `None` if nobody says.
pub(crate) type Meter = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Option<Metered>> + Send>> + Send + Sync>;

/// What is to be played.
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    /// Passwords by device; one without has an empty one.
    pub(crate) tokens: BTreeMap<String, String>,
    /// Ends by itself after this time of the scenario.
    pub(crate) time: Option<Duration>,
    /// By which the scenario goes.
    pub(crate) clock: Clock,
    /// What the engine counts itself.
    pub(crate) meter: Meter,
}

/// Somebody asks to end.
type Stop<'a> = Pin<&'a mut dyn Future<Output = ()>>;

/// Plays until the time is over or `stop` resolves, and sums up. Fails if what devices sent did not all arrive.
pub(crate) async fn run(plan: Plan, dialer: impl Dial, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut stop = std::pin::pin!(stop);
    let Plan { scenario, tokens, time, clock, meter } = plan;
    let Scenario { devices, epoch, seed } = scenario;
    let (count, counts) = (devices.len(), Arc::new(Counts::new()));
    let before = meter().await;
    let token = move |id: &fleetfn_protocol::DeviceId| {
        tokens.get(id.as_str()).map(|token| token.as_bytes().into()).unwrap_or_default()
    };
    let members = scenario::members(devices, clock, &counts, ROOM_BYTES, token);
    let run = Run { seed, number: Clock::Real.now_ms() };
    let mut simulation = Simulation::start(dialer, Arc::new(clock), run, members);
    let mut view = View::new(Arc::clone(&counts), count);
    let is_asked = gather(&simulation, &counts, &mut view, stop.as_mut()).await?;
    view.gathered()?;
    if !is_asked {
        epoch.begin(clock.now_ms());
        simulation.begin();
        play(&mut view, time.map(|time| clock.real(millis(time))), stop.as_mut()).await?;
    }
    simulation.drain();
    let drained = Instant::now();
    while counts.under_way() > 0 && drained.elapsed() < DRAIN_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    simulation.end();
    simulation.left().await;
    let after = meter().await;
    let verdict = Verdict::new(&counts, count, view.connects_per_s(), before.zip(after));
    print_line(&verdict.to_string())?;
    verdict.judge().map_err(Into::into)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Waits for all devices to connect; whether somebody asked to end meanwhile. Fails if the engine does not let them in.
async fn gather(
    simulation: &Simulation,
    counts: &Counts,
    view: &mut View,
    mut stop: Stop<'_>,
) -> Result<bool, Failure> {
    let mut line = tokio::time::interval(LINE_EVERY);
    line.tick().await;
    let mut gathered = std::pin::pin!(simulation.gathered());
    loop {
        tokio::select! {
            () = &mut gathered => {
                let nobody = counts.connected() == 0 && counts.connects() == 0 && counts.failures() > 0;
                return if nobody { Err(counts.shut_out()) } else { Ok(false) };
            }
            () = &mut stop => return Ok(true),
            _ = line.tick() => view.line()?,
        }
    }
}

/// Prints lines until the time is over or somebody asks to end.
async fn play(view: &mut View, time: Option<Duration>, mut stop: Stop<'_>) -> Result<(), Failure> {
    let over = async {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    let mut over = std::pin::pin!(over);
    let mut line = tokio::time::interval(LINE_EVERY);
    line.tick().await;
    loop {
        tokio::select! {
            () = &mut over => return Ok(()),
            () = &mut stop => return Ok(()),
            _ = line.tick() => view.line()?,
        }
    }
}
