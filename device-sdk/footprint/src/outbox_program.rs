//! A device that uses the whole agent and the whole outbox: entry and main loop.

use crate::board::{now_ms, read, transfer, write};
use crate::chip::{Chip, Fault};
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use fleetfn_device::agent::{Agent, Identity, Notice};
use fleetfn_device::outbox::{Error, Outbox, Policy};
use fleetfn_protocol::DeviceId;

// The RAM of an outbox besides its buffer and flash, as docs/reference/footprint.md says.
const _: () = assert!(size_of::<Outbox<'static, Chip>>() <= 208);

#[expect(unsafe_code, reason = "the linker looks for the entry by this name")]
// SAFETY: no other symbol of the program has this name.
#[unsafe(no_mangle)]
extern "C" fn _start(
    receive: &'static mut [u8; 512],
    send: &'static mut [u8; 1024],
    entry: &'static mut [u8; 256],
) -> ! {
    let Ok(device) = DeviceId::parse(black_box("boiler-1")) else { stop() };
    let mut agent = Agent::new(Identity::new(device, black_box(b"token")), receive, send);
    let policy = if read() == 0 { Policy::DropOldest } else { Policy::RefuseNew };
    let mut future = pin!(live(&mut agent, policy, entry));
    loop {
        if let Poll::Ready(Err(_)) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            stop();
        }
    }
}

fn stop() -> ! {
    loop {
        write(u32::MAX);
    }
}

async fn live(agent: &mut Agent<'_>, policy: Policy, entry: &mut [u8]) -> Result<(), Error<Fault>> {
    let mut outbox = Outbox::open(Chip, 0..65_536, policy, entry, read()).await?;
    loop {
        if agent.poll_dial(now_ms()) && agent.handle_opened(now_ms()).is_err() || agent.is_closed() {
            agent.handle_closed(now_ms(), read());
        }
        transfer(agent.client());
        if agent.handle_timeout(now_ms()).is_err() {
            write(2);
        }
        notice(agent, &mut outbox).await?;
        outbox.send(black_box("climate"), &read().to_le_bytes()).await?;
        outbox.flush(agent).await?;
        let counts = outbox.counts();
        write(counts.dropped + counts.refused + counts.rejected + counts.erased);
        write(outbox.kept().await? as u32);
    }
}

async fn notice(agent: &mut Agent<'_>, outbox: &mut Outbox<'_, Chip>) -> Result<(), Error<Fault>> {
    let Ok(Some(notice)) = agent.poll_notice() else { return Ok(()) };
    outbox.handle_notice(&notice);
    match notice {
        Notice::Command(command) => {
            black_box((command.payload, command.effect, command.expiry_s));
            if command.name == black_box("blink") {
                write(u32::from(agent.reply("blink", black_box(b"done")).is_ok()));
            }
        }
        Notice::Desired(desired) => {
            black_box(desired);
            outbox.report(black_box(b"{\"led\":1}")).await?;
        }
        Notice::Refused(reason) => write(u32::from(reason.code())),
        _ => {}
    }
    Ok(())
}
