//! A room sensor, whatever board it is on.
//!
//! It says how warm it is on the channel `climate`, as often as its twin desires (`{"period_s":5}`), and takes the commands
//! `fan` (`{"on":true}`) and `restart`. That is JSON, which anybody can read and write by hand. Now and then it says on the
//! channel `health` how it is itself, as postcard: a few bytes, for a function that knows the type.
#![no_std]
#![forbid(unsafe_code)]

mod chance;
mod sensing;
mod sensor;

pub use chance::Chance;
pub use sensing::run;
pub use sensor::{Sensor, Simulated};

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

/// How the device is itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Seconds since its start.
    pub uptime_s: u32,
    /// Readings since its start.
    pub readings: u32,
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
