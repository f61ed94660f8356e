//! What an update of 64 KB costs: the real machine over slots in memory, on a link in virtual time. Prints a Markdown table,
//! the same at each run.
//!
//! ```sh
//! cargo xtask bench update
//! ```
//!
//! Bytes are those of MQTT packets. Flash and processor take no time here: what a board takes for them is its own.

#[path = "../../../tests/fuzz/src/counted.rs"]
mod counted;
mod download;
mod image;
mod link;

use download::{Case, Cost};

/// Rates of the link, in bytes a second: NB-IoT at its better, and LTE-M or a serial line.
const RATES: [u64; 2] = [10_000, 100_000];

fn main() {
    let old = image::old();
    let new = image::edited(&old);
    let patch = fleetfn_patch::make(&old, &new);
    println!(
        "An image of {} bytes; the patch has {}. 50 ms of latency each way, blocks of {} bytes.\n",
        grouped(new.len()),
        grouped(patch.len()),
        grouped(download::BLOCK_BYTES.into())
    );
    println!(
        "| link | sent | blocks lost | window | seconds until verified | bytes down | bytes up | words written: slot, journal | pages erased: slot, journal |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|");
    for rate in RATES {
        let whole = Case { old: &old, new: &new, patch: None, rate, lost_percent: 0, window: 8 };
        print("image", &whole);
        print("patch", &Case { patch: Some(&patch), ..whole });
        print("image", &Case { lost_percent: 5, ..whole });
        print("image", &Case { window: 32, ..whole });
        print("image", &Case { window: 32, lost_percent: 5, ..whole });
    }
}

fn print(sent: &str, case: &Case<'_>) {
    let Cost { verified_ms, down_bytes, up_bytes, slot, journal } = download::run(case);
    let (whole, part) = (verified_ms / 1_000, verified_ms % 1_000 / 10);
    println!(
        "| {} kB/s | {sent} | {} % | {} | {whole}.{part:02} | {} | {} | {}, {} | {}, {} |",
        case.rate / 1_000,
        case.lost_percent,
        case.window,
        grouped(down_bytes),
        grouped(up_bytes),
        grouped(slot.written_bytes / download::WORD),
        grouped(journal.written_bytes / download::WORD),
        slot.erased_bytes / download::SECTOR,
        journal.erased_bytes / download::SECTOR,
    );
}

/// A number with commas between thousands.
fn grouped(number: usize) -> String {
    if number < 1_000 {
        return number.to_string();
    }
    format!("{},{:03}", grouped(number / 1_000), number % 1_000)
}
