//! What the loopback takes: one connection, one writer, one reader, nothing else.

use crate::fleet::as_f64;
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Instant;

/// Bytes that are sent: a second or less.
const BYTES: u64 = 1 << 30;

/// Bytes of one write, and of one read.
const CHUNK_BYTES: usize = 64 * 1_024;

/// Megabytes a second of one TCP connection.
pub(crate) fn megabytes_per_s() -> Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let writer = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, chunk) = (TcpStream::connect(address)?, [0; CHUNK_BYTES]);
        (0..BYTES / CHUNK_BYTES as u64).try_for_each(|_| stream.write_all(&chunk))
    });
    let (mut stream, _) = listener.accept()?;
    let (mut chunk, mut read, started) = (vec![0; CHUNK_BYTES], 0_u64, Instant::now());
    while let count @ 1.. = stream.read(&mut chunk)? {
        read += count as u64;
    }
    let seconds = started.elapsed().as_secs_f64();
    writer.join().ok().context("the writer panicked")??;
    Ok(as_f64(read) / seconds / 1e6)
}
