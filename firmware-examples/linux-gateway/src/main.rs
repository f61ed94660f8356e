//! Several room sensors behind one process: each child is a device of its own, with its own identity, connection, outbox
//! and twin, as if it had reached the server by itself.
//!
//! ```sh
//! cargo run -p linux-gateway -- 127.0.0.1:1883 DIRECTORY kitchen=TOKEN attic=TOKEN
//! ```
//!
//! What a child has to say stands in `DIRECTORY/ID.flash` until the engine has it.

mod flash;
mod tcp;

use anyhow::{Context, Result, anyhow, bail};
use flash::Flash;
use fleetfn_device::agent::Identity;
use fleetfn_device::embassy::{self, Layout, Resources};
use fleetfn_device::outbox::Policy;
use fleetfn_protocol::DeviceId;
use room_sensor::{Board, Chance, Simulated};
use std::fmt::Arguments;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use tcp::Tcp;
use tokio::task::{JoinSet, LocalSet};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [server, directory, children @ ..] = words.as_slice() else {
        bail!("usage: linux-gateway HOST:PORT DIRECTORY ID=TOKEN ...");
    };
    std::fs::create_dir_all(directory).with_context(|| format!("making {directory}"))?;
    let (tasks, mut running) = (LocalSet::new(), JoinSet::new());
    for child in children {
        let (id, token) = child.split_once('=').context("a child is ID=TOKEN")?;
        let device = DeviceId::parse(id).with_context(|| format!("'{id}' is no name of a device"))?;
        let path = Path::new(directory).join(format!("{id}.flash"));
        let flash = Flash::open(&path).with_context(|| format!("opening {}", path.display()))?;
        running.spawn_local_on(live(server.clone(), device, token.to_owned(), flash), &tasks);
    }
    tasks
        .run_until(async {
            match running.join_next().await {
                Some(ended) => Err(ended.unwrap_or_else(|panic| anyhow!(panic))),
                None => bail!("there are no children"),
            }
        })
        .await
}

/// One child, for as long as it can run.
async fn live(server: String, device: DeviceId, token: String, flash: Flash) -> anyhow::Error {
    let mut resources: Resources<'_> = Resources::new();
    let [a, b, c, d, ..] = RandomState::new().hash_one(device.as_str()).to_le_bytes();
    let mut chance = Chance::new(u32::from_le_bytes([a, b, c, d]));
    let (handle, runner) = embassy::new(&mut resources, Identity::new(device, token.as_bytes()));
    let layout = Layout { outbox: flash::OUTBOX, policy: Policy::DropOldest, twin: flash::TWIN };
    let keeps_in_touch = runner.run(Tcp::new(server), flash, layout, move || chance.next());
    tokio::select! {
        error = keeps_in_touch => anyhow!(error).context(format!("{device} cannot run")),
        never = room_sensor::run(handle, Simulated::default(), Child(device)) => match never {},
    }
}

/// A child as the application sees it.
struct Child(DeviceId);

impl Board for Child {
    fn log(&mut self, text: Arguments<'_>) {
        println!("{}: {text}", self.0);
    }

    fn restart(&mut self) -> ! {
        // A child cannot be restarted alone: whoever started the gateway starts it again.
        std::process::exit(0)
    }
}
