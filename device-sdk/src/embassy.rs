//! A device for asynchronous firmware: tasks say and hear, a [`Runner`] keeps in touch.
//!
//! [`new`] makes two ends out of one block of memory. The [`Device`] is what tasks hold: a copy each, if they like. Its
//! methods never wait for the network. The [`Runner`] is one task that owns modem and flash: it dials, keeps what is said
//! in flash until the engine has it, and hands over what comes.
//!
//! ```
//! use fleetfn_device::agent::Identity;
//! use fleetfn_device::embassy::{Device, Error, Resources};
//! # use embassy_futures::select::{Either3, select3};
//! # use embassy_time::Timer;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Serialize)] struct Climate { celsius: i16 }
//! # #[derive(Serialize, Deserialize)] struct Settings { period_s: u32 }
//!
//! async fn measure(device: Device<'_>) -> Result<(), Error> {
//!     let mut settings = Settings { period_s: 60 };
//!     loop {
//!         let period = Timer::after_secs(settings.period_s.into());
//!         match select3(period, device.command(), device.desired::<Settings>()).await {
//!             Either3::First(()) => device.send("climate", &Climate { celsius: 21 }).await?,
//!             Either3::Second(command) => command.reply(&"done")?,
//!             Either3::Third(desired) => {
//!                 settings = desired?;
//!                 device.report(&settings).await?;
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! Everything that waits may be dropped half-way, as `select` does: each method says what is left then.

mod command;
mod device;
mod error;
mod frames;
mod keeping;
mod network;
mod resources;
mod runner;
mod serial;
mod transport;
mod twin;
mod updates;

pub use command::Command;
pub use device::Device;
pub use error::{Error, Misuse, Shortage};
pub use frames::{Frame, Frames, frame};
pub use resources::{Resources, new};
pub use runner::{Layout, RunError, Runner};
pub use serial::{Hangup, SerialModem, SerialReader, SerialWriter};
pub use transport::Transport;
pub use updates::{NoUpdates, Updates, Wishes};

/// What tasks on one or several executors, and interrupts, may share.
type Raw = embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
