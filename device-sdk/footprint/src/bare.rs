//! A device that uses the whole client: entry, registers and main loop.

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};
use fleetfn_device::mqtt::{
    Client, Connect, Credentials, Error, Event, Message, Publish, Qos, Reason, State, Subscription, Will,
};

/// What would be a serial port and a timer.
static REGISTER: AtomicU32 = AtomicU32::new(0);

fn read() -> u32 {
    black_box(&REGISTER).load(Ordering::Relaxed)
}

fn write(value: u32) {
    black_box(&REGISTER).store(value, Ordering::Relaxed);
}

fn now_ms() -> u64 {
    (u64::from(read()) << 32) | u64::from(read())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        write(u32::MAX);
    }
}

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
    let id = black_box("boiler-1");
    let connect = Connect {
        clean_start: black_box(false),
        session_expiry_s: black_box(3_600),
        credentials: Some(Credentials { username: id, password: black_box(b"token") }),
        will: Some(Will {
            message: Publish::new(black_box("devices/boiler-1/telemetry/gone"), black_box(b"1")),
            delay_s: black_box(30),
        }),
        ..Connect::new(id)
    };
    client.connect(&connect, now_ms())?;
    while client.state() != State::Closed {
        transfer(client);
        client.handle_timeout(now_ms())?;
        match client.poll_event()? {
            None => produce(client)?,
            Some(Event::Connected(connack)) => {
                if !connack.session_present {
                    client.subscribe(&[Subscription::new(
                        black_box("devices/boiler-1/commands/+"),
                        Qos::ExactlyOnce,
                    )])?;
                }
            }
            Some(Event::Message(message)) => {
                handle(&message);
            }
            Some(Event::Acknowledged { id, reason }) => {
                write(u32::from(id.get()) << 8 | u32::from(reason.code()))
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

/// Moves bytes in both directions.
fn transfer(client: &mut Client<'_>) {
    while let Some(bytes) = client.poll_transmit() {
        let count = bytes.len();
        bytes.iter().for_each(|byte| write(u32::from(*byte)));
        client.handle_transmitted(count, now_ms());
    }
    let mut count = 0;
    for slot in client.receive_space() {
        let [byte, there, ..] = read().to_le_bytes();
        if there == 0 {
            break;
        }
        *slot = byte;
        count += 1;
    }
    client.handle_received(count, now_ms());
    if let Some(deadline_ms) = client.next_deadline() {
        write(black_box(deadline_ms) as u32);
    }
}

fn handle(message: &Message<'_>) {
    let effect = message.user_property(black_box("effect-id")).unwrap_or_default();
    for text in [message.topic, effect, message.response_topic().unwrap_or_default()] {
        black_box(text);
    }
    black_box(message.payload);
    black_box(message.correlation_data());
    black_box(message.expiry_s());
    black_box(message.content_type());
}

/// Publishes with every QoS, subscribes to less, says goodbye.
fn produce(client: &mut Client<'_>) -> Result<(), Error> {
    let payload = read().to_le_bytes();
    let topic = black_box("devices/boiler-1/telemetry/climate");
    let qos = match read() {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        2 => Qos::ExactlyOnce,
        3 => {
            client.unsubscribe(&[black_box("devices/boiler-1/commands/+")])?;
            return Ok(());
        }
        4 => {
            client.disconnect(Reason::SUCCESS, now_ms());
            return Ok(());
        }
        _ => return Ok(()),
    };
    client.publish(&Publish {
        qos,
        retain: black_box(false),
        expiry_s: black_box(Some(60)),
        content_type: black_box(Some("text/plain")),
        response_topic: black_box(Some("devices/boiler-1/commands/set/reply")),
        correlation_data: black_box(Some(b"7")),
        user_properties: black_box(&[("effect-id", "4.0.f")]),
        ..Publish::new(topic, &payload)
    })?;
    Ok(())
}
