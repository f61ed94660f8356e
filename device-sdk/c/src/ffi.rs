//! The functions of `fleetfn_device.h`.
//!
//! A caller of C promises what the header says: that pointers are null or point to what they say, that buffers and token
//! outlive the device, and that calls with one device do not overlap. Whatever else it passes is answered with a status.
#![expect(unsafe_code, reason = "pointers of C")]

use crate::notice::Notice;
use crate::status::Status;
use core::ffi::{c_char, c_void};
use core::mem::MaybeUninit;
use core::slice;
use fleetfn_device::agent::{Agent, Identity};
use fleetfn_device::mqtt::{Error, PacketId};
use fleetfn_protocol::DeviceId;

/// Words of 64 bits in a device.
pub const WORDS: usize = 120;

/// A time that does not come: the answer of `fleetfn_device_deadline` if nothing is due.
pub const NEVER_MS: u64 = u64::MAX;

/// What marks a device that was initialised: no memory holds it by chance.
const MARK: u64 = 0x666c_6565_7466_6e31;

/// A device of the fleet, in memory of the caller's. What is in it is no one's business but this library's. It may not be
/// moved once it is initialised.
#[repr(C)]
pub struct Device {
    words: [u64; WORDS],
}

/// What is in a [`Device`], the mark first.
#[repr(C)]
struct State {
    mark: u64,
    agent: Agent<'static>,
}

const _: () =
    assert!(size_of::<State>() <= size_of::<Device>() && align_of::<State>() <= align_of::<Device>());

/// Who the device is, how it keeps in touch, and its memory. Buffers and token must outlive the device; the name is copied.
#[repr(C)]
pub struct Config {
    /// What `fleetfn device add` was given.
    pub name: *const c_char,
    /// Length of the name.
    pub name_bytes: usize,
    /// What `fleetfn device add` showed.
    pub token: *const c_void,
    /// Length of the token.
    pub token_bytes: usize,
    /// Seconds between packets, at most; 60 is usual, 0 is never.
    pub keep_alive_s: u16,
    /// Room for the longest packet that comes.
    pub receive: *mut c_void,
    /// Length of that room.
    pub receive_bytes: usize,
    /// Room for what waits to be sent or acknowledged.
    pub send: *mut c_void,
    /// Length of that room.
    pub send_bytes: usize,
}

/// The bytes at a pointer; none if there are none to point to.
///
/// # Safety
/// A pointer that is not null points to so many bytes, which nobody changes for as long as the slice is used.
unsafe fn bytes<'a>(at: *const c_void, count: usize) -> Result<&'a [u8], Status> {
    if count == 0 {
        return Ok(&[]);
    }
    if at.is_null() || isize::try_from(count).is_err() {
        return Err(Status::NullPointer);
    }
    // SAFETY: it is not null, not too long, and the caller promises the rest.
    Ok(unsafe { slice::from_raw_parts(at.cast(), count) })
}

/// As [`bytes`], to be written to.
///
/// # Safety
/// As for [`bytes`], and nobody else reads them either.
unsafe fn room<'a>(at: *mut c_void, count: usize) -> Result<&'a mut [u8], Status> {
    if at.is_null() || isize::try_from(count).is_err() {
        return Err(Status::NullPointer);
    }
    // SAFETY: it is not null, not too long, and the caller promises the rest.
    Ok(unsafe { slice::from_raw_parts_mut(at.cast(), count) })
}

/// As [`bytes`], if they are text.
///
/// # Safety
/// As for [`bytes`].
unsafe fn text<'a>(at: *const c_char, count: usize) -> Result<&'a str, Status> {
    // SAFETY: the caller promises it.
    let bytes = unsafe { bytes(at.cast(), count) }?;
    core::str::from_utf8(bytes).map_err(|_| Status::NotUtf8)
}

/// The agent in a device.
///
/// # Safety
/// The pointer is null or points to a device, which nobody else uses for as long as the agent is used.
unsafe fn agent<'a>(device: *mut Device) -> Result<&'a mut Agent<'static>, Status> {
    if device.is_null() || !device.is_aligned() {
        return Err(Status::NullPointer);
    }
    // SAFETY: it points to a device, in which a number comes first whatever is in it.
    if unsafe { (&raw const (*device.cast::<State>()).mark).read() } != MARK {
        return Err(Status::NotInitialised);
    }
    // SAFETY: the mark says that a state was written there, and the caller that nobody else uses it.
    Ok(unsafe { &mut (*device.cast::<State>()).agent })
}

/// Puts an answer where the caller wants it.
///
/// # Safety
/// The pointer is null or may be written to.
unsafe fn answer<T>(to: *mut T, value: T) -> Result<(), Status> {
    if to.is_null() || !to.is_aligned() {
        return Err(Status::NullPointer);
    }
    // SAFETY: it is not null, and the caller promises the rest.
    unsafe { to.write(value) };
    Ok(())
}

/// As [`answer`], but nobody has to want it.
///
/// # Safety
/// As for [`answer`].
unsafe fn answer_id(to: *mut u16, sent: Result<Option<PacketId>, Error>) -> Result<(), Status> {
    let id = sent?;
    if to.is_null() {
        return Ok(());
    }
    // SAFETY: the caller promises it.
    unsafe { answer(to, id.map_or(0, PacketId::get)) }
}

fn status(result: Result<(), Status>) -> Status {
    result.err().unwrap_or(Status::Ok)
}

/// Makes a device that has never been connected; it wants to be at once.
///
/// # Safety
/// `device` and `config` are null or point to what they say; buffers and token stay where they are, and nobody else uses
/// the buffers, for as long as the device is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_init(device: *mut Device, config: *const Config) -> Status {
    let init = || {
        if device.is_null() || !device.is_aligned() || config.is_null() || !config.is_aligned() {
            return Err(Status::NullPointer);
        }
        // SAFETY: it is not null, and the caller promises the rest.
        let config = unsafe { &*config };
        // SAFETY: the caller promises it.
        let name = unsafe { text(config.name, config.name_bytes) }?;
        // SAFETY: the caller promises it.
        let token = unsafe { bytes(config.token, config.token_bytes) }?;
        // SAFETY: the caller promises it.
        let receive = unsafe { room(config.receive, config.receive_bytes) }?;
        // SAFETY: the caller promises it.
        let send = unsafe { room(config.send, config.send_bytes) }?;
        let name = DeviceId::parse(name).map_err(|_| Status::DeviceName)?;
        let identity = Identity { keep_alive_s: config.keep_alive_s, ..Identity::new(name, token) };
        // SAFETY: a device has room for a state, as the assertion above says, and nothing there has to be dropped.
        let state = unsafe { &mut *device.cast::<MaybeUninit<State>>() };
        state.write(State { mark: MARK, agent: Agent::new(identity, receive, send) });
        Ok(())
    };
    status(init())
}

/// Whether a transport is to be opened now: then try, and say how it went with `fleetfn_device_opened` or
/// `fleetfn_device_closed`.
///
/// # Safety
/// `device` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_wants_transport(device: *mut Device, now_ms: u64) -> bool {
    // SAFETY: the caller promises it.
    unsafe { agent(device) }.is_ok_and(|agent| agent.poll_dial(now_ms))
}

/// A fresh transport is open.
///
/// # Safety
/// `device` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_opened(device: *mut Device, now_ms: u64) -> Status {
    // SAFETY: the caller promises it.
    status(unsafe { agent(device) }.and_then(|agent| Ok(agent.handle_opened(now_ms)?)))
}

/// The transport is closed or could not be opened. The next one is wanted after a wait that doubles with each failure and
/// that `random`, any number, spreads.
///
/// # Safety
/// `device` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_closed(device: *mut Device, now_ms: u64, random: u32) -> Status {
    // SAFETY: the caller promises it.
    status(unsafe { agent(device) }.map(|agent| agent.handle_closed(now_ms, random)))
}

/// Whether the transport is to be closed now; say so with `fleetfn_device_closed`.
///
/// # Safety
/// `device` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_is_closed(device: *mut Device) -> bool {
    // SAFETY: the caller promises it.
    unsafe { agent(device) }.is_ok_and(|agent| agent.is_closed())
}

/// Where bytes that come are to be put; there is no room while CONNECT is not written, and while there are notices.
///
/// # Safety
/// `device`, `space` and `count` are null or point to what they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_receive_space(
    device: *mut Device,
    space: *mut *mut u8,
    count: *mut usize,
) -> Status {
    let found = || {
        // SAFETY: the caller promises it.
        let room = unsafe { agent(device) }?.client().receive_space();
        // SAFETY: the caller promises it.
        unsafe { answer(count, room.len()) }?;
        // SAFETY: the caller promises it.
        unsafe { answer(space, room.as_mut_ptr()) }
    };
    status(found())
}

/// So many bytes were put into `fleetfn_device_receive_space`.
///
/// # Safety
/// `device` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_received(device: *mut Device, count: usize, now_ms: u64) -> Status {
    // SAFETY: the caller promises it.
    status(unsafe { agent(device) }.map(|agent| agent.client().handle_received(count, now_ms)))
}

/// Bytes to be written to the transport; none if nothing is to be written now. Say how many were with
/// `fleetfn_device_transmitted`, then ask again.
///
/// # Safety
/// `device`, `bytes` and `count` are null or point to what they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_transmit(
    device: *mut Device,
    bytes: *mut *const u8,
    count: *mut usize,
) -> Status {
    let found = || {
        // SAFETY: the caller promises it.
        let out = unsafe { agent(device) }?.client().poll_transmit().unwrap_or_default();
        // SAFETY: the caller promises it.
        unsafe { answer(count, out.len()) }?;
        // SAFETY: the caller promises it.
        unsafe { answer(bytes, out.as_ptr()) }
    };
    status(found())
}

/// So many bytes of `fleetfn_device_transmit` were written.
///
/// # Safety
/// `device` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_transmitted(
    device: *mut Device,
    count: usize,
    now_ms: u64,
) -> Status {
    // SAFETY: the caller promises it.
    status(unsafe { agent(device) }.map(|agent| agent.client().handle_transmitted(count, now_ms)))
}

/// When to look again, if nothing changes before: `fleetfn_device_timeout` and `fleetfn_device_wants_transport`.
/// `FLEETFN_DEVICE_NEVER_MS` if nothing is due.
///
/// # Safety
/// `device` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_deadline(device: *mut Device) -> u64 {
    // SAFETY: the caller promises it.
    unsafe { agent(device) }.ok().and_then(|agent| agent.next_deadline()).unwrap_or(NEVER_MS)
}

/// Does what is due; nothing if nothing is. `SILENCE` says to close the transport.
///
/// # Safety
/// `device` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_timeout(device: *mut Device, now_ms: u64) -> Status {
    // SAFETY: the caller promises it.
    status(unsafe { agent(device) }.and_then(|agent| Ok(agent.handle_timeout(now_ms)?)))
}

/// The next thing that happened. Acknowledges the command or twin that it gave before. What it points to stays until the
/// next call with this device.
///
/// # Safety
/// `device` and `notice` are null or point to what they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_next_notice(device: *mut Device, notice: *mut Notice) -> Status {
    let next = || {
        // A notice that cannot be given must not be taken.
        if notice.is_null() {
            return Err(Status::NullPointer);
        }
        // SAFETY: the caller promises it.
        let next = unsafe { agent(device) }?.poll_notice()?;
        // SAFETY: the caller promises it.
        unsafe { answer(notice, next.map_or(Notice::NOTHING, Notice::from)) }
    };
    status(next())
}

/// Sends a reading on a channel of one or more levels. It is kept until the engine has it on disk. `id`, if it is not null,
/// gets the number by which `DELIVERED` names it.
///
/// # Safety
/// All pointers are null or point to what they say, `channel` and `payload` to so many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_send(
    device: *mut Device,
    channel: *const c_char,
    channel_bytes: usize,
    payload: *const c_void,
    payload_bytes: usize,
    id: *mut u16,
) -> Status {
    let send = || {
        // SAFETY: the caller promises it.
        let (channel, payload) = unsafe { (text(channel, channel_bytes)?, bytes(payload, payload_bytes)?) };
        // SAFETY: the caller promises it.
        unsafe { answer_id(id, agent(device)?.send(channel, payload)) }
    };
    status(send())
}

/// Answers a command by its name. The name may lie in the notice that brought it.
///
/// # Safety
/// All pointers are null or point to what they say, `command` and `payload` to so many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_reply(
    device: *mut Device,
    command: *const c_char,
    command_bytes: usize,
    payload: *const c_void,
    payload_bytes: usize,
    id: *mut u16,
) -> Status {
    let reply = || {
        // SAFETY: the caller promises it; what lies in the receive buffer is not changed by sending.
        let (command, payload) = unsafe { (text(command, command_bytes)?, bytes(payload, payload_bytes)?) };
        // SAFETY: the caller promises it.
        unsafe { answer_id(id, agent(device)?.reply(command, payload)) }
    };
    status(reply())
}

/// Says what the device is: a JSON object that the engine merges into the reported part of its twin.
///
/// # Safety
/// All pointers are null or point to what they say, `reported` to so many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fleetfn_device_report(
    device: *mut Device,
    reported: *const c_void,
    reported_bytes: usize,
    id: *mut u16,
) -> Status {
    let report = || {
        // SAFETY: the caller promises it.
        let reported = unsafe { bytes(reported, reported_bytes) }?;
        // SAFETY: the caller promises it.
        unsafe { answer_id(id, agent(device)?.report(reported)) }
    };
    status(report())
}
