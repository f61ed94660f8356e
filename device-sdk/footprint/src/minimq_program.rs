//! A device that connects, subscribes, publishes with QoS 1 and receives: entry and main loop.

use crate::peer_board::{Port, read, run, write};
use core::convert::Infallible;
use core::hint::black_box;
use core::task::Waker;
use embassy_time_driver::Driver;
use minimq::{
    Buffers, ConfigBuilder, ConnectEvent, Connection, Publication, QoS, Session, TopicFilter, Will,
};

/// The register tells the time, and nobody has to be woken.
struct Register;

impl Driver for Register {
    fn now(&self) -> u64 {
        (u64::from(read()) << 32) | u64::from(read())
    }

    fn schedule_wake(&self, at: u64, _: &Waker) {
        write(at as u32);
    }
}

embassy_time_driver::time_driver_impl!(static DRIVER: Register = Register);

#[expect(unsafe_code, reason = "the linker looks for the entry by this name")]
// SAFETY: no other symbol of the program has this name.
#[unsafe(no_mangle)]
extern "C" fn _start(receive: &'static mut [u8; 512], send: &'static mut [u8; 1024]) -> ! {
    let builder = ConfigBuilder::new(Buffers::new(receive, send))
        .client_id(black_box("boiler-1"))
        .and_then(|builder| builder.auth("boiler-1", black_box(b"token")))
        .and_then(|builder| builder.will(Will::new("devices/boiler-1/telemetry/gone", b"1", &[])?));
    match builder {
        Ok(builder) => run(live(Session::new(builder.keepalive_interval(60).session_expiry_interval(3_600)))),
        Err(_) => loop {
            write(u32::MAX);
        },
    }
}

async fn live(mut session: Session<'_>) -> Infallible {
    loop {
        if let Ok(connection) = session.connect(Port).await
            && connected(connection).await.is_none()
        {
            write(1);
        }
    }
}

/// One connection, until it is lost.
async fn connected(mut connection: Connection<'_, '_, Port>) -> Option<()> {
    if connection.connect_event() == ConnectEvent::Connected {
        let commands = [TopicFilter::new(black_box("devices/boiler-1/commands/+"))];
        connection.subscribe(&commands, &[]).await.ok()?;
    }
    loop {
        if read() == 0 {
            let climate = Publication::bytes("devices/boiler-1/telemetry/climate", black_box(b"21.5"));
            connection.publish(climate.qos(QoS::AtLeastOnce)).await.ok()?;
        }
        if let Some(message) = connection.poll().await.ok()? {
            black_box((message.topic(), message.payload()));
        }
    }
}
