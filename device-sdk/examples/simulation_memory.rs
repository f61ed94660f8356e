//! How much memory a simulated device takes: a fleet in this process, each device connected to a server that lives in its
//! own stream, and what the process grew by.
//!
//! ```sh
//! cargo run --release -p fleetfn-device --example simulation_memory -- 100000
//! ```
//!
//! Linux only: it reads `/proc/self/statm`.

#[path = "../tests/simulation/server.rs"]
mod server;

use fleetfn_device::mqtt::Qos;
use fleetfn_device::simulation::{
    Act, Happened, Link, Member, Message, Random, Run, RuntimeClock, Script, Simulation,
};
use fleetfn_protocol::DeviceId;
use server::Servers;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two readings of a device, on average, in milliseconds.
const MEAN_MS: u64 = 20_000;

/// How long devices say something before they are measured: each does, some three times.
const TALK: Duration = Duration::from_secs(25);

/// A page of memory on all machines that this is measured on.
const PAGE_BYTES: u64 = 4_096;

/// Publishes a reading now and then.
struct Sensor {
    random: Random,
    next_ms: u64,
    acknowledged: Arc<AtomicU64>,
}

impl Script for Sensor {
    fn next_deadline(&self) -> Option<u64> {
        Some(self.next_ms)
    }

    fn poll(&mut self, now_ms: u64) -> Option<Act> {
        if self.next_ms > now_ms {
            return None;
        }
        self.next_ms = now_ms + MEAN_MS / 2 + self.random.below(MEAN_MS);
        let payload = format!("{{\"temperature\":{:.2},\"humidity\":41}}", 20.0 + self.random.share());
        let topic = "telemetry/climate".into();
        Some(Act::Publish(Message { topic, payload: payload.into(), qos: Qos::AtLeastOnce }))
    }

    fn handle(&mut self, happened: Happened<'_>, _: u64) {
        if matches!(happened, Happened::Acknowledged { .. }) {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn main() -> ExitCode {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok());
    let Some(count) = count.filter(|count| *count > 0) else {
        eprintln!("usage: simulation_memory DEVICES");
        return ExitCode::from(2);
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(measure(count));
    ExitCode::SUCCESS
}

async fn measure(count: u64) {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let member = |number: u64| {
        let name = format!("device-{number}");
        let mut random = Random::new(1, &name, 0);
        let next_ms = random.below(MEAN_MS);
        let script = Sensor { random, next_ms, acknowledged: Arc::clone(&acknowledged) };
        let device = DeviceId::parse(&name).expect("it is a name");
        Member {
            device,
            token: [b'x'; 43].into(),
            script,
            link: Link::FAST,
            receive_bytes: 512,
            send_bytes: 640,
        }
    };
    let before = resident_bytes();
    let begun = Instant::now();
    let (clock, run) = (Arc::new(RuntimeClock::new()), Run { seed: 1, number: 1 });
    let simulation = Simulation::start(Servers::default(), clock, run, (0..count).map(member));
    simulation.gathered().await;
    let took = begun.elapsed();
    let connected = resident_bytes().saturating_sub(before);
    simulation.begin();
    tokio::time::sleep(TALK).await;
    let talking = resident_bytes().saturating_sub(before);
    println!(
        "{count} devices connected in {:.1} s: {} bytes each; {} bytes each after {} acknowledged readings",
        took.as_secs_f64(),
        connected / count,
        talking / count,
        acknowledged.load(Ordering::Relaxed),
    );
}

/// Memory of this process that is in use, in bytes.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * PAGE_BYTES
}
