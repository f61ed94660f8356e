//! A device that uses the whole agent and the whole update machine: entry and main loop.

use crate::board::{now_ms, read, transfer, write};
use crate::chip::Chip;
use crate::slots::Board;
use crate::verifier::VERIFIER;
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use fleetfn_device::agent::{Agent, Identity, Notice};
use fleetfn_device::update::{Config, Firmware, Update};
use fleetfn_protocol::update::UpdateKey;
use fleetfn_protocol::{ClassId, DeviceId, ProductId};

// The RAM of the machine besides its slots and flash, as docs/reference/footprint.md says.
const _: () = assert!(size_of::<Update<'static, Board, Chip>>() <= 1_648);

/// Who may sign.
static KEYS: [UpdateKey; 2] = [UpdateKey([7; 32]), UpdateKey([9; 32])];

#[expect(unsafe_code, reason = "the linker looks for the entry by this name")]
// SAFETY: no other symbol of the program has this name.
#[unsafe(no_mangle)]
extern "C" fn _start(receive: &'static mut [u8; 1536], send: &'static mut [u8; 1024]) -> ! {
    let Ok(device) = DeviceId::parse(black_box("boiler-1")) else { stop() };
    let mut agent = Agent::new(Identity::new(device, black_box(b"token")), receive, send);
    let mut future = pin!(live(&mut agent));
    loop {
        if let Poll::Ready(None) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            stop();
        }
    }
}

fn stop() -> ! {
    loop {
        write(u32::MAX);
    }
}

async fn live(agent: &mut Agent<'_>) -> Option<()> {
    agent.want_updates();
    let product = ProductId::parse(black_box("boiler")).ok()?;
    let class = ClassId::parse(black_box("rev-b")).ok()?;
    let firmware = Firmware {
        threshold: black_box(1),
        components: black_box(&[("boot", 3)]),
        ..Firmware::with_verifier(
            product,
            class,
            black_box(4),
            black_box("1.2.3"),
            black_box(&KEYS),
            VERIFIER,
        )
    };
    let config = Config { needs_word: black_box(false), ..Config::new(agent.block_bytes()?) };
    let mut update = Update::new(firmware, config, Board, Chip, 0..8_192).ok()?;
    update.start().await;
    loop {
        if agent.poll_dial(now_ms()) && agent.handle_opened(now_ms()).is_err() || agent.is_closed() {
            agent.handle_closed(now_ms(), read());
        }
        transfer(agent.client());
        if agent.handle_timeout(now_ms()).is_err() {
            write(2);
        }
        notice(agent, &mut update).await;
        update.set_busy(read() == 0, now_ms());
        update.handle_time(now_ms(), now_ms());
        update.set_healthy();
        update.handle_timeout(now_ms()).await;
        update.flush(agent, now_ms()).await;
        if read() == 7 {
            update.refuse().await;
        }
        write(u32::from(update.poll_restart() || update.is_alive()));
        write(update.job().map_or(0, |job| job.size) ^ update.floor());
        black_box(update.next_deadline());
    }
}

async fn notice(agent: &mut Agent<'_>, update: &mut Update<'_, Board, Chip>) {
    let Ok(Some(notice)) = agent.poll_notice() else { return };
    if update.handle_notice(&notice, now_ms()).await {
        return;
    }
    match notice {
        Notice::Command(command) => {
            black_box((command.payload, command.effect, command.expiry_s));
            if command.name == black_box("blink") {
                write(u32::from(agent.reply("blink", black_box(b"done")).is_ok()));
            }
        }
        Notice::Desired(desired) => {
            black_box(desired);
            write(u32::from(agent.report(black_box(b"{\"led\":1}")).is_ok()));
        }
        Notice::Refused(reason) => write(u32::from(reason.code())),
        _ => {}
    }
}
