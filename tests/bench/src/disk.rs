//! What the disk itself does: one writer that appends to a preallocated file, as a log does, and calls fdatasync,
//! again and again.

use crate::statistics::quantile;
use anyhow::Result;
use rustix::fs::FallocateFlags;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes that each write appends: about a record of the event path.
const RECORD: [u8; 200] = [7; 200];

/// Size of the file: more than is written in a measurement.
const FILE_BYTES: u64 = 64 << 20;

/// How the disk answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Disk {
    pub(crate) syncs_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Writes and syncs for `duration` into a preallocated file under `directory`, with `pause` between two.
pub(crate) fn measure(directory: &Path, duration: Duration, pause: Duration) -> Result<Disk> {
    let path = directory.join("fdatasync.bin");
    let mut file = std::fs::File::create(&path)?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, FILE_BYTES)?;
    file.sync_all()?;
    let started = Instant::now();
    let mut latencies_ms = Vec::new();
    while started.elapsed() < duration {
        let at = Instant::now();
        file.write_all(&RECORD)?;
        file.sync_data()?;
        latencies_ms.push(at.elapsed().as_secs_f64() * 1e3);
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }
    std::fs::remove_file(&path)?;
    let busy_ms: f64 = latencies_ms.iter().sum();
    latencies_ms.sort_by(f64::total_cmp);
    let syncs = crate::fleet::as_f64(latencies_ms.len() as u64);
    Ok(Disk {
        syncs_per_second: syncs / busy_ms * 1e3,
        p50_ms: quantile(&latencies_ms, 0.5),
        p99_ms: quantile(&latencies_ms, 0.99),
    })
}
