//! The device side of fleetfn.
//!
//! `no_std` and without an allocator: buffers, transport, clock and randomness are the caller's. [`agent`] is a device
//! of the fleet: it knows when to connect and what the topics mean. It stands on [`mqtt`], an MQTT 5 client for any
//! broker: that is given bytes and the time, and says what to write and what happened:
//!
//! ```
//! use fleetfn_device::mqtt::{Client, Connect, Event, Publish, Qos, Subscription};
//!
//! # fn main() -> Result<(), fleetfn_device::mqtt::Error> {
//! let (mut receive, mut send) = ([0; 256], [0; 512]);
//! let mut client = Client::new(&mut receive, &mut send);
//!
//! // A connection begins on a fresh transport: write what the client wants written, hand in what comes.
//! client.connect(&Connect::new("boiler-1"), 0)?;
//! let connect = client.poll_transmit().map_or(0, <[u8]>::len);
//! client.handle_transmitted(connect, 10);
//! client.handle_bytes(&[0x20, 3, 0, 0, 0], 20);
//! assert!(matches!(client.poll_event()?, Some(Event::Connected(_))));
//!
//! // A message of QoS 1 is kept in the send buffer until the server has acknowledged it.
//! client.subscribe(&[Subscription::new("devices/boiler-1/commands/+", Qos::AtLeastOnce)])?;
//! client.publish(&Publish::new("devices/boiler-1/telemetry/water", b"21.5").with_qos(Qos::AtLeastOnce))?;
//! while let Some(bytes) = client.poll_transmit() {
//!     let count = bytes.len();
//!     client.handle_transmitted(count, 30);
//! }
//! client.handle_bytes(&[0x40, 2, 0, 2], 40);
//! assert!(matches!(client.poll_event()?, Some(Event::Acknowledged { id, .. }) if id.get() == 2));
//!
//! // Be back by then, whatever happens.
//! assert_eq!(client.next_deadline(), Some(45_030));
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `std`, `tcp` moves the bytes over a socket. With the feature `outbox`, what a device says is kept in
//! flash until the engine has it, and with `memory` the device knows after a reboot which commands it has done. With the
//! feature `embassy`, tasks of an asynchronous firmware talk to a device that keeps in touch by itself. With the feature
//! `update`, its firmware is updated. With the feature `tokio`, `host` is a whole device for programs on hosts, and with
//! `simulation` there are as many as one likes.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable
    )
)]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(all(feature = "std", feature = "update"))]
extern crate alloc;

/// Names of devices, products and classes, and what else the calls of this crate take.
pub use fleetfn_protocol as protocol;

pub mod agent;
mod checksum;
#[cfg(feature = "tokio")]
pub mod dial;
#[cfg(feature = "embassy")]
pub mod embassy;
pub mod factory;
#[cfg(feature = "tokio")]
pub mod host;
#[cfg(feature = "memory")]
pub mod memory;
pub mod mqtt;
#[cfg(feature = "outbox")]
pub mod outbox;
#[cfg(feature = "simulation")]
pub mod simulation;
#[cfg(feature = "tokio")]
mod stream;
#[cfg(feature = "std")]
pub mod tcp;
#[cfg(feature = "update")]
pub mod update;
