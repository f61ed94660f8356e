//! A device of the fleet that uses the whole agent: entry and main loop.

use crate::board::{now_ms, read, transfer, write};
use core::hint::black_box;
use fleetfn_device::agent::{Agent, Identity, Notice};
use fleetfn_device::mqtt::Error;
use fleetfn_protocol::DeviceId;

// The RAM of an agent besides its buffers, as docs/reference/footprint.md says.
const _: () = assert!(size_of::<Agent<'static>>() <= 848);

#[expect(unsafe_code, reason = "the linker looks for the entry by this name")]
// SAFETY: no other symbol of the program has this name.
#[unsafe(no_mangle)]
extern "C" fn _start(receive: &'static mut [u8; 512], send: &'static mut [u8; 1024]) -> ! {
    let Ok(device) = DeviceId::parse(black_box("boiler-1")) else { stop() };
    let mut agent = Agent::new(Identity::new(device, black_box(b"token")), receive, send);
    loop {
        if serve(&mut agent).is_err() {
            write(1);
        }
        agent.handle_closed(now_ms(), read());
    }
}

fn stop() -> ! {
    loop {
        write(u32::MAX);
    }
}

/// One connection, from dialling to its end.
fn serve(agent: &mut Agent<'_>) -> Result<(), Error> {
    while !agent.poll_dial(now_ms()) {
        write(u32::from(agent.next_deadline().is_some()));
    }
    agent.handle_opened(now_ms())?;
    while !agent.is_closed() {
        transfer(agent.client());
        agent.handle_timeout(now_ms())?;
        match agent.poll_notice()? {
            Some(Notice::Command(command)) => {
                black_box((command.payload, command.effect, command.expiry_s));
                if command.name == black_box("blink") {
                    agent.reply("blink", black_box(b"done"))?;
                }
            }
            Some(Notice::Desired(desired)) => {
                black_box(desired);
                agent.report(black_box(b"{\"led\":1}"))?;
            }
            Some(Notice::Delivered { id, reason }) => {
                write((u32::from(id.get()) << 8) | u32::from(reason.code()));
            }
            Some(Notice::Lost { id }) => write(u32::from(id.get())),
            Some(Notice::Refused(reason)) => write(u32::from(reason.code())),
            Some(_) => {}
            None => {
                agent.send(black_box("climate"), &read().to_le_bytes())?;
            }
        }
    }
    Ok(())
}
