//! WASI preview 1, deterministic: the event's payload is standard input, standard output and error are log lines, the
//! clocks stand at the event's time, random numbers come from its seed, and what is known of the event stands in the
//! environment. There are no files, no sockets and no arguments.

use super::{Refusal, Signature, guarded};
use crate::failure::Failure;
use crate::guest::{Guest, burn, fuel_of, part, part_mut, split};
use crate::limits::{CALL_FUEL, READ_FUEL};
use fleetfn_core::invocation::LogLevel;
use std::mem;
use wasmi::errors::LinkerError;
use wasmi::{Caller, Linker, Val};

pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// What standard names of the environment begin with.
const VARIABLE_PREFIX: &str = "FLEETFN_";

/// Most parts of one read or write: the rest is read or written by the next call, as WASI allows.
const PARTS_MAX: u32 = 64;

/// Every clock stands still; programs that ask how fine it is are told so.
const CLOCK_RESOLUTION_NS: u64 = 1_000_000;

// Numbers of the standard (typenames.witx).
const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const NOSYS: i32 = 52;
const SPIPE: i32 = 70;
const CHARACTER_DEVICE: u8 = 2;
const RIGHT_READ: u64 = 1 << 1;
const RIGHT_WRITE: u64 = 1 << 6;

/// A function of the standard.
pub(super) struct Row {
    pub(super) name: &'static str,
    params: &'static str,
    /// What it always answers; `None` for what is done below.
    answer: Option<i32>,
}

const fn done(name: &'static str, params: &'static str) -> Row {
    Row { name, params, answer: None }
}

const fn refused(name: &'static str, params: &'static str, answer: i32) -> Row {
    Row { name, params, answer: Some(answer) }
}

pub(super) const ROWS: [Row; 46] = [
    done("args_get", "ii"),
    done("args_sizes_get", "ii"),
    done("clock_res_get", "ii"),
    done("clock_time_get", "iIi"),
    done("environ_get", "ii"),
    done("environ_sizes_get", "ii"),
    done("fd_close", "i"),
    done("fd_fdstat_get", "ii"),
    done("fd_filestat_get", "ii"),
    done("fd_read", "iiii"),
    done("fd_seek", "iIii"),
    done("fd_write", "iiii"),
    done("proc_exit", "i"),
    done("random_get", "ii"),
    refused("sched_yield", "", SUCCESS),
    refused("fd_advise", "iIIi", BADF),
    refused("fd_allocate", "iII", BADF),
    refused("fd_datasync", "i", BADF),
    refused("fd_fdstat_set_flags", "ii", BADF),
    refused("fd_fdstat_set_rights", "iII", BADF),
    refused("fd_filestat_set_size", "iI", BADF),
    refused("fd_filestat_set_times", "iIIi", BADF),
    refused("fd_pread", "iiiIi", BADF),
    refused("fd_prestat_dir_name", "iii", BADF),
    refused("fd_prestat_get", "ii", BADF),
    refused("fd_pwrite", "iiiIi", BADF),
    refused("fd_readdir", "iiiIi", BADF),
    refused("fd_renumber", "ii", BADF),
    refused("fd_sync", "i", BADF),
    refused("fd_tell", "ii", BADF),
    refused("path_create_directory", "iii", BADF),
    refused("path_filestat_get", "iiiii", BADF),
    refused("path_filestat_set_times", "iiiiIIi", BADF),
    refused("path_link", "iiiiiii", BADF),
    refused("path_open", "iiiiiIIii", BADF),
    refused("path_readlink", "iiiiii", BADF),
    refused("path_remove_directory", "iii", BADF),
    refused("path_rename", "iiiiii", BADF),
    refused("path_symlink", "iiiii", BADF),
    refused("path_unlink_file", "iii", BADF),
    refused("poll_oneoff", "iiii", NOSYS),
    refused("proc_raise", "i", NOSYS),
    refused("sock_accept", "iii", NOSYS),
    refused("sock_recv", "iiiiii", NOSYS),
    refused("sock_send", "iiiii", NOSYS),
    refused("sock_shutdown", "ii", NOSYS),
];

impl Row {
    fn signature(&self) -> Signature {
        Signature::new(self.params, if self.name == "proc_exit" { "" } else { "i" })
    }
}

pub(super) fn signature(name: &str) -> Option<Signature> {
    ROWS.iter().find(|row| row.name == name).map(Row::signature)
}

pub(super) fn link(linker: &mut Linker<Guest>) -> Result<(), LinkerError> {
    type C<'a> = Caller<'a, Guest>;
    for Row { name, answer, .. } in &ROWS {
        let (Some(answer), Some(signature)) = (*answer, signature(name)) else { continue };
        linker.func_new(MODULE, name, signature.of_engine(), move |mut caller: C<'_>, _, results| {
            guarded(|| burn(&mut caller, CALL_FUEL))?;
            results.iter_mut().for_each(|result| *result = Val::I32(answer));
            Ok(())
        })?;
    }
    linker.func_wrap(MODULE, "args_get", |mut c: C<'_>, _: u32, _: u32| guarded(|| nothing(&mut c)))?;
    linker.func_wrap(MODULE, "args_sizes_get", |mut c: C<'_>, count: u32, bytes: u32| {
        guarded(|| sizes(&mut c, (count, 0), (bytes, 0)))
    })?;
    linker.func_wrap(MODULE, "environ_get", |mut c: C<'_>, places: u32, texts: u32| {
        guarded(|| environ_get(&mut c, places, texts))
    })?;
    linker.func_wrap(MODULE, "environ_sizes_get", |mut c: C<'_>, count: u32, bytes: u32| {
        guarded(|| environ_sizes_get(&mut c, count, bytes))
    })?;
    linker.func_wrap(MODULE, "clock_res_get", |mut c: C<'_>, _: u32, out: u32| {
        guarded(|| answer(&mut c, out, &CLOCK_RESOLUTION_NS.to_le_bytes()))
    })?;
    linker.func_wrap(MODULE, "clock_time_get", |mut c: C<'_>, _: u32, _: u64, out: u32| {
        let now_ns = c.data().session.received_at_ms.saturating_mul(1_000_000);
        guarded(|| answer(&mut c, out, &now_ns.to_le_bytes()))
    })?;
    linker
        .func_wrap(MODULE, "fd_close", |mut c: C<'_>, fd: u32| guarded(|| standard(&mut c, fd, SUCCESS)))?;
    linker.func_wrap(MODULE, "fd_fdstat_get", |mut c: C<'_>, fd: u32, out: u32| {
        guarded(|| fd_fdstat_get(&mut c, fd, out))
    })?;
    linker.func_wrap(MODULE, "fd_filestat_get", |mut c: C<'_>, fd: u32, out: u32| {
        guarded(|| fd_filestat_get(&mut c, fd, out))
    })?;
    linker.func_wrap(MODULE, "fd_read", |mut c: C<'_>, fd: u32, parts: u32, count: u32, out: u32| {
        guarded(|| fd_read(&mut c, fd, (parts, count), out))
    })?;
    linker.func_wrap(MODULE, "fd_seek", |mut c: C<'_>, fd: u32, _: u64, _: u32, _: u32| {
        guarded(|| standard(&mut c, fd, SPIPE))
    })?;
    linker.func_wrap(MODULE, "fd_write", |mut c: C<'_>, fd: u32, parts: u32, count: u32, out: u32| {
        guarded(|| fd_write(&mut c, fd, (parts, count), out))
    })?;
    linker.func_wrap(MODULE, "proc_exit", |_: C<'_>, code: i32| {
        guarded(|| Err::<(), _>(Failure::Foreign(Refusal::Exit(code))))
    })?;
    linker.func_wrap(MODULE, "random_get", |mut c: C<'_>, out: u32, length: u32| {
        guarded(|| random_get(&mut c, out, length))
    })?;
    Ok(())
}

type Answer = Result<i32, Failure>;

fn nothing(caller: &mut Caller<'_, Guest>) -> Answer {
    burn(caller, CALL_FUEL)?;
    Ok(SUCCESS)
}

/// Writes bytes into the guest's memory.
fn put(memory: &mut [u8], pointer: u32, bytes: &[u8]) -> Result<(), Failure> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    part_mut(memory, pointer, length)?.copy_from_slice(bytes);
    Ok(())
}

fn answer(caller: &mut Caller<'_, Guest>, out: u32, bytes: &[u8]) -> Answer {
    burn(caller, CALL_FUEL)?;
    put(split(caller)?.0, out, bytes)?;
    Ok(SUCCESS)
}

fn sizes(caller: &mut Caller<'_, Guest>, count: (u32, u32), bytes: (u32, u32)) -> Answer {
    answer(caller, count.0, &count.1.to_le_bytes())?;
    put(split(caller)?.0, bytes.0, &bytes.1.to_le_bytes())?;
    Ok(SUCCESS)
}

/// `code` for standard input, output and error; there is nothing else.
fn standard(caller: &mut Caller<'_, Guest>, fd: u32, code: i32) -> Answer {
    burn(caller, CALL_FUEL)?;
    Ok(if fd <= 2 { code } else { BADF })
}

/// The environment: `FLEETFN_ENTITY=devices/d-1` and so on, each with a zero at its end.
fn environment(guest: &Guest) -> Vec<String> {
    let facts = guest.session.facts.iter();
    facts.map(|(name, text)| format!("{VARIABLE_PREFIX}{}={text}\0", name.to_uppercase())).collect()
}

fn length(bytes: usize) -> u32 {
    // Names are bounded, memory has at most 32 bits of addresses.
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn environ_sizes_get(caller: &mut Caller<'_, Guest>, count: u32, bytes: u32) -> Answer {
    let texts = environment(caller.data());
    let total = texts.iter().map(String::len).sum();
    // The texts are put together for it.
    burn(caller, READ_FUEL + fuel_of(total))?;
    sizes(caller, (count, length(texts.len())), (bytes, length(total)))
}

fn environ_get(caller: &mut Caller<'_, Guest>, places: u32, texts: u32) -> Answer {
    let environment = environment(caller.data());
    let total: usize = environment.iter().map(String::len).sum();
    burn(caller, READ_FUEL + fuel_of(total))?;
    let memory = split(caller)?.0;
    let (mut place, mut at) = (places, texts);
    for text in &environment {
        put(memory, place, &at.to_le_bytes())?;
        put(memory, at, text.as_bytes())?;
        place = place.wrapping_add(4);
        at = at.wrapping_add(length(text.len()));
    }
    Ok(SUCCESS)
}

fn fd_fdstat_get(caller: &mut Caller<'_, Guest>, fd: u32, out: u32) -> Answer {
    let rights = match fd {
        0 => RIGHT_READ,
        1 | 2 => RIGHT_WRITE,
        _ => return standard(caller, fd, BADF),
    };
    let mut stat = [0; 24];
    for (to, from) in stat.iter_mut().skip(8).zip(rights.to_le_bytes()) {
        *to = from;
    }
    if let Some(kind) = stat.first_mut() {
        *kind = CHARACTER_DEVICE;
    }
    answer(caller, out, &stat)
}

fn fd_filestat_get(caller: &mut Caller<'_, Guest>, fd: u32, out: u32) -> Answer {
    if fd > 2 {
        return standard(caller, fd, BADF);
    }
    let mut stat = [0; 64];
    if let Some(kind) = stat.get_mut(16) {
        *kind = CHARACTER_DEVICE;
    }
    answer(caller, out, &stat)
}

/// One part of a read or write: pointer and length.
fn buffer_of(memory: &[u8], parts: u32, index: u32) -> Result<(u32, u32), Failure> {
    // At most 64 parts of 8 bytes each.
    let entry = part(memory, parts.wrapping_add(index * 8), 8)?;
    match *entry {
        [p0, p1, p2, p3, l0, l1, l2, l3] => {
            Ok((u32::from_le_bytes([p0, p1, p2, p3]), u32::from_le_bytes([l0, l1, l2, l3])))
        }
        _ => Err(Failure::Pointer { pointer: parts, length: 8 }),
    }
}

fn fd_read(caller: &mut Caller<'_, Guest>, fd: u32, (parts, count): (u32, u32), out: u32) -> Answer {
    if fd != 0 {
        return standard(caller, 3, BADF);
    }
    burn(caller, CALL_FUEL)?;
    let (memory, guest) = split(caller)?;
    let session = &mut guest.session;
    let before = session.read;
    for index in 0..count.min(PARTS_MAX) {
        let (pointer, room) = buffer_of(memory, parts, index)?;
        let into = part_mut(memory, pointer, room)?;
        let rest = session.payload.get(session.read..).unwrap_or_default();
        let fits = into.len().min(rest.len());
        if let (Some(to), Some(from)) = (into.get_mut(..fits), rest.get(..fits)) {
            to.copy_from_slice(from);
        }
        session.read += fits;
    }
    let read = session.read - before;
    put(memory, out, &length(read).to_le_bytes())?;
    burn(caller, fuel_of(read))?;
    Ok(SUCCESS)
}

fn fd_write(caller: &mut Caller<'_, Guest>, fd: u32, (parts, count): (u32, u32), out: u32) -> Answer {
    if fd != 1 && fd != 2 {
        return standard(caller, 3, BADF);
    }
    burn(caller, CALL_FUEL)?;
    let mut written = 0_u32;
    for index in 0..count.min(PARTS_MAX) {
        let (pointer, bytes) = buffer_of(split(caller)?.0, parts, index)?;
        burn(caller, u64::from(bytes) / crate::limits::BYTES_PER_FUEL)?;
        let (memory, guest) = split(caller)?;
        write(guest, fd, part(memory, pointer, bytes)?)?;
        written = written.saturating_add(bytes);
    }
    put(split(caller)?.0, out, &written.to_le_bytes())?;
    Ok(SUCCESS)
}

/// Logs every line that is whole; keeps the rest for later.
fn write(guest: &mut Guest, fd: u32, mut bytes: &[u8]) -> Result<(), Failure> {
    let (stream, level) = if fd == 1 { (0, LogLevel::Info) } else { (1, LogLevel::Warn) };
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = bytes.split_at(end);
        let mut whole = guest.session.lines.get_mut(stream).map(mem::take).unwrap_or_default();
        whole.extend_from_slice(line);
        guest.log(level, &whole)?;
        bytes = rest.get(1..).unwrap_or_default();
    }
    let log_bytes = guest.limits.log_bytes;
    if let Some(line) = guest.session.lines.get_mut(stream) {
        if line.len().saturating_add(bytes.len()) > log_bytes {
            return Err(Failure::LogBytes(log_bytes));
        }
        line.extend_from_slice(bytes);
    }
    Ok(())
}

/// Logs what was written without an end of line.
pub(super) fn flush(guest: &mut Guest) -> Result<(), Failure> {
    let [out, error] = mem::take(&mut guest.session.lines);
    for (line, level) in [(out, LogLevel::Info), (error, LogLevel::Warn)] {
        if !line.is_empty() {
            guest.log(level, &line)?;
        }
    }
    Ok(())
}

/// Fills memory from the stream that begins with the event's seed (splitmix64, the low byte first).
fn random_get(caller: &mut Caller<'_, Guest>, out: u32, bytes: u32) -> Answer {
    burn(caller, CALL_FUEL + u64::from(bytes))?;
    let (memory, guest) = split(caller)?;
    for chunk in part_mut(memory, out, bytes)?.chunks_mut(8) {
        let state = &mut guest.session.random;
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        for (to, from) in chunk.iter_mut().zip((mixed ^ (mixed >> 31)).to_le_bytes()) {
            *to = from;
        }
    }
    Ok(SUCCESS)
}
