//! A device that uses the whole client: entry and main loop.
//!
//! What it says is constant, as in most firmware, but hidden from the optimiser, which would otherwise leave out of the
//! client whatever these constants do not need.

use crate::board::{now_ms, read, transfer, write};
use core::hint::black_box;
use fleetfn_device::mqtt::{
    Client, Connect, Credentials, Error, Event, Message, Publish, Qos, Reason, State, Subscription, Will,
};

const CONNECT: Connect<'static> = Connect {
    clean_start: false,
    session_expiry_s: 3_600,
    credentials: Some(Credentials { username: "boiler-1", password: b"token" }),
    will: Some(Will { message: Publish::new("devices/boiler-1/telemetry/gone", b"1"), delay_s: 30 }),
    ..Connect::new("boiler-1")
};

const COMMANDS: [Subscription<'static>; 1] =
    [Subscription::new("devices/boiler-1/commands/+", Qos::ExactlyOnce)];

const MESSAGE: Publish<'static> = Publish {
    expiry_s: Some(60),
    content_type: Some("text/plain"),
    response_topic: Some("devices/boiler-1/commands/set/reply"),
    correlation_data: Some(b"7"),
    user_properties: &[("effect-id", "4.0.f")],
    ..Publish::new("devices/boiler-1/telemetry/climate", b"21.5")
};

/// One of each QoS.
static MESSAGES: [Publish<'static>; 3] =
    [MESSAGE, MESSAGE.with_qos(Qos::AtLeastOnce), MESSAGE.with_qos(Qos::ExactlyOnce)];

// The RAM of a client besides its buffers, as docs/reference/footprint.md says.
const _: () = assert!(size_of::<Client<'static>>() <= 224);

#[expect(unsafe_code, reason = "the linker looks for the entry by this name")]
// SAFETY: no other symbol of the program has this name.
#[unsafe(no_mangle)]
extern "C" fn _start(receive: &'static mut [u8; 512], send: &'static mut [u8; 1024]) -> ! {
    let mut client = Client::new(receive, send);
    loop {
        if connection(&mut client).is_err() {
            write(1);
        }
        client.handle_closed();
    }
}

/// One connection, from CONNECT to its end.
fn connection(client: &mut Client<'_>) -> Result<(), Error> {
    client.connect(black_box(&CONNECT), now_ms())?;
    while client.state() != State::Closed {
        transfer(client);
        client.handle_timeout(now_ms())?;
        match client.poll_event()? {
            None => produce(client)?,
            Some(Event::Connected(connack)) => write(u32::from(connack.session_present)),
            Some(Event::Message(message)) => handle(&message),
            Some(Event::Acknowledged { id, reason }) => {
                write((u32::from(id.get()) << 8) | u32::from(reason.code()));
            }
            Some(Event::Lost { id }) => write(u32::from(id.get())),
            Some(Event::Subscribed { grants, .. } | Event::Unsubscribed { grants, .. }) => {
                write(u32::from(grants.all_granted()));
            }
            Some(Event::Refused(connack)) => write(u32::from(connack.reason.code())),
            Some(Event::Disconnected(disconnect)) => write(u32::from(disconnect.reason.code())),
        }
    }
    Ok(())
}

fn handle(message: &Message<'_>) {
    black_box(message);
    black_box(message.user_property(black_box("effect-id")));
    black_box(message.response_topic());
    black_box(message.correlation_data());
    black_box(message.expiry_s());
}

/// Publishes with every QoS, subscribes to more and to less, says goodbye.
fn produce(client: &mut Client<'_>) -> Result<(), Error> {
    match read() {
        0 => client.disconnect(Reason::SUCCESS, now_ms()),
        1 => drop(client.subscribe(black_box(&COMMANDS))?),
        2 => drop(client.unsubscribe(black_box(&["devices/boiler-1/commands/+"]))?),
        _ => {
            for message in black_box(&MESSAGES) {
                client.publish(message)?;
            }
        }
    }
    Ok(())
}
