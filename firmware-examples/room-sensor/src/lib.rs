//! A room sensor, whatever board it is on.
//!
//! It says how warm it is on the channel `climate`, as often as its twin desires (`{"period_s":5}`), and takes the commands
//! `fan` (`{"on":true}`) and `restart`.
#![no_std]
#![forbid(unsafe_code)]

mod chance;
mod sensor;

pub use chance::Chance;
pub use sensor::{Sensor, Simulated};

use embassy_futures::select::{Either3, select3};
use embassy_time::Timer;
use fleetfn_device::embassy::{Command, Device, Error};
use serde::{Deserialize, Serialize};

/// What a board is to the application, besides its sensor.
pub trait Board {
    /// Says something to whoever stands beside it.
    fn log(&mut self, text: core::fmt::Arguments<'_>);
    /// Whether all that it consists of does what it should, as far as can be told.
    fn works(&self) -> bool {
        true
    }
    /// Starts anew.
    fn restart(&mut self) -> !;
}

/// How warm it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Degrees Celsius.
    pub temperature: f32,
    /// Readings since the start, from 1.
    pub number: u32,
}

/// What the device is desired to be, and reports that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Seconds between two readings.
    pub period_s: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self { period_s: 2 }
    }
}

/// The command `fan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fan {
    /// Whether it is to turn.
    pub on: bool,
}

/// What the application does, forever.
pub async fn run(device: Device<'_>, mut sensor: impl Sensor, mut board: impl Board) -> ! {
    let mut settings = Settings::default();
    let mut number = 0;
    loop {
        let period = Timer::after_secs(settings.period_s.max(1).into());
        match select3(period, device.command(), device.desired::<Settings>()).await {
            Either3::First(()) => {
                number += 1;
                let reading = Reading { temperature: sensor.temperature().await, number };
                match device.send_json("climate", &reading).await {
                    Ok(()) => {
                        board.log(format_args!("reading {number} {:.1}", reading.temperature));
                        if board.works() {
                            // An image that is on trial may stay.
                            device.set_healthy();
                        }
                    }
                    Err(error) => board.log(format_args!("reading {number} is lost: {error}")),
                }
            }
            Either3::Second(command) => handle(command, &mut board).await,
            Either3::Third(Ok(desired)) => {
                settings = desired;
                board.log(format_args!("settings {settings:?}"));
                if let Err(error) = device.report(&settings).await {
                    board.log(format_args!("settings are not reported: {error}"));
                }
            }
            Either3::Third(Err(error)) => board.log(format_args!("settings make no sense: {error}")),
        }
    }
}

/// Does what it is asked to, and answers.
async fn handle(command: Command<'_>, board: &mut impl Board) {
    let answer = match command.name() {
        "fan" => match command.parse_json::<Fan>() {
            Ok(fan) => {
                board.log(format_args!("fan {}", if fan.on { "on" } else { "off" }));
                command.reply_json(&fan)
            }
            Err(error) => {
                board.log(format_args!("fan: {error}"));
                command.reply_bytes(b"\"error\"")
            }
        },
        "restart" => {
            board.log(format_args!("restart"));
            let answered = command.reply_bytes(b"\"now\"");
            // It has gone up, most probably, and the command counts as done: or it would restart forever.
            Timer::after_secs(1).await;
            if answered.is_ok() {
                board.restart();
            }
            answered
        }
        other => {
            board.log(format_args!("{other}: no such command"));
            command.reply_bytes(b"\"unknown\"")
        }
    };
    if let Err(error) = answer {
        report_unanswered(board, error);
    }
}

fn report_unanswered(board: &mut impl Board, error: Error) {
    board.log(format_args!("not answered: {error}"));
}
