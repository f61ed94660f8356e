//! A thermometer with an outbox, on a host: a reading a second is kept in a file that stands for a flash, and goes up when
//! there is a server. Kill it or the server at any time: nothing is lost, and nothing is counted twice.
//!
//! ```sh
//! cargo run -p fleetfn-device --example logger -- 127.0.0.1:1883 boiler-1 TOKEN flash.bin
//! ```
//!
//! A fifth argument is the milliseconds between two readings.

use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use fleetfn_device::agent::{Agent, Identity};
use fleetfn_device::outbox::{Outbox, Policy};
use fleetfn_device::tcp::Tcp;
use fleetfn_protocol::DeviceId;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const PAGE_BYTES: u32 = 4_096;
const FLASH_BYTES: u32 = 16 * PAGE_BYTES;

/// How long nothing is looked at, at most.
const MOMENT: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, device, token, path, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: logger HOST:PORT DEVICE TOKEN FLASH_FILE [PERIOD_MS]");
        return ExitCode::from(2);
    };
    let period_ms = rest.first().and_then(|period| period.parse().ok()).unwrap_or(1_000);
    // The file answers at once, so one look at the future is all of it.
    let mut life = pin!(live(address, device, token, path, period_ms));
    match life.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(error)) => eprintln!("{error}"),
        Poll::Ready(Ok(())) | Poll::Pending => eprintln!("it ended"),
    }
    ExitCode::FAILURE
}

async fn live(
    address: &str,
    device: &str,
    token: &str,
    path: &str,
    period_ms: u64,
) -> Result<(), Box<dyn Error>> {
    let (mut receive, mut send, mut entry) = ([0; 1024], [0; 1024], [0; 128]);
    let identity = Identity::new(DeviceId::parse(device)?, token.as_bytes());
    let mut agent = Agent::new(identity, &mut receive, &mut send);
    let flash = FileFlash::open(path)?;
    let mut outbox = Outbox::open(flash, 0..FLASH_BYTES, Policy::DropOldest, &mut entry, random()).await?;
    println!("{} readings are kept from before", outbox.kept().await?);
    let (mut tcp, mut next_ms, mut counted) = (Tcp::new(), 0, outbox.counts());
    loop {
        if agent.poll_dial(tcp.now_ms()) {
            match tcp.dial(address) {
                Ok(()) => agent.handle_opened(tcp.now_ms())?,
                Err(error) => {
                    eprintln!("{}", with_cause(&error));
                    agent.handle_closed(tcp.now_ms(), random());
                }
            }
        }
        while let Some(notice) = agent.poll_notice()? {
            outbox.handle_notice(&notice);
        }
        if tcp.now_ms() >= next_ms {
            next_ms = tcp.now_ms() + period_ms;
            let reading = format!("{{\"temperature\":{}}}", 20 + random() % 5);
            outbox.send("climate", reading.as_bytes()).await?;
        }
        let handed = outbox.flush(&mut agent).await?;
        if handed > 0 {
            println!("{handed} sent, {} kept", outbox.kept().await?);
        }
        if outbox.counts() != counted {
            counted = outbox.counts();
            eprintln!("{counted:?}");
        }
        if !tcp.is_open() {
            std::thread::sleep(MOMENT);
        } else if let Err(error) = tcp.exchange(agent.client(), MOMENT) {
            eprintln!("{}", with_cause(&error));
            agent.handle_closed(tcp.now_ms(), random());
        } else if !tcp.is_open() {
            agent.handle_closed(tcp.now_ms(), random());
        }
    }
}

/// A file that stands for a chip with sixteen pages of 4 KiB.
struct FileFlash(File);

impl FileFlash {
    fn open(path: &str) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let flash = Self(file);
        if flash.0.metadata()?.len() != u64::from(FLASH_BYTES) {
            flash.0.set_len(u64::from(FLASH_BYTES))?;
            flash.blank(0, FLASH_BYTES)?;
        }
        Ok(flash)
    }

    fn blank(&self, from: u32, to: u32) -> io::Result<()> {
        (from..to).step_by(256).try_for_each(|at| self.0.write_all_at(&[0xff; 256], u64::from(at)))
    }
}

#[derive(Debug)]
struct Fault(io::Error);

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the file: {}", self.0)
    }
}

impl Error for Fault {}

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for FileFlash {
    type Error = Fault;
}

impl ReadNorFlash for FileFlash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        self.0.read_exact_at(bytes, u64::from(offset)).map_err(Fault)
    }

    fn capacity(&self) -> usize {
        FLASH_BYTES as usize
    }
}

impl NorFlash for FileFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE_BYTES as usize;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        self.blank(from, to).and_then(|()| self.0.sync_data()).map_err(Fault)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.0.write_all_at(bytes, u64::from(offset)).and_then(|()| self.0.sync_data()).map_err(Fault)
    }
}

impl MultiwriteNorFlash for FileFlash {}

fn with_cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// A number that nobody foresees, from the keys of a hash map.
fn random() -> u32 {
    let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
